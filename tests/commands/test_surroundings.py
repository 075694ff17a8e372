"""Hostile surroundings: closed streams, a full disk, folders that cannot be written, a Python without asserts."""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from scripts.flow import pytest_plugin, simulator
from scripts.flow.sources import ROOT
from tests.commands.bad_inputs import python, quiet_environment, run

CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, PR_CAPBSET_DROP = 1, 2, 24
PRINTS = "from models.errors import run_cli\nrun_cli(lambda: print('x' * 100000) or 0)"


def test_nobody_reads() -> None:
    """As in ``make regress LIST=1 | head -1``."""
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as stream:
        done = python(PRINTS, stdout=stream)
    assert (done.returncode, done.stderr) == (141, "")


def test_nobody_reads_a_table_of_rich() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    code = "from rich.console import Console\nfrom models.errors import run_cli\nrun_cli(lambda: Console().print('x') or 0)"
    with os.fdopen(writer, "wb") as stream:
        done = python(code, stdout=stream)
    assert (done.returncode, done.stderr) == (141, "")


def test_another_broken_pipe_is_a_fault() -> None:
    """Only the reader of standard output is excused."""
    done = python("from models.errors import run_cli\ndef main():\n    raise BrokenPipeError(32, 'worker')\nrun_cli(main)",
                  stdout=subprocess.PIPE)
    assert done.returncode == 1 and "Traceback" in done.stderr


@pytest.mark.parametrize("streams", [">&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_closed_streams(streams: str, tmp_path: Path) -> None:
    """No traceback, and the first file that the command opens does not get its output."""
    code = ("from models.errors import run_cli\n"
            f"run_cli(lambda: (print('hello'), open({str(tmp_path / 'f')!r}, 'w').write('x'))[1] - 1)")
    done = run(["bash", "-c", f'"$0" -c "$1" {streams}', sys.executable, code])
    assert (done.returncode, done.stderr) == (0, "") and (tmp_path / "f").read_text() == "x"


def test_no_room() -> None:
    with open("/dev/full", "wb") as full:
        done = python(PRINTS, stdout=full)
    assert done.returncode == 2
    assert done.stderr == "error: cannot write the output (No space left on device); make room, or let it go somewhere else\n"


def test_characters_without_a_code() -> None:
    done = python("from models.errors import run_cli\nrun_cli(lambda: print('1 ± 2') or 0)", stdout=subprocess.PIPE,
                  environment={"PYTHONIOENCODING": "ascii"})
    assert (done.returncode, done.stdout, done.stderr) == (0, "1 ? 2\n", "")


@pytest.mark.parametrize(("module", "level"), [
    ("scripts.lint", "1"), ("scripts.lint", "2"), ("scripts.regress", "2"), ("pytest", "1")])
def test_optimised_python(module: str, level: str) -> None:
    """It would leave out asserts: refused by every command and by the tests."""
    done = run([sys.executable, "-m", module], PYTHONOPTIMIZE=level)
    assert done.returncode == (4 if module == "pytest" else 2) and "PYTHONOPTIMIZE" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(("option", "environment", "text"), [
    ("-1", {}, "SEED = '-1' is not a seed"), ("9223372036854775808", {}, "is not a seed"),
    (None, {"SEED": "x"}, "SEED = 'x' is not a seed"), (None, {"WAVES": "maybe"}, "WAVES = 'maybe' is neither"),
    (None, {"SIM": "questa"}, "SIM = 'questa' is unknown")])
def test_pytest_follows_the_same_rules(option: str | None, environment: dict[str, str], text: str,
                                       monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SEED", "WAVES", "SIM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(pytest_plugin, "RECORD", Path("/nowhere/last_seed.txt"))
    monkeypatch.setattr(simulator, "waves_by_default", False)
    with pytest.raises(pytest.UsageError, match=re.escape(text)):
        pytest_plugin.pytest_configure(SimpleNamespace(option=SimpleNamespace(seed=option)))


def test_pytest_itself_refuses() -> None:
    """The tests started without make: one that nobody can repeat does not begin."""
    done = run([sys.executable, "-m", "pytest", "--seed=-1", "--collect-only", "tb/divider"])
    assert done.returncode == 4 and "SEED = '-1' is not a seed" in done.stderr


def without_override() -> None:
    """Takes from root what lets it read and write where it may not."""
    if os.geteuid() == 0:
        for capability in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH):
            ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)


@pytest.fixture(scope="module")
def locked_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("locked")
    folder.chmod(0o555)
    tried = subprocess.run(["sh", "-c", f"touch {folder}/x"], preexec_fn=without_override, capture_output=True, check=False)
    if tried.returncode == 0:
        pytest.skip("this user may write everywhere, and cannot give that up")
    return folder


@pytest.mark.parametrize("late", [False, True], ids=["looked at before", "met in the middle"])
def test_read_only_folder(late: bool, locked_folder: Path) -> None:
    """One line that names the folder, whether it is looked at in time or only met."""
    act = f"open({str(locked_folder / 'report.json')!r}, 'w')" if late else f"check_may_write(Path({str(locked_folder)!r}), None)"
    done = python(f"from pathlib import Path\nfrom models.errors import run_cli\n"
                  f"from scripts.flow.variables import check_may_write\nrun_cli(lambda: {act})",
                  stdout=subprocess.PIPE, preexec_fn=without_override)
    assert done.returncode == 2 and str(locked_folder) in done.stderr and done.stderr.count("\n") == 1
    assert "work in a copy of the project elsewhere" in done.stderr and done.stdout == ""


def test_unreadable_file(tmp_path: Path, locked_folder: Path) -> None:
    """Refused by the check already."""
    path = tmp_path / "tensors.npz"
    path.touch(mode=0o000)
    command = [sys.executable, "-I", "-S", "scripts/flow/variables.py", "check", "sim", "--", "sim", "--", f"TENSORS={path}",
               "--"]
    done = subprocess.run(command, cwd=ROOT, text=True, capture_output=True, check=False, preexec_fn=without_override)
    assert (done.returncode, done.stderr) == (2, f"error: TENSORS = '{path}' may not be read; change its permissions\n")


@pytest.fixture(scope="module")
def read_only_build(tmp_path_factory: pytest.TempPathFactory, locked_folder: Path) -> Path:
    """A copy of the project in whose ``build`` nothing can be written."""
    copy = tmp_path_factory.mktemp("copy")
    for name in ("models", "scripts", "config", "rtl", "tb", "tests"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__", "fixture"))
    (copy / "build").symlink_to(locked_folder)
    return copy


@pytest.mark.parametrize("command", [["scripts.call", "sim"], ["scripts.call", "test"], ["scripts.call", "bench-sim"],
                                     ["scripts.regress", "--out=elsewhere"]], ids=" ".join)
def test_read_only_tree(command: list[str], read_only_build: Path) -> None:
    """The call is refused before the command is loaded, where nothing can be written."""
    done = subprocess.run([sys.executable, "-m", *command], cwd=read_only_build, text=True,
                          capture_output=True, check=False, preexec_fn=without_override, env=quiet_environment())
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "cannot write to build" in done.stderr
