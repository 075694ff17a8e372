"""``fcim``: the commands of the Makefile and no others, with make's variables; and what ``pip install`` gives."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from pathlib import Path

import pytest

from models.errors import FcimError
from scripts import fcim
from scripts.flow.sources import ROOT, rtl_files
from scripts.flow.variables import TABLE
from tests.commands.bad_inputs import run
from tests.commands.installed import install, installed

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
ONLY_MAKE = {"help", "setup", "doctor", "clean", "distclean"}      # before Python's packages are there, or after
NAMES = {"yaml": "PyYAML"}      # packages whose module is called otherwise
ELSEWHERE = "needs a checkout of the project"


def listed(text: str) -> dict[str, str]:
    """Commands and their meaning as a help text lists them, wrapped or not."""
    found, last = {}, ""
    for line in re.split(r"^(?:targets|commands)$", text, flags=re.M)[1].split("\n\n")[0].splitlines():
        if entry := re.match(r"  ([a-z]\S*)\s+(\S.*)", line):
            last = entry[1]
            found[last] = entry[2]
        elif line.strip():
            found[last] += " " + line.strip()
    return found


def test_it_lists_what_make_lists() -> None:
    ours, makes = listed(fcim.help_text()), listed(run(["make", "help"]).stdout)
    assert ours == {name: meaning for name, meaning in makes.items() if name not in ONLY_MAKE}
    assert set(makes) >= ONLY_MAKE and len(ours) > 20


def test_every_variable_belongs_to_a_command() -> None:
    assert {target for row in TABLE for target in row.targets.split()} <= {*fcim.commands(), *ONLY_MAKE}


MAKEFILE = """
plain: $(STAMP) ## runs something
\t@$(PY) -m scripts.one word --fixed $(call flag,A,--a) $(if $(strip $(call value_of,B)),,--b=(1)) last
two: ## two steps, the first with its environment
\t@X=1 Y_Z=2 $(PY) -m scripts.call two $(flags)
\t@$(PY) -m scripts.after

hidden: $(STAMP)
\t@$(PY) -m scripts.hidden
shell: ## no Python
\trm -rf build
"""


def test_how_a_makefile_is_read() -> None:
    found = fcim.commands(MAKEFILE)
    assert list(found) == ["plain", "two"]
    assert found["plain"] == ("plain", "runs something", (("scripts.one", ("word", "--fixed", "last"), {}),))
    assert found["two"].steps == (("scripts.call", ("two",), {"X": "1", "Y_Z": "2"}), ("scripts.after", (), {}))
    assert [command.is_here(False) for command in found.values()] == [False, True]


def test_variables_and_options_are_one() -> None:
    assert fcim.options("sim", ["TAU=3", "--heads", "0-3", "TEXT=a b=c"], {}) == ["--tau=3", "--heads", "0-3", "--text=a b=c"]
    given = {"SEED": "7", "SIM": "verilator", "TAU": "3", "JOBS": " "}
    assert fcim.options("sim", ["--sim=icarus"], given) == ["--seed=7", "--sim=icarus"]
    assert fcim.options("system", [], given) == ["--seed=7"]
    with pytest.raises(FcimError, match="TOKNES is not a variable of make sim; did you mean TOKENS"):
        fcim.options("sim", ["TOKNES=3"], {})


@pytest.mark.parametrize(("name", "text"), [("simm", "did you mean sim?"), ("zzz", "--help lists them all"),
                                            ("clean", "type make clean there")])
def test_what_is_no_command(name: str, text: str) -> None:
    with pytest.raises(FcimError, match=re.escape(text)):
        fcim.command_of(name)


def test_what_is_not_handed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same as make keeps back."""
    lines = [line.split()[1:] for line in (ROOT / "Makefile").read_text().splitlines() if line.startswith("unexport ")]
    assert sorted(fcim.NOT_HANDED_ON) == sorted(word for line in lines for word in line if word.startswith("PY"))
    for name in (*fcim.NOT_HANDED_ON, "SEED", "SIM"):
        monkeypatch.setenv(name, "1")
    environment = fcim.environment_of(fcim.Step("x", (), {"OMP_NUM_THREADS": "1"}))
    changed = {name: environment.get(name) for name in (*fcim.NOT_HANDED_ON, "SEED", "SIM") if name in environment}
    assert changed == {"PYTHONPATH": str(ROOT), "PYTHONSAFEPATH": "1"} and environment["OMP_NUM_THREADS"] == "1"


