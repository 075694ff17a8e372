"""Bad inputs and hostile environments: every row of the table, and what a process meets that others started badly."""

from __future__ import annotations

import argparse
import ctypes
import importlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from models.errors import FcimError, run_cli
from models.hardware import config, schedules
from models.tensors.head_stats import MIN_TOKENS
from scripts import call, checks
from scripts.flow import simulator as simulate
from scripts.flow import variables
from scripts.flow.arguments import flag
from scripts.flow.sources import ROOT
from tests.commands.bad_inputs import CALL, CHECK, COMMAND, TABLE, Bad, make_files

FROM_OUTSIDE = ("MAKEFLAGS", "MFLAGS", "MAKEOVERRIDES", "MAKELEVEL", "SEED", "SIM", "WAVES", "JOBS", "TEST", "FCIM_COVERAGE")
MODULES = {"sim": "scripts.sim.__main__", "waves": "scripts.sim.__main__", "regress": "scripts.regress",
           "rerun": "scripts.regress", "ablation": "scripts.studies.schedules.__main__"}
TARGETS = [word for line in (ROOT / "Makefile").read_text().splitlines() if line.startswith("TARGETS :=")
           for word in line.split()[2:]]
CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, PR_CAPBSET_DROP = 1, 2, 24


def quiet_environment(**more: str) -> dict[str, str]:
    """The environment without what the caller of the tests has given to them."""
    return {name: value for name, value in os.environ.items() if name not in FROM_OUTSIDE} | more


