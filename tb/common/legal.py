"""Which parameters a Verilog module refuses: the elaboration checks at the head of its file, as Icarus meets them."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping

from scripts.flow.simulator import require_simulator
from scripts.flow.sources import ROOT, include_folders, rtl_files


def refusals(top: str, parameters: Mapping[str, int]) -> set[str]:
    """What the checks of ``top`` say to these parameters, as ``ROWS_use_8_to_128``; nothing if they are taken.

    Raises:
        AssertionError: it cannot be elaborated for another reason.
        FcimError: Icarus is not installed.
    """
    program = require_simulator("icarus")
    given = [f"-P{top}.{name}={value}" for name, value in parameters.items()]
    done = subprocess.run([program, "-g2012", "-t", "null", "-s", top, *given,
                           *(f"-I{folder}" for folder in include_folders()), *map(str, rtl_files())], cwd=ROOT,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    found = set(re.findall(r"Unknown module type: fcim_illegal_(\w+)", done.stdout))
    assert bool(done.returncode) == bool(found), done.stdout
    return found
