"""Set-up, doctor and the folder's path, in copies of the front door, with stubs for what would load or install anything."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from models.errors import FcimError
from scripts import doctor
from scripts.flow import simulator as simulate
from scripts.flow.sources import ROOT

# A Python that makes environments whose pip does what PIP_STUB says; everything else is the real one.
PYTHON_STUB = f"""#!/bin/bash
if [ "$1 $2" = "-m venv" ]; then
    folder="${{@: -1}}"; mkdir -p "$folder/bin"; cp "$0" "$folder/bin/python"; exit
elif [ "$1 $2 $3" = "-m pip install" ]; then
    eval "$PIP_STUB"
elif [ "$1 $2" = "-m pip" ]; then
    exit 0
else
    exec {sys.executable} "$@"
fi
"""


def front_door(folder: Path) -> Path:
    """A checkout in ``folder`` with all that set-up and doctor read."""
    folder.mkdir(parents=True)
    for name in ("Makefile", "requirements.txt"):
        shutil.copy(ROOT / name, folder)
    for name in ("scripts", "config", "models"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "fixture"))
    return folder


def stub(folder: Path, name: str, text: str) -> Path:
    """An executable script ``name`` in ``folder``."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(text)
    path.chmod(0o755)
    return path


def call(folder: Path, *command: str, **environment: str) -> tuple[int, list[str]]:
    """Exit code and the lines of stdout and stderr, without what make itself adds about a failed recipe."""
    hidden = {"MAKEFLAGS", "MAKELEVEL", "MFLAGS", "SEED", "SIM", "WAVES"}
    given = {name: value for name, value in os.environ.items() if name not in hidden}
    done = subprocess.run(command, cwd=folder, env={**given, **environment}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, timeout=60, check=False)
    lines = done.stdout.splitlines()
    return done.returncode, [line for line in lines if not line.startswith("make: ***") and not line.startswith("[setup]")]


@pytest.mark.parametrize("name", ["my project", "a#b", "a$b", "a:b", "a'b", 'a"b', "a;b", "a&b", "a(b)", "a\\b", "a`b", "a*b"])
def test_a_path_that_cannot_work_is_one_line_at_once(name: str, tmp_path: Path) -> None:
    folder = front_door(tmp_path / name)
    for target in ("setup", "sim"):
        code, lines = call(folder, "make", target)
        assert (code, len(lines)) == (2, 1) and "the path of this folder holds" in lines[0], lines
    code, lines = call(folder, sys.executable, "scripts/doctor.py")
    assert (code, len(lines)) == (2, 1) and "move the checkout" in lines[0]
    assert call(folder, "bash", "scripts/setup.sh")[0] == 2
    assert call(folder, "make", "help")[0] == 0
    assert not (folder / ".venv").exists() and not (folder / "build").exists()


@pytest.mark.parametrize("name", ["josé", "日本", "a-b_c.d+e,f=g@h%i"])
def test_other_paths_are_fine(name: str, tmp_path: Path) -> None:
    assert doctor.path_fault(str(tmp_path / name)) is None


def test_the_repaired_verilator_works_below_letters_beyond_ascii(tmp_path: Path) -> None:
    """Its make files name folders as they are, not in octal escapes. (That make then builds takes a minute and is not tried.)"""
    folder = tmp_path / "josé"
    folder.mkdir()
    subprocess.run(["bash", ROOT / "scripts" / "setup_verilator.sh", sys.executable, folder / "verilator"], check=True)
    (folder / "m.v").write_text("module m; endmodule\n")
    (folder / "main.cpp").write_text("int main() { return 0; }\n")
    code, lines = call(folder, str(folder / "verilator" / "bin" / "verilator"), "--cc", "--exe", "-Mdir", str(folder / "out"),
                       str(folder / "m.v"), str(folder / "main.cpp"), VERILATOR_BIN="/nonexistent/verilator_bin")
    assert code == 0, lines
    text = (folder / "out" / "Vm.mk").read_text()
    assert f"VERILATOR_ROOT = {folder}/verilator" in text and f"{folder}/main.cpp" in text and "\\303" not in text
    dry = call(folder, "make", "-n", "-C", "out", "-f", "Vm.mk")
    assert dry[0] == 0 and not any("No rule" in line for line in dry[1]), dry


