"""What a user types, read as values: one rule for each kind, shared by make's check, every command and the environment.

Only the standard library is needed, so that a call can be judged before anything is installed or loaded. Every function
raises :class:`~models.errors.FcimError` in one line that names the variable, with what may be given instead.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from models.errors import FcimError

SEED_MAX = 2**63 - 1    # what numpy, PyTorch and the simulators all take
MOST_DIGITS = 20        # of a number that anybody means
_WORDS = {"1": True, "yes": True, "on": True, "true": True, "0": False, "no": False, "off": False, "false": False}


def parse_whole(given: str | int, variable: str, least: int, most: int | None = None) -> int:
    """A whole number from ``least`` to ``most`` (None: no limit)."""
    legal = f"use {least} or more" if most is None else f"use {least} to {most}"
    text = str(given).strip()
    if not re.fullmatch(r"[+-]?[0-9]+", text):
        raise FcimError(f"{variable} = {text!r} is not a whole number; {legal}")
    if len(text) > MOST_DIGITS or int(text) < least or (most is not None and int(text) > most):
        shown = text if len(text) <= MOST_DIGITS else f"{text[:MOST_DIGITS]}..."
        raise FcimError(f"{variable} = {shown} is illegal; {legal}")
    return int(text)


def parse_wholes(given: str, variable: str, least: int) -> list[int]:
    """Whole numbers separated by commas, ascending, each once."""
    return sorted({parse_whole(piece, variable, least) for piece in parse_names(given, variable, "numbers")})


def parse_count(given: str | int | None, variable: str) -> int | None:
    """A whole number of at least 1, or None where nothing was given."""
    return None if given is None or given == "" else parse_whole(given, variable, 1)


def parse_seed(given: str | int, variable: str = "SEED") -> int:
    """A seed: a whole number from 0 to ``SEED_MAX``."""
    try:
        return parse_whole(given, variable, 0, SEED_MAX)
    except FcimError:
        raise FcimError(f"{variable} = {str(given)[:40]!r} is not a seed; use a whole number from 0 to {SEED_MAX}") from None


def parse_switch(given: str | None, variable: str) -> bool:
    """1, yes, on or true; 0, no, off, false or nothing at all; in small or capital letters."""
    text = (given or "").strip()
    if not text:
        return False
    if text.lower() not in _WORDS:
        raise FcimError(f"{variable} = {text!r} is neither on nor off; use 1 or 0 (or yes, no, on, off, true, false)")
    return _WORDS[text.lower()]


def parse_choice(given: str, variable: str, choices: Sequence[str]) -> str:
    """One of the words."""
    if given.strip() not in choices:
        either = " or ".join([", ".join(choices[:-1]), choices[-1]] if len(choices) > 1 else choices)
        raise FcimError(f"{variable} = {given.strip()!r} is unknown; use {either}")
    return given.strip()


def parse_names(given: str, variable: str, what: str = "names") -> list[str]:
    """Words separated by commas; none may be empty."""
    names = [name.strip() for name in given.split(",")]
    if not all(names):
        raise FcimError(f"{variable} = {given.strip()!r} leaves one out; write {what} separated by commas")
    return names


def parse_ranges(given: str, variable: str, count: int | None = None) -> list[range]:
    """Numbers and ranges like ``0-3,8``, or ``all``; the legal ones are 0 to ``count - 1`` (None: not known yet)."""
    if given.strip() == "all":
        return [range(count or 0)]
    found = []
    for piece in given.split(","):
        match = re.fullmatch(r"\s*([0-9]{1,9})\s*(?:-\s*([0-9]{1,9})\s*)?", piece)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, -1)
        if last < first:
            raise FcimError(f"{variable} = '{given}' is not understood; write numbers and ranges like 0-3,8, or 'all'")
        if count is not None and last >= count:
            raise FcimError(f"{variable} = {given}: {last} is not there; choose from 0 to {count - 1}")
        found.append(range(first, last + 1))
    return found


def parse_indices(given: Any, count: int, variable: str) -> list[int] | None:
    """Indices from a command line: ``"0-3,8"``, ``"all"``, one number or a list; ascending, each once.

    Args:
        given: what the user gave; None and the empty string mean that nothing was given.
        count: how many there are; legal indices are 0 to ``count - 1``.
        variable: the name to blame, such as ``HEADS``.

    Raises:
        FcimError: not of this form, or an index that is not there.
    """
    if given is None or given == "":
        return None
    if isinstance(given, str):
        chosen = [i for part in parse_ranges(given, variable, count) for i in part]
    else:
        chosen = [given] if isinstance(given, int) else list(given)
    wrong = [i for i in chosen if not 0 <= i < count]
    if wrong or not chosen:
        problem = f"{wrong[0]} is not there" if wrong else "nothing is chosen"
        raise FcimError(f"{variable} = {given}: {problem}; choose from 0 to {count - 1}")
    return sorted(set(chosen))
