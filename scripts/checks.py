"""What can be told to be wrong in a call before anything that takes seconds to load: options of commands, and names of tests.

What ``make test TEST=...`` means to pytest, and whether there is such a test, is found by reading the files. Collecting the tests
takes pytest most of a minute, since it imports them all, in every worker.
"""

from __future__ import annotations

import argparse
import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import NamedTuple

from models.errors import FcimError
from models.hardware.config import EngineConfig, load_config
from models.tensors.geometry import GEOMETRIES
from models.values import parse_wholes
from scripts.flow.variables import ROOT, check_may_write

FOLDERS = (ROOT / "tests", ROOT / "tb")
NO_TESTS, USAGE = 5, 4      # pytest's exit codes
WORD = re.compile(r"[a-z]{3,}")


def check_call(args: argparse.Namespace, out: Path | None = None) -> None:
    """What can be wrong in the options of a command that are also variables of make, told without PyTorch.

    Args:
        args: the parsed options; those that the command does not have are not missed.
        out: the folder that the command writes to, unless ``args.out`` says so.

    Raises:
        FcimError: the first mistake, in one line.
    """
    given = vars(args)
    cfg = load_config(given["config"]) if given.get("config") else None
    if cfg is not None:
        _check_with(cfg, given)
    if given.get("checkpoint") and given.get("tensors"):
        raise FcimError("CHECKPOINT and TENSORS are both given; give one of them")
    if given.get("octaves") and not given.get("skip"):
        raise FcimError(f"OCTAVES = {given['octaves']} does nothing without SKIP=1; give both")
    if given.get("orders") and "fused" in given:
        for name in ("schedule", "fused", "tau"):
            if given[name] is not None:
                raise FcimError(f"{name.upper()} and ORDERS are both given; ORDERS says it for each KV head, so give one of them")
    if "rtl" in given:
        _check_rtl(given)
    if "geometry" in given:
        _check_geometry(given)
    for name in ("layer", "text"):
        if given.get("tensors") and given.get(name):
            raise FcimError(f"{name.upper()} goes with CHECKPOINT; a TENSORS file holds one layer of one text")
    if out is not None and given.get("out") in (None, out):
        check_may_write(out, None)


NOT_IN_RTL = {"config": "SYSTEM names the engines too", "schedule": "the accelerator's waves choose the order of the keys",
              "orders": "the accelerator takes the same options for all KV heads of a layer"}


def _check_rtl(given: dict[str, object]) -> None:
    """What goes with RTL and what does not."""
    if not given["rtl"]:
        if given.get("system"):
            raise FcimError("SYSTEM does nothing without RTL=1; give both")
        return
    for name, why in NOT_IN_RTL.items():
        if given.get(name):
            raise FcimError(f"{name.upper()} and RTL=1 are both given, but {why}; leave {name.upper()} out")


def _check_geometry(given: dict[str, object]) -> None:
    """What goes with GEOMETRY and what does not."""
    name, heads = given["geometry"], given["heads"]
    if not name:
        if heads:
            raise FcimError("HEADS goes with GEOMETRY; a model's layer runs whole, so leave HEADS out")
        return
    for other in ("model", "checkpoint", "tensors", "layer", "text"):
        if given[other] not in (None, ""):
            raise FcimError(f"GEOMETRY has synthetic tensors and no model; leave {other.upper()} out, or GEOMETRY")
    if heads and heads > (most := GEOMETRIES[name].kv_heads):
        raise FcimError(f"HEADS = {heads} exceeds the {most} KV heads of {name}; use 1 to {most}")


def _check_with(cfg: EngineConfig, given: dict[str, object]) -> None:
    """The options whose limits come from the configuration."""
    if isinstance(given.get("tau"), int):
        cfg.check_tau(given["tau"])
    for size in parse_wholes(given["keys_per_block"], "KEYS_PER_BLOCK", 1) if given.get("keys_per_block") else ():
        replace(cfg, keys_per_block=size)


class Test(NamedTuple):
    """One test function and what pytest's filter finds it by, apart from its parameters: those are only known when it runs."""

    path: str
    name: str

    def words(self) -> list[str]:
        """Folders, file, class and function, in small letters."""
        return [word.lower() for word in (*self.path.split("/"), *self.name.split("::"))]


def tests_in(path: Path) -> Iterator[Test]:
    """The tests of one file."""
    shown = str(path.relative_to(ROOT))
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.ClassDef) and node.name.startswith("Test"):
            yield from (Test(shown, f"{node.name}::{inner.name}") for inner in node.body
                        if isinstance(inner, ast.FunctionDef) and inner.name.startswith("test"))
        elif isinstance(node, ast.FunctionDef) and node.name.startswith("test"):
            yield Test(shown, node.name)


def test_files() -> list[Path]:
    """Every file of tests."""
    return sorted(path for folder in FOLDERS for path in folder.rglob("test_*.py"))


def all_tests() -> list[Test]:
    """Every test of the project."""
    return [test for path in test_files() for test in tests_in(path)]


