"""What is installed, what is missing and how to mend it. Runs with any Python 3.8+, before anything is set up.

    python3 scripts/doctor.py            the table; exit code 1 if something needed is missing
    python3 scripts/doctor.py --missing  only the names of the Debian packages to install, for scripts/setup.sh
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV_PYTHON = ROOT / ".venv" / "bin" / "python"
VERILATOR = ROOT / ".tools" / "verilator" / "bin" / "verilator"
PYTHON_MIN = (3, 11)
ICARUS_MIN = 11
OK, MISSING, OPTIONAL = "ok", "MISSING", "optional"


class Check:
    """One line of the table. ``apt`` is the Debian package that mends it, ``mend`` what to type otherwise."""

    def __init__(self, name: str, found: str | None, mend: str, apt: str = "", needed: bool = True) -> None:
        self.name, self.found, self.mend, self.apt = name, found, mend, apt
        self.state = OK if found else MISSING if needed else OPTIONAL


def output(*command: str) -> str | None:
    """What a command prints, or None if it is missing or fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return (done.stdout + done.stderr).strip() if done.returncode == 0 else None


def first_line(*command: str) -> str | None:
    text = output(*command)
    return text.splitlines()[0] if text else None


def program(name: str, apt: str, needed: bool = True, version: str = "--version") -> Check:
    """A program on PATH."""
    found = (first_line(name, version) or shutil.which(name)) if shutil.which(name) else None
    return Check(name, found, "apt-get install " + apt, apt, needed)


def python_check() -> Check:
    want, this = ".".join(map(str, PYTHON_MIN)), sys.version.split()[0]
    found = this if sys.version_info[:2] >= PYTHON_MIN else None
    return Check("python >= " + want, found, f"this is {this}; install Python {want}, then: make setup PYTHON=python{want}")


def venv_module_check() -> Check:
    """Debian takes ensurepip out of its Python; without it no virtual environment can be made."""
    apt = "python{}.{}-venv".format(*sys.version_info[:2])
    return Check("python venv module", "yes" if importlib.util.find_spec("ensurepip") else None, "apt-get install " + apt, apt)


def libpython_check() -> Check:
    """The simulator loads Python as a shared library, which Debian packs apart from the interpreter."""
    name = sysconfig.get_config_var("INSTSONAME") or ""
    folders = [sysconfig.get_config_var("LIBDIR") or "", os.path.join(sysconfig.get_config_var("LIBDIR") or "",
                                                                      sysconfig.get_config_var("MULTIARCH") or "")]
    found = next((p for p in (os.path.join(d, name) for d in folders) if ".so" in name and os.path.isfile(p)), None)
    apt = "libpython{}.{}".format(*sys.version_info[:2])
    return Check("libpython (shared)", found, f"apt-get install {apt}, or a Python built with --enable-shared", apt)


def icarus_check() -> Check:
    line = first_line("iverilog", "-V") if shutil.which("iverilog") else None
    match = re.search(r"version (\d+)", line or "")
    found = line if match and int(match[1]) >= ICARUS_MIN else None
    mend = f"apt-get install iverilog (version {ICARUS_MIN} or later)"
    return Check("iverilog", found, mend + (f"; found only: {line}" if line and not found else ""), "iverilog")


def package_checks() -> list[Check]:
    """The pinned Python packages, as the project's own environment has them."""
    pins = [line.split("==") for line in (ROOT / "requirements.txt").read_text().split("\n") if "==" in line and line[0] != "#"]
    code = ("import importlib.metadata as m\n"
            "for d in m.distributions(): print(d.metadata['Name'].lower().replace('_', '-'), d.version)")
    listing = output(str(VENV_PYTHON), "-c", code) if VENV_PYTHON.exists() else None
    have = dict(line.split() for line in (listing or "").splitlines())
    checks = [Check(".venv", str(VENV_PYTHON.relative_to(ROOT)) if listing else None, "make setup")]
    for name, version in pins:
        found = have.get(name.lower().replace("_", "-"))
        good = found if found and found.split("+")[0] == version.strip() else None
        checks.append(Check(f"  {name} {version.strip()}", good, "make setup" + (f" (found {found})" if found else "")))
    return checks


def system_checks() -> list[Check]:
    """What has to come from the operating system."""
    return [python_check(), venv_module_check(), libpython_check(), icarus_check(), program("vvp", "iverilog", version="-V"),
            program("g++", "g++"), program("make", "make"), Check("perl", shutil.which("perl"), "apt-get install perl", "perl")]


def optional_checks() -> list[Check]:
    """Things that only some commands use."""
    headers = [Path("/usr/include") / name for name in ("zlib.h", "lz4.h")]
    return [
        Check("verilator", first_line(str(VERILATOR), "--version"), "make setup"),
        program("ccache", "ccache", needed=False),
        Check("zlib.h, lz4.h", "yes" if all(h.is_file() for h in headers) else None,
              "apt-get install zlib1g-dev liblz4-dev (for SIM=verilator WAVES=1)", "zlib1g-dev liblz4-dev", needed=False),
        Check("gtkwave or surfer", shutil.which("gtkwave") or shutil.which("surfer"),
              "apt-get install gtkwave (for make waves to open a window)", needed=False),
        Check("chromium", shutil.which("chromium") or shutil.which("google-chrome"),
              "apt-get install chromium (to look at HTML reports)", needed=False),
    ]


def main() -> int:
    """Print the table, or missing packages (``--wanted``: the merely useful too); 1 if something needed is missing."""
    if sys.argv[1:] in (["--missing"], ["--wanted"]):
        checks = system_checks() + (optional_checks() if sys.argv[1] == "--wanted" else [])
        print(" ".join(dict.fromkeys(c.apt for c in checks if c.state != OK and c.apt)))
        return 0
    checks = system_checks() + optional_checks() + package_checks()
    for check in checks:
        detail = check.found if check.state == OK else check.mend
        print(f"{check.name:<26} {check.state:<9} {detail}")
    missing = sum(check.state == MISSING for check in checks)
    print(f"\n{missing} missing" if missing else "\nall that is needed is installed")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
