"""Which parameters a Verilog module refuses: the elaboration checks at the head of its file, as Icarus meets them."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from scripts.flow.simulator import require_simulator
from scripts.flow.sources import ROOT, include_folders, rtl_files


def refusals(top: str, parameters: Mapping[str, int], files: Sequence[Path] | None = None) -> set[str]:
    """What the checks of ``top`` say to these parameters, as ``ROWS_use_8_to_128``; nothing if they are taken.

    ``files``: Verilog files; None means all of ``fusioncim.f``.

    Raises:
        AssertionError: it cannot be elaborated for another reason.
        FcimError: Icarus is not installed.
    """
    program = require_simulator("icarus")
    given = [f"-P{top}.{name}={value}" for name, value in parameters.items()]
    done = subprocess.run([program, "-g2012", "-t", "null", "-s", top, *given,
                           *(f"-I{folder}" for folder in include_folders()), *map(str, files or rtl_files())], cwd=ROOT,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    found = set(re.findall(r"Unknown module type: fcim_illegal_(\w+)", done.stdout))
    assert bool(done.returncode) == bool(found), done.stdout
    return found


def check_limits(top: str, base: Mapping[str, int], name: str, legal: Sequence[int], illegal: Sequence[int],
                 files: Sequence[Path] | None = None) -> None:
    """``top`` with the parameters ``base`` takes these values of one of them, and refuses those in its name.

    Raises:
        AssertionError: it does not; the message names all the values that are wrong.
        FcimError: Icarus is not installed.
    """
    said = {value: refusals(top, {**base, name: value}, files) for value in (*legal, *illegal)}
    wrong = [f"{value} refused ({', '.join(sorted(said[value]))})" for value in legal if said[value]]
    wrong += [f"{value} taken" for value in illegal if not any(text.startswith(f"{name}_use_") for text in said[value])]
    assert not wrong, f"{top}, {name}: {'; '.join(wrong)}"