def pins() -> dict[str, str]:
    """The versions of ``requirements.txt`` by name."""
    return dict(line.split(";")[0].split("==") for line in (ROOT / "requirements.txt").read_text().splitlines() if "==" in line)


def test_nothing_older_than_what_is_tested_is_asked_for() -> None:
    for line in [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["farm"]]:
        name, least = re.fullmatch(r"([\w-]+)>=([\w.]+)(?:,<[\w.]+)?", line).groups()
        assert pins()[name] == least, line
    (build,) = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    assert build == f"hatchling=={pins()['hatchling']}"


def test_the_models_need_only_what_is_asked_for() -> None:
    """Every package that a model imports, also late, is a dependency."""
    imported = set()
    for path in (ROOT / "models").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                imported.add(node.module.split(".")[0])
    others = {NAMES.get(name, name) for name in imported - set(sys.stdlib_module_names) - {"models"}}
    assert {"torch", "PyYAML"} <= others <= {re.split("[>=]", line)[0] for line in PROJECT["dependencies"]}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What an installation puts into an environment."""
    return install(tmp_path_factory.mktemp("installed"))


def test_what_is_in_the_wheel(site: Path) -> None:
    """The version, all of the RTL, no tests; and nothing beside the one folder but what leads to it."""
    name = f"fusioncim-{PROJECT['version']}.dist-info"
    assert {path.name for path in site.iterdir()} == {"fusioncim", "fusioncim.pth", "fusioncim_start.py", name}
    assert f"Version: {PROJECT['version']}\n" in (site / name / "METADATA").read_text()
    there = {path.relative_to(site / "fusioncim").as_posix() for path in site.rglob("fusioncim/**/*") if path.is_file()}
    assert {path.relative_to(ROOT).as_posix() for path in rtl_files()} < there
    assert {"fusioncim.f", "config/engine/default.yaml", "models/fixture/model.safetensors"} <= there
    assert not [name for name in there if "/test_" in name or name.startswith("tests") or name.endswith((".sh", ".pyc"))]


def test_it_works_beside_folders_of_the_same_names(site: Path, tmp_path: Path) -> None:
    """A user's own ``scripts`` and ``models`` are not taken for the project's; reports go where the user is."""
    for name in ("scripts", "models", "tb"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise SystemExit('the wrong package')\n")
    assert installed(site, tmp_path, "--where").stdout.strip() == str(site / "fusioncim")
    done = installed(site, tmp_path, "efficiency", "CONFIG=tiny", "--tokens=64")
    assert done.returncode == 0 and "configuration tiny" in done.stdout, done.stderr
    assert not (tmp_path / "build").exists() and not (site / "fusioncim" / "build").exists()


def test_what_an_installed_copy_says(site: Path, tmp_path: Path) -> None:
    for words, text in ((["lint"], ELSEWHERE), (["test", "TEST=x"], ELSEWHERE), (["sim", "TAU=99"], "TAU = 99 is illegal"),
                        (["sim", "TOKNES=9"], "TOKNES is not a variable of fcim sim; did you mean TOKENS? (fcim --help")):
        done = installed(site, tmp_path, *words)
        assert done.returncode == 2 and done.stderr.count("\n") == 1 and text in done.stderr, done.stderr
    here = listed(installed(site, tmp_path, "--help").stdout)
    assert {"sim", "system", "perplexity"} <= set(here) and not set(here) & {"test", "lint", "regress", "figures"}
    assert installed(site, tmp_path, "sim", "--help").stdout.startswith("usage: fcim sim")


def test_the_models_outside_of_a_checkout(site: Path, tmp_path: Path) -> None:
    code = (f"import site; site.addsitedir({str(site)!r})\n"
            "from models.hardware.config import load_config, CONFIG_DIR\nprint(load_config('tiny').rows, CONFIG_DIR)")
    done = run([sys.executable, "-P", "-c", code], tmp_path)
    assert done.stdout.split() == [str(16), str(site / "fusioncim" / "config" / "engine")], done.stderr
