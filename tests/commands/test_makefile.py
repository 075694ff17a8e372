"""The Makefile: what is typed reaches the command as it was typed, and nothing else does."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from scripts.flow import variables
from scripts.flow.arguments import flag
from scripts.flow.sources import ROOT
from tests.commands.bad_inputs import TARGETS, run


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
    "CONFIG": "tiny", "SYSTEM": "tiny", "ENGINES": "2", "PHASE": "decode", "SPLIT": "2", "DRAM_GBS": "12.8", "CONSTANTS": "28nm",
    "DRAM_LATENCY": "90", "GEOMETRY": "llama3-8b", "RTL": "1",
    "CHECKPOINT": "a model", "MODEL": "smollm2", "TENSORS": "it's.npz", "LAYER": "0", "HEADS": "1",
    "TEXT": "$x", "TOKENS": "64", "SCHEDULE": "natural", "FUSED": "yes", "SKIP": "1", "OCTAVES": "9", "TAU": "3",
    "KEYS_PER_BLOCK": "8", "FULL": "1", "GRAIN": "layer", "ORDERS": "it's.npz",
    "CONTEXT": "9", "STRIDE": "9", "NEW": "5", "PROMPT": "why?  it's $x", "SEED": "7",
    "WAVES": "1", "SIM": "verilator", "TEST": "a  b", "TAGS": "smoke", "ITERATIONS": "2", "FAIL_FAST": "1", "LIST": "1",
    "JOBS": "3", "OUT": "new.npz", "PYTHON": "python9", "PIP_ARGS": "-q  -q", "FIGURES": "sim,heads", "TOP": "exp2,divider",
    "LIB": "it's.lib", "MUTANTS": "9", "BLOCK": "exp2,divider", "FLOORS": "1", "CHECK": "1", "RUN": "0", "HISTORY": "new.jsonl",
    "FARM": "tcp://farm:8786", "LAUNCH": "srun  -n1"}
RECORDER = """#!{shell}
case "$1" in -I) shift 2; exec {python} -I -S "$@";; esac
{{ printf '%s\\n' "$@"; env; }} >>calls.txt
"""


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Makefile in a tree whose Python, set-up script and doctor write down how they are started."""
    root = tmp_path_factory.mktemp("tree")
    for name in ("Makefile", "requirements.txt", "models/__init__.py", "models/tensors/checkpoint_folder.py",
                 "models/tensors/geometry.py", "models/tensors/gguf_file.py", "models/tensors/packaged.py", "models/errors.py",
                 "models/place.py", "models/values.py", "pyproject.toml", "scripts/doctor.py", "scripts/flow/variables.py",
                 "scripts/setup_verilator.sh",
                 "config/engine/tiny.yaml", "config/system/tiny.yaml", "config/energy/28nm.yaml"):
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