def is_node(text: str) -> bool:
    """A path or node id goes to pytest as it is, anything else as a filter of names."""
    return "/" in text or "::" in text or text.split("[")[0].endswith(".py")


def check_node(text: str) -> None:
    """Whether the file and the function are there.

    Raises:
        FcimError: they are not.
    """
    name, _, function = text.partition("::")
    path = (ROOT / name).resolve()
    if not name or not path.exists():
        files = [str(p.relative_to(ROOT)) for p in test_files()]
        raise FcimError(f"TEST = '{text}': there is no {name or 'file before the ::'}{_hint(name, files)}")
    if path.is_dir():
        if not any(path.rglob("test_*.py")):
            raise FcimError(f"TEST = '{text}': no tests lie in {name}; they lie below tests and tb")
        return
    if path.suffix != ".py" or not path.is_relative_to(ROOT):
        raise FcimError(f"TEST = '{text}': {name} is no file of tests; they lie below tests and tb and are called test_*.py")
    found = [test.name for test in tests_in(path)]
    wanted = function.split("[")[0]
    if not found or (wanted and wanted not in found and not any(test.startswith(f"{wanted}::") for test in found)):
        raise FcimError(f"TEST = '{text}': {name} has no test {wanted}{_hint(wanted, found)}")
    if "[" in function and not _collects(text):
        raise FcimError(f"TEST = '{text}': {wanted} has no such parameters; make test TEST={name}::{wanted} runs it with all")


def check_filter(text: str) -> None:
    """Whether a filter of names fits a test; where only the tests' parameters can tell, pytest is asked.

    Raises:
        FcimError: it is no filter, or fits none.
    """
    from _pytest.mark.expression import Expression  # late: only make test needs it

    try:
        wanted = Expression.compile(text)
    except SyntaxError as error:
        raise FcimError(f"TEST = '{text}' is no filter of names ({error.msg}); write a part of a name, or words joined by "
                        "and, or, not") from None
    tests = all_tests()
    if any(wanted.evaluate(lambda word, test=test: any(word.lower() in name for name in test.words())) for test in tests):
        return
    files = _maybe_in(text, tests)
    if files and (_collects("-k", text, *files) or _collects("-k", text)):
        return
    names = list(dict.fromkeys(name.split("::")[-1] for name in (*(t.name for t in tests), *(Path(t.path).stem for t in tests))))
    raise FcimError(f"TEST = '{text}' fits no test{_hint(text.split()[0], names)}")


def _maybe_in(text: str, tests: Sequence[Test]) -> list[str]:
    """The files where ``text`` may fit parameters of a test, which only pytest knows: those that hold all its letters.

    Parameters come from a test's text, or from what the tests share; if these hold the letters, every file is one of them.
    """
    words = [piece for word in re.findall(r"[^\s()]+", text) if word not in ("and", "or", "not")
             for piece in WORD.findall(word.lower())]
    every = sorted({test.path for test in tests})
    contents = {name: (ROOT / name).read_text().lower() for name in every}
    if "not" in text.split() or " or " in text:
        return every
    if found := [name for name in every if all(word in contents[name] for word in words)]:
        return found
    shared = [*(path for folder in FOLDERS for path in folder.rglob("*.py")), *(ROOT / "config").glob("*.yaml")]
    everything = "\n".join(f"{path.stem}\n{path.read_text()}" for path in shared).lower()
    return every if all(word in everything for word in words) else []


def _collects(*arguments: str) -> bool:
    """Whether pytest finds a test; it has to import the files for that."""
    print("asking pytest whether a test's parameters fit TEST ...", file=sys.stderr, flush=True)
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, check=False).returncode not in (NO_TESTS, USAGE)


def _hint(word: str, known: Sequence[str]) -> str:
    """``; did you mean ...?`` with up to three names."""
    by_word = {name.lower(): name for name in known}
    short = {name.removeprefix("test_"): name for name in by_word}
    found = [*get_close_matches(word.lower(), by_word, n=3), *(short[s] for s in get_close_matches(word.lower(), short, n=3))]
    close = list(dict.fromkeys(by_word[name] for name in found))[:3]
    return f"; did you mean {' or '.join(close)}?" if close else "; see the files test_*.py in tests and tb"


def pytest_arguments(args: argparse.Namespace) -> list[str]:
    """The arguments for pytest; SIM and WAVES go to the tests through the environment.

    Args:
        args: ``test``, ``seed``, ``jobs``, ``sim`` and ``waves``, as ``make test`` has them.

    Raises:
        FcimError: TEST fits no test.
    """
    text = (args.test or "").strip()
    chosen = []
    if text:
        (check_node if is_node(text) else check_filter)(text)
        chosen = [text] if is_node(text) else ["-k", text]
    os.environ["WAVES"] = str(int(args.waves))
    os.environ.pop("SIM", None)
    if args.sim:
        os.environ["SIM"] = args.sim
    return ["-n", str(args.jobs or 2), *([] if args.seed is None else [f"--seed={args.seed}"]), *chosen]