@pytest.mark.parametrize(("environment", "code", "says"), [
    ({"PYTHON": "/nonexistent/python"}, 2, "PYTHON = /nonexistent/python is not a Python 3.11 or later"),
    ({"PYTHON": "ls"}, 2, "PYTHON = ls is not a Python 3.11 or later"),
    ({"PIP_STUB": "echo 'WARNING: Retrying'; echo 'ERROR: Could not find a version that satisfies torch'; exit 1"}, 1,
     "pip: ERROR: Could not find a version that satisfies torch"),
    ({"PIP_STUB": "echo 'ERROR: Could not install packages due to an OSError: No space left on device'; exit 1"}, 1,
     "No space left on device"),
    ({"PIP_STUB": "kill -TERM $PPID; exit 1"}, 130, "interrupted; type make setup to go on"),
    ({"FREE": "1000"}, 1, "only 0 MiB free"),
], ids=["no-such-python", "not-a-python", "offline", "disk-full", "interrupted", "little-room"])
def test_a_set_up_that_fails_says_so_in_one_line_and_can_be_repeated(environment: dict[str, str], code: int, says: str,
                                                                     tmp_path: Path) -> None:
    folder, tools = front_door(tmp_path / "checkout"), tmp_path / "stubs"
    python = stub(tools, "python-stub", PYTHON_STUB)
    free = environment.get("FREE", "99999999")
    stub(tools, "df", f"#!/bin/sh\necho head; echo disk 1 1 {free} 1 /\n")
    stub(tools, "apt-get", "#!/bin/sh\nexit 1\n")
    path = f"{tools}:{os.environ['PATH']}"
    got, lines = call(folder, "bash", "scripts/setup.sh", **{"PYTHON": str(python), "PATH": path, **environment})
    assert got == code and len(lines) == 1 and lines[0].startswith("error: ") and says in lines[0], (got, lines)
    assert not (folder / ".venv" / ".stamp").exists()
    # once the cause is gone the same command works; the Verilator step is a stub, it has a test of its own
    stub(folder / "scripts", "setup_verilator.sh", 'mkdir -p "$2"\n')
    stub(tools, "df", "#!/bin/sh\necho head; echo disk 1 1 99999999 1 /\n")
    assert call(folder, "bash", "scripts/setup.sh", PYTHON=str(python), PATH=path, PIP_STUB="exit 0") == (0, [])
    assert (folder / ".venv" / ".stamp").exists()


def test_doctor_of_a_fresh_clone_says_once_what_to_type(tmp_path: Path) -> None:
    folder = front_door(tmp_path / "clone")
    code, lines = call(folder, sys.executable, "scripts/doctor.py")
    missing = [line for line in lines if "make setup" in line and "MISSING" in line]
    assert code == 1 and len(missing) == 1 and "not set up yet; type: make setup" in missing[0], lines
    assert {"disk space", "memory", "g++"} <= {line[:26].strip() for line in lines}
    (folder / ".venv" / "bin").mkdir(parents=True)
    (folder / ".venv" / "bin" / "python").symlink_to(sys.executable)
    code, lines = call(folder, sys.executable, "scripts/doctor.py")
    assert code == 1 and sum("begun and not finished; type: make setup" in line for line in lines) == 1, lines
    assert call(folder, sys.executable, "scripts/doctor.py", "--nonsense")[0] == 2


def test_doctor_names_what_is_missing_or_low(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: usage._replace(free=2**20))
    assert doctor.disk_check(True).state == doctor.disk_check(False).state == doctor.MISSING
    stub(tmp_path / "bin", "g++", "#!/bin/sh\n[ $1 = -dumpversion ] && echo 9 || echo 'g++ 9.4.0'\n")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    old = doctor.gxx_check()
    assert old.state == doctor.MISSING and "found only: g++ 9.4.0" in old.mend
    monkeypatch.setenv("PATH", str(tmp_path))
    assert doctor.gxx_check().state == doctor.MISSING


def test_another_verilator_on_path_is_named_and_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    foreign = stub(tmp_path / "bin", "verilator", "#!/bin/sh\necho 'Verilator 5.006 2023-01-22 rev (Debian 5.006-3)'\n")
    monkeypatch.setenv("PATH", f"{foreign.parent}:{simulate.TOOL_BIN}:{os.environ['PATH']}")
    assert simulate.require_simulator("verilator") == str(simulate.TOOL_BIN / "verilator")
    monkeypatch.setenv("PATH", f"{foreign.parent}:{os.environ['PATH']}")
    check = doctor.verilator_check()
    assert check.state == doctor.OK
    assert f"Verilator 5.006 2023-01-22 rev (Debian 5.006-3) in {foreign.parent} is not used" in check.found


@pytest.mark.parametrize(("sim", "program", "text", "says"), [
    ("verilator", "verilator", "Verilator 5.006 2023-01-22 rev (Debian 5.006-3)", "is version 5.006; the benches need 5.036"),
    ("verilator", "verilator", "Verilator 4.228 2022-10-01 rev v4.228", "is version 4.228; the benches need 5.036"),
    ("icarus", "iverilog", "Icarus Verilog version 10.3 (stable) ()", "is version 10.3; the benches need 11.0"),
])
def test_a_simulator_that_is_too_old_is_one_line(sim: str, program: str, text: str, says: str, tmp_path: Path,
                                                 monkeypatch: pytest.MonkeyPatch) -> None:
    foreign = stub(tmp_path / "bin", program, f"#!/bin/sh\necho '{text}'\n")
    monkeypatch.setattr(simulate, "TOOL_BIN", tmp_path / "nowhere")
    monkeypatch.setenv("PATH", f"{foreign.parent}:{os.environ['PATH']}")
    with pytest.raises(FcimError, match=says) as caught:
        simulate.require_simulator(sim)
    assert "\n" not in str(caught.value)
