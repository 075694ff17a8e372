"""Yosys from its Python package, in a process of its own: a script in, a log out.

    python -m scripts.flow.gates.yosys SCRIPT        what :func:`run` starts
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from models.errors import FcimError
from scripts.flow.processes import WORK

PACKAGE, VERSION = "pyosys", "0.70"
LOG = "yosys.log"


class YosysFailed(Exception):
    """Yosys ended with an error; the message is its last line that says why."""


def require() -> None:
    """See to it that yosys is there.

    Raises:
        FcimError: it is not, or in another version than results are kept for.
    """
    try:
        found = version(PACKAGE)
    except PackageNotFoundError:
        found = None
    if found is None or importlib.util.find_spec(PACKAGE) is None:
        raise FcimError(f"yosys ({PACKAGE} {VERSION}) is not installed; type: make setup")
    if found != VERSION:
        raise FcimError(f"yosys is {PACKAGE} {found}, {VERSION} is needed; type: make setup")


def abc() -> Path:
    """The program ABC, which comes with yosys."""
    return Path(importlib.util.find_spec(PACKAGE).origin).parent / "yosys-abc"


def run(script: str, folder: Path, name: str) -> str:
    """Run the commands of ``script`` in ``folder``; the log, which stays as ``NAME.log`` beside ``NAME.ys``.

    Raises:
        YosysFailed: a command failed.
    """
    place, log = folder / f"{name}.ys", folder / f"{name}.log"
    place.write_text(script)
    environment = os.environ | {"TMPDIR": os.environ.get(WORK, str(folder))}      # ABC's files go with the run, however it ends
    with log.open("w") as file:
        done = subprocess.run([sys.executable, "-m", __name__, str(place)], stdin=subprocess.DEVNULL, stdout=file,
                              stderr=subprocess.STDOUT, env=environment, check=False)
    text = log.read_text(errors="replace")
    if done.returncode:
        said = [line for line in text.splitlines() if "ERROR:" in line or ": error:" in line]
        said = said or text.splitlines()[-1:] or ["nothing"]
        raise YosysFailed(f"yosys says: {said[0].strip()[:300]} ({log})")
    return text


def main() -> int:
    """The commands of a file, a line each; # starts a comment."""
    from pyosys import libyosys

    design = libyosys.Design()
    for line in Path(sys.argv[1]).read_text().splitlines():
        if line.strip() and not line.lstrip().startswith("#"):
            libyosys.run_pass(line.strip(), design)
    return 0


if __name__ == "__main__":
    sys.exit(main())