def run(command: list[str], place: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    """A process with its output."""
    return subprocess.run(command, cwd=place, env=quiet_environment(**environment), text=True, capture_output=True, check=False)


class HandedOver(Exception):
    """Raised in place of becoming the command: its module and arguments."""


def hand_over(program: str, command: list[str]) -> None:
    raise HandedOver(command[2], command[3:])


def as_make_does(row: Bad, goals: list[str], given: dict[str, str]) -> int:
    """The check, what make starts, and the command, as far as they go; gives the exit code of all that was asked for."""
    inherited = [f"{name}={row.environment.get(name, '')}" for name in variables.FROM_ENVIRONMENT if name not in given]
    words = [f"{name}={value}" for name, value in given.items()]
    code = variables.check([*goals, "--", *TARGETS, "--", *words, "--", *inherited], row.environment)
    if row.by == CHECK:
        return code
    arguments = [f"{flag(name)}={value}" for name, value in given.items() if value]
    module = MODULES.get(goals[0])
    if goals[0] in call.COMMANDS:
        sys.argv[1:] = [goals[0], *arguments]
        try:
            call.main()
        except HandedOver as handed:
            if row.by == CALL:
                return 0
            module, arguments = module or handed.args[0], handed.args[1]
    sys.argv[1:] = [*arguments, *(["--rerun"] if goals[0] == "rerun" else [])]
    return importlib.import_module(module).main()


def ask(row: Bad, folder: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    """The exit code of a row's call."""
    words = [word.replace("@", f"{folder}{os.sep}").replace("+", " ").replace("^", "") for word in row.call.split()]
    given = dict(word.split("=", 1) for word in words if "=" in word)
    for name in FROM_OUTSIDE:
        monkeypatch.delenv(name, raising=False)
    for name, value in row.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(os, "execv", hand_over)
    monkeypatch.setattr(sys, "argv", ["make"])
    if "PATH" in row.environment:
        monkeypatch.setattr(simulate, "TOOL_BIN", Path("/nowhere"))
    with pytest.raises(SystemExit) as stop:
        run_cli(lambda: as_make_does(row, [word for word in words if "=" not in word], given))
    return stop.value.code


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    make_files(folder)
    return folder


@pytest.mark.parametrize("row", TABLE, ids=lambda row: " ".join([*(f"{n}={v}" for n, v in row.environment.items()), row.call]))
def test_one_line(row: Bad, files: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The line, the exit code, nothing written, nothing on standard output but what a simulation says while it loads."""
    before = set(files.rglob("*"))
    assert ask(row, files, monkeypatch) == row.code
    out, err = capsys.readouterr()
    assert row.text in err and err.count("\n") == 1
    assert out == "" or (row.call.startswith("sim ") and out.count("\n") == 1 and out.startswith("attention of "))
    assert err.startswith("error: " if row.code == 2 else "note: ")
    assert set(files.rglob("*")) == before


def test_the_table() -> None:
    """It is long, every kind of variable is in it, and no row is there twice."""
    assert len(TABLE) >= 60 and len({(row.call, tuple(row.environment)) for row in TABLE}) == len(TABLE)
    typed = {word.split("=")[0] for row in TABLE for word in row.call.split() if "=" in word}
    assert {row.name for row in variables.TABLE if row.kind is not variables.free} <= typed | {"TEST"}


@pytest.mark.parametrize("words", [
    "sim SEED= TAU= FUSED=", "sim FUSED=No SKIP=off WAVES=FALSE", "sim FUSED=yes SKIP=On TAU=8 HEADS=0-3,8 LAYER=all",
    "test sim SEED=0 TEST=x HEADS=0", "ablation TOKENS=64,128 TAU=0-2,4 KEYS_PER_BLOCK=8 SCHEDULE=natural",
    "regress TAGS=smoke,unit", "capture OUT=new.npz LAYER=0", "setup PYTHON=python3 PIP_ARGS=-q", "clean",
    ".venv/.stamp", "help"])
def test_right_calls(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    goals, given = ([w for w in words.split() if ("=" in w) == wanted] for wanted in (False, True))
    assert variables.check([*goals, "--", *TARGETS, ".venv/.stamp", "--", *given, "--"], {}) == 0
    assert capsys.readouterr() == ("", "")


def test_commands_in_the_documentation() -> None:
    """What the pages tell to type, targets and variables, is taken."""
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md"), ROOT / ".ci" / "run"]
    command = re.compile(r"(?<![\w-])make ([a-z-]+(?: +[A-Z_]+=(?:'[^']*'|[^\s`'|)]+))+)")
    found = [match.split() for page in pages for match in command.findall(page.read_text())]
    assert len(found) > 20
    for target, *words in found:
        variables.check_goals([target], TARGETS)
        variables.check_names([target], [word.split("=")[0] for word in words if re.match("[A-Z_]+=", word)])


@pytest.fixture
def few_tests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A project of three tests, one of them with parameters."""
    (tmp_path / "tb" / "block").mkdir(parents=True)
    (tmp_path / "config").mkdir()
    (tmp_path / "tb" / "block" / "test_block.py").write_text(
        "import pytest\n@pytest.mark.parametrize('size', ['small', 'large'])\ndef test_sizes(size): pass\n"
        "def test_other(): pass\nclass TestAll:\n    def test_inner(self): 'middle'\n")
    monkeypatch.setattr(checks, "ROOT", tmp_path)
    monkeypatch.setattr(checks, "FOLDERS", (tmp_path / "tb",))


@pytest.mark.parametrize(("text", "arguments"), [
    ("", []), ("sizes", ["-k", "sizes"]), ("Block and not other", ["-k", "Block and not other"]), ("TestAll", ["-k", "TestAll"]),
    ("large", ["-k", "large"]), ("tb/block", ["tb/block"]),
    ("tb/block/test_block.py::TestAll", ["tb/block/test_block.py::TestAll"]),
    ("tb/block/test_block.py::test_sizes[small]", ["tb/block/test_block.py::test_sizes[small]"])])
def test_tests_that_are_there(text: str, arguments: list[str], few_tests: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name, a folder, a class and parameters go to pytest as it wants them; SIM and WAVES go through the environment."""
    for name in ("SIM", "WAVES"):
        monkeypatch.setenv(name, "from before")
    args = argparse.Namespace(test=text, seed=4, jobs=3, sim="verilator", waves=True)
    assert checks.pytest_arguments(args) == ["-n", "3", "--seed=4", *arguments]
    assert (os.environ["SIM"], os.environ["WAVES"]) == ("verilator", "1")


@pytest.mark.parametrize(("text", "message"), [
    ("middle", "TEST = 'middle' fits no test"), ("not block", "TEST = 'not block' fits no test"),
    ("siezs", "did you mean test_sizes?"), ("tb/block/test_block.py::test_sizes[huge]", "test_sizes has no such parameters")])
def test_tests_that_are_not_there(text: str, message: str, few_tests: None) -> None:
    """Also where only pytest can tell, since the word stands in a test without being its name."""
    with pytest.raises(FcimError, match=re.escape(message)):
        checks.pytest_arguments(argparse.Namespace(test=text, seed=None, jobs=None, sim=None, waves=False))


def test_limits_are_those_of_the_models() -> None:
    """What the table repeats, since it is read before anything can be loaded."""
    assert schedules.SCHEDULES == variables.SCHEDULES and tuple(simulate.PROGRAM) == variables.SIMULATORS
    assert config.TAU_MAX == variables.TAU_MAX
    row = next(row for row in variables.TABLE if row.name == "TOKENS" and row.applies("head-stats"))
    assert row.kind(str(MIN_TOKENS), "TOKENS") == MIN_TOKENS
    with pytest.raises(Exception, match="is illegal"):
        row.kind(str(MIN_TOKENS - 1), "TOKENS")


@pytest.mark.parametrize(("words", "environment", "text"), [
    (["sim", "SCHED=zigzag"], {}, "did you mean SCHEDULE?"), (["simm"], {}, "did you mean sim?"),
    (["sim", "OUT="], {}, "OUT is not a variable of make sim"),
    (["test", "tb/x.py::test_y"], {}, "tb/x.py::test_y is not a target"), (["test"], {"SEED": "-1"}, "SEED = '-1' is not a seed"),
    (["sim", "TEXT=it's $HOME"], {}, "TEXT = 'it's $HOME' does not exist"), (["-j4", "clean", "SIM=verilator"], {}, "SIM is not"),
    (["sim", "TAU=a\nb"], {}, "TAU holds a line break"), (["-e", "regress"], {"TEST": "1", "JOBS": "x"}, "JOBS = 'x' is not")])
def test_through_make(words: list[str], environment: dict[str, str], text: str) -> None:
    """The same from outside: make ends with 2 before it starts anything."""
    done = run(["make", *words], **environment)
    assert done.returncode == 2 and text in done.stderr and "Traceback" not in done.stderr
    assert not any(line for line in done.stdout.splitlines() if "rm -rf" in line)


SAMPLES = {
    "CONFIG": "tiny", "CHECKPOINT": "a model", "TENSORS": "it's.npz", "LAYER": "0", "HEADS": "0", "TEXT": "$x", "TOKENS": "64",
    "SCHEDULE": "natural", "FUSED": "yes", "SKIP": "1", "TAU": "3", "KEYS_PER_BLOCK": "8", "FULL": "1", "CONTEXT": "9",
    "STRIDE": "9", "NEW": "5", "SEED": "7", "WAVES": "1", "SIM": "verilator", "TEST": "a  b", "TAGS": "smoke", "ITERATIONS": "2",
    "FAIL_FAST": "1", "LIST": "1", "JOBS": "3", "OUT": "new.npz", "PYTHON": "python9", "PIP_ARGS": "-q  -q",
    "FIGURES": "sim,heads", "CHECK": "1", "RUN": "0"}
RECORDER = """#!{shell}
case "$1" in -I) shift 2; exec {python} -I -S "$@";; esac
{{ printf '%s\\n' "$@"; env; }} >>calls.txt
"""


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Makefile in a tree whose Python, set-up script and doctor write down how they are started."""
    root = tmp_path_factory.mktemp("tree")
    for name in ("Makefile", "requirements.txt", "models/__init__.py", "models/tensors/checkpoint_folder.py", "models/errors.py",
                 "models/values.py", "scripts/doctor.py", "scripts/flow/variables.py", "scripts/setup_verilator.sh",
                 "config/engine/tiny.yaml"):
        (root / name).parent.mkdir(exist_ok=True, parents=True)
        shutil.copy(ROOT / name, root / name)
    recorder = RECORDER.format(shell=shutil.which("sh"), python=sys.executable)
    for name in (".venv/bin/python", "scripts/setup.sh"):
        (root / name).parent.mkdir(exist_ok=True, parents=True)
        (root / name).write_text(recorder)
        (root / name).chmod(0o755)
    (root / ".venv" / ".stamp").touch()
    (root / "a model").mkdir()
    for name in ("a model/config.json", "it's.npz", "$x"):
        (root / name).write_text("{}")
    return root


def started(tree: Path, words: list[str], environment: Mapping[str, str]) -> list[str]:
    """The words and environment of what make starts."""
    (tree / "calls.txt").unlink(missing_ok=True)
    done = run(["make", *words], tree, **environment)
    assert done.returncode == 0, done.stderr
    return (tree / "calls.txt").read_text().splitlines()


@pytest.mark.parametrize("target", [target for target in TARGETS if target not in ("help", "clean", "distclean")])
def test_every_variable_arrives(target: str, tree: Path) -> None:
    """Table and Makefile agree: each variable of a target goes to its command as typed, once, and not through the environment."""
    given = {row.name: SAMPLES[row.name] for row in variables.rows_of(target)}
    if target == "setup":
        (tree / ".venv" / ".stamp").unlink()    # it is set up otherwise
    lines = started(tree, [target, *(f"{name}={value}" for name, value in given.items())], {})
    (tree / ".venv" / ".stamp").touch()
    if target == "doctor":      # PYTHON is what runs it where there is no .venv
        return
    if target == "setup":       # a shell script, which takes its two from the environment
        assert all(f"{name}={value}" in lines for name, value in given.items())
        return
    for name, value in given.items():
        assert lines.count(f"{flag(name)}={value}") == 1, name
        assert f"{name}={value}" not in lines
    assert not [line for line in lines if any(line.startswith(f"{flag(n)}={v}") for n, v in SAMPLES.items() if n not in given)]


def test_what_the_environment_gives(tree: Path) -> None:
    """The variables that count from there, and nothing else."""
    given = {name: SAMPLES[name] for name in ("SEED", "SIM", "WAVES", "JOBS", "TAU", "HEADS")}
    lines = started(tree, ["sim"], given)
    assert [line for line in lines if line.split("=")[0] in map(flag, SAMPLES)] == [
        "--seed=7", "--sim=verilator", "--jobs=3", "--waves=1"]
    assert "--sim=icarus" in started(tree, ["sim", "SIM=icarus"], given)


def test_what_stays_outside(tree: Path) -> None:
    """Nothing that would change Python or pytest reaches what make starts."""
    hostile = {"PYTHONOPTIMIZE": "2", "PYTHONPATH": "/x", "PYTHONWARNINGS": "error", "PYTEST_ADDOPTS": "-k one",
               "PYTHONSAFEPATH": "1", "PYTHONHOME": "/nowhere"}
    names = {line.split("=")[0] for line in started(tree, ["test", "SEED=1"], hostile)}
    assert not names & {*hostile, "SEED", "WAVES", "SIM", "JOBS"} and "PATH" in names


def test_help_lists_all(tree: Path) -> None:
    done = run(["make", "help"], tree)
    first = {line.split()[0] for line in done.stdout.splitlines() if re.match(r"  \S", line)}
    assert first == {*TARGETS, *(row.name for row in variables.TABLE)}
    assert {target for row in variables.TABLE for target in row.targets.split()} <= set(TARGETS)
    named = next(line for line in (ROOT / "Makefile").read_text().splitlines() if line.startswith("from_environment :="))
    assert tuple(named.split()[2:]) == variables.FROM_ENVIRONMENT


PRINTS = "from models.errors import run_cli\nrun_cli(lambda: print('x' * 100000) or 0)"


def python(code: str, **more: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, text=True, stderr=subprocess.PIPE, check=False,
                          env=quiet_environment(**more.pop("environment", {})), **more)


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
    ("--seed=-1", {}, "SEED = '-1' is not a seed"), ("--seed=9223372036854775808", {}, "is not a seed"),
    ("-q", {"SEED": "x"}, "SEED = 'x' is not a seed"), ("-q", {"WAVES": "maybe"}, "WAVES = 'maybe' is neither"),
    ("-q", {"SIM": "questa"}, "SIM = 'questa' is unknown")])
def test_pytest_itself(option: str, environment: dict[str, str], text: str) -> None:
    """The tests started without make follow the same rules."""
    done = run([sys.executable, "-m", "pytest", option, "--collect-only", "tb/divider"], **environment)
    assert done.returncode == 4 and text in done.stderr


def without_override() -> None:
    """Takes from root what lets it read and write where it may not."""
    if os.geteuid() == 0:
        for capability in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH):
            ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)


