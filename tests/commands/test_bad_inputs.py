"""Bad inputs: every row of the table is refused in one line, and what is right is taken."""

from __future__ import annotations

import argparse
import importlib
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from models.errors import FcimError, run_cli
from models.hardware import config, schedules
from models.tensors import packaged
from models.tensors.head_stats import MIN_TOKENS
from scripts import call, checks
from scripts.flow import simulator as simulate
from scripts.flow import variables
from scripts.flow.arguments import flag
from scripts.flow.sources import ROOT
from scripts.sim import __main__ as sim
from scripts.studies.language_model import generate, perplexity, precision
from tests.commands.bad_inputs import CALL, CHECK, COMMAND, FROM_OUTSIDE, MODELS_IN, TABLE, TARGETS, Bad, make_files, python

MODULES = {"sim": "scripts.sim.__main__", "waves": "scripts.sim.__main__", "regress": "scripts.regress",
           "rerun": "scripts.regress", "synth": "scripts.synth.__main__", "power": "scripts.power.__main__",
           "prove": "scripts.prove.__main__", "encodings": "scripts.studies.encodings.__main__",
           "ablation": "scripts.studies.schedules.__main__", "paper": "scripts.paper.__main__",
           "mutate": "scripts.mutate.__main__"}


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
    if MODELS_IN in row.environment:
        monkeypatch.setattr(packaged, "FOLDER", folder / row.environment[MODELS_IN])
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
    """What the pages say to type, targets and variables, is taken."""
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
    """Also where only pytest knows, since the word stands in a test without being its name."""
    with pytest.raises(FcimError, match=re.escape(message)):
        checks.pytest_arguments(argparse.Namespace(test=text, seed=None, jobs=None, sim=None, waves=False))


def test_limits_are_those_of_the_models() -> None:
    """What the table repeats, since it is read before anything can be loaded."""
    assert schedules.SCHEDULES == variables.SCHEDULES and tuple(simulate.PROGRAM) == variables.SIMULATORS
    assert config.TAU_MAX == variables.TAU_MAX and 1 << config.OCTAVES_BITS == variables.OCTAVES_MAX + 1
    row = next(row for row in variables.TABLE if row.name == "TOKENS" and row.applies("head-stats"))
    assert row.kind(str(MIN_TOKENS), "TOKENS") == MIN_TOKENS
    with pytest.raises(Exception, match="is illegal"):
        row.kind(str(MIN_TOKENS - 1), "TOKENS")


@pytest.mark.parametrize("command", [sim, perplexity, generate, precision], ids=lambda command: command.__name__)
def test_the_order_that_a_command_takes(command: ModuleType) -> None:
    """What is not given is left to the models' default, which the help names; 0 is given."""
    none, some = (command.parse_args(words) for words in ([], ["--fused=0", "--tau=0", "--schedule=natural"]))
    assert (none.schedule, none.fused, none.tau) == (None, None, None)
    assert (some.schedule, some.fused, some.tau) == ("natural", False, 0)
    default = {"SCHEDULE": schedules.DEFAULT_OPTIONS.schedule, "FUSED": str(int(schedules.DEFAULT_OPTIONS.fused)),
               "TAU": str(schedules.DEFAULT_OPTIONS.tau)}
    target = command.__name__.removesuffix(".__main__").split(".")[-1]
    for row in variables.rows_of(target):
        assert row.name not in default or f"{default[row.name]} (default)" in row.meaning


def test_the_line_that_repeats_a_run_says_what_was_said() -> None:
    assert sim.repeat_command(sim.parse_args([]), 7) == "make sim SEED=7"
    given = ["--schedule=natural", "--fused=0", "--tau=2"]
    assert sim.repeat_command(sim.parse_args(given), 7) == "make sim TAU=2 SCHEDULE=natural FUSED=0 SEED=7"


def test_only_rows_of_the_command_load_pytorch() -> None:
    """What refuses a call early is quick to load."""
    code = "import sys\nimport scripts.call, scripts.checks, scripts.flow.simulator\nprint(int('torch' in sys.modules))"
    done = python(code, stdout=subprocess.PIPE)
    assert (done.returncode, done.stdout) == (0, "0\n")
    assert {row.by for row in TABLE} == {CHECK, CALL, COMMAND}
