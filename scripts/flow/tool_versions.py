"""What a run depends on besides its inputs: tool versions and the state of the repository."""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from models.place import CHECKOUT, ROOT

PACKAGES = ("torch", "transformers", "cocotb", "cocotb-bus", "cocotbext-axi", "numpy")
SIMULATORS = {"icarus": ["iverilog", "-V"], "verilator": ["verilator", "--version"]}
TIMEOUT_S = 20


def _first_line(command: list[str]) -> str:
    """First line that a program prints, or "" if it cannot be run or fails."""
    if shutil.which(command[0]) is None:
        return ""
    try:
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=TIMEOUT_S, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return next(iter(done.stdout.strip().splitlines()), "")


def tool_versions(simulator: str | None) -> dict[str, str]:
    """Versions of Python, the packages that shape the result, and the simulator if one was used ("not found" if absent)."""
    versions = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "not found"
    if simulator is None:
        return versions
    line = _first_line(SIMULATORS.get(simulator, [simulator, "--version"]))
    found = re.search(r"\d+\.\d+(\.\d+)?", line)
    versions[simulator] = found.group() if found else "not found"
    return versions


def git_state() -> dict[str, Any]:
    """``revision`` (40 digits, or "none") and ``dirty`` (tracked files changed, or files not yet tracked);
    none of an installed copy."""
    if not CHECKOUT:        # git would tell of a repository that the environment happens to lie in
        return {"revision": "none", "dirty": False}
    revision = _first_line(["git", "rev-parse", "--verify", "HEAD"])
    return {"revision": revision or "none", "dirty": bool(_first_line(["git", "status", "--porcelain"]))}