@pytest.fixture
def locked_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o555)
    tried = subprocess.run(["sh", "-c", f"touch {folder}/x"], preexec_fn=without_override, capture_output=True, check=False)
    if tried.returncode == 0:
        pytest.skip("this user may write everywhere, and cannot give that up")
    return folder


@pytest.mark.parametrize("late", [False, True], ids=["told before", "met in the middle"])
def test_read_only_folder(late: bool, locked_folder: Path) -> None:
    """One line that names the folder, whether it is looked at in time or only met."""
    act = f"open({str(locked_folder / 'report.json')!r}, 'w')" if late else f"check_may_write(Path({str(locked_folder)!r}), None)"
    done = python(f"from pathlib import Path\nfrom models.errors import run_cli\n"
                  f"from scripts.flow.variables import check_may_write\nrun_cli(lambda: {act})",
                  stdout=subprocess.PIPE, preexec_fn=without_override)
    assert done.returncode == 2 and str(locked_folder) in done.stderr and done.stderr.count("\n") == 1
    assert "work in a copy of the project elsewhere" in done.stderr and done.stdout == ""


def test_unreadable_file(tmp_path: Path, locked_folder: Path) -> None:
    """Told by the check already."""
    path = tmp_path / "tensors.npz"
    path.touch(mode=0o000)
    command = [sys.executable, "-I", "-S", "scripts/flow/variables.py", "check", "sim", "--", "sim", "--", f"TENSORS={path}",
               "--"]
    done = subprocess.run(command, cwd=ROOT, text=True, capture_output=True, check=False, preexec_fn=without_override)
    assert (done.returncode, done.stderr) == (2, f"error: TENSORS = '{path}' may not be read; change its permissions\n")


@pytest.mark.parametrize("command", [["scripts.call", "sim"], ["scripts.call", "test"], ["scripts.call", "bench-sim"],
                                     ["scripts.regress", "--out=elsewhere"]], ids=" ".join)
def test_read_only_tree(command: list[str], tmp_path: Path, locked_folder: Path) -> None:
    """The call is refused before the command is loaded, where nothing can be written."""
    for name in ("models", "scripts", "config", "rtl", "tb", "tests"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", "fixture"))
    (tmp_path / "build").symlink_to(locked_folder)
    done = subprocess.run([sys.executable, "-m", *command], cwd=tmp_path, text=True,
                          capture_output=True, check=False, preexec_fn=without_override, env=quiet_environment())
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "cannot write to build" in done.stderr


def test_only_rows_of_the_command_load_pytorch() -> None:
    """What refuses a call early is quick to load."""
    code = "import sys\nimport scripts.call, scripts.checks, scripts.flow.simulator\nprint(int('torch' in sys.modules))"
    done = python(code, stdout=subprocess.PIPE)
    assert (done.returncode, done.stdout) == (0, "0\n")
    assert {row.by for row in TABLE} == {CHECK, CALL, COMMAND}
