"""What other tools take the RTL by: the files are current and name what ``fusioncim.f`` names; FuseSoC lints and simulates."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from models.hardware.config import EngineConfig, load_config
from models.place import BUILD
from models.system.config import SystemConfig, load_system
from scripts import cores
from scripts.flow.simulator import TOOL_BIN
from scripts.flow.sources import ROOT, headers, include_folders, rtl_files
from tests.commands.bad_inputs import quiet_environment

CORE = yaml.safe_load(cores.CORE.read_text())
FUSESOC = Path(sys.executable).with_name("fusesoc")


@pytest.mark.parametrize("path", cores.outputs(), ids=lambda path: path.name)
def test_they_are_current(path: Path) -> None:
    """Else: ``make cores``."""
    assert path.read_text() == cores.outputs()[path]


def test_the_list_is_that_of_the_project() -> None:
    files = CORE["filesets"]["rtl"]["files"]
    assert [ROOT / name for name in files if isinstance(name, str)] == rtl_files()
    headers = {ROOT / name: ROOT / about["include_path"] for entry in files if isinstance(entry, dict)
               for name, about in entry.items() if about["is_include_file"]}
    included = {name for path in rtl_files() for name in re.findall(r'`include "(\S+)"', path.read_text())}
    assert {path.name for path in headers} == included and all(path.is_file() for path in headers)
    bender = yaml.safe_load(cores.BENDER.read_text())
    (group,) = bender["sources"]
    assert [ROOT / name for name in group["files"]] == rtl_files()
    assert [ROOT / name for name in group["include_dirs"]] == include_folders()
    assert set(headers.values()) == set(include_folders())


def test_what_the_targets_name_is_there() -> None:
    modules = {path.stem for path in rtl_files()}
    assert {target["toplevel"] for target in CORE["targets"].values()} <= modules
    assert {name: target["toplevel"] for name, target in CORE["targets"].items()} == {
        "default": "fcim_engine", "accelerator": "fcim_accelerator", "lint": "fcim_engine", "lint_core": "fcim_core",
        "lint_accelerator": "fcim_accelerator", "sim": "fcim_engine"}
    defaults = {name: about["default"] for name, about in CORE["parameters"].items()}
    usual = load_system("default").verilog_parameters()     # the Verilog's own defaults are those of the configuration
    assert {name: defaults[name] for name in usual} == usual and set(load_config("default").verilog_parameters()) < set(usual)
    for target in CORE["targets"].values():
        text = next(path for path in rtl_files() if path.stem == target["toplevel"]).read_text()
        settable = set(re.findall(r"^\s*parameter\s+(\w+)", text, re.MULTILINE))
        given = {name.split("=")[0] for name in target["parameters"]}
        assert given == settable, target["toplevel"]


def test_versions_agree() -> None:
    assert CORE["name"] == f"::fusioncim:{cores.project()['version']}"
    citation = yaml.safe_load(cores.CITATION.read_text())
    assert str(citation["version"]) == cores.project()["version"] and citation["license"] == cores.project()["license"]
    assert {"cff-version", "message", "title", "authors"} <= set(citation)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The core file and what it names, in a folder that a test may change."""
    place = tmp_path / "core"
    for path in [cores.CORE, *rtl_files(), *headers(), ROOT / "rtl" / "lint.vlt"]:
        copy = place / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    return place


def fusesoc(place: Path, *words: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """``fusesoc run`` of what lies in ``place``."""
    own = {f"XDG_{name}_HOME": str(place / name.lower()) for name in ("CONFIG", "CACHE", "DATA")}
    environment = quiet_environment(**own, **variables)
    environment["PATH"] = f"{TOOL_BIN}:{environment['PATH']}"
    command = [FUSESOC, "--cores-root", ".", "run", *words]
    return subprocess.run(command, cwd=place, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          check=False, timeout=300)


def lint(place: Path, target: str = "lint") -> subprocess.CompletedProcess[str]:
    """Of a target, an engine's with the smallest configuration."""
    given = [] if target == "lint_accelerator" else [
        word for name, value in load_config("tiny").verilog_parameters().items() for word in (f"--{name}", str(value))]
    return fusesoc(place, f"--target={target}", "fusioncim", *given)


@pytest.fixture
def simulate(checkout: Path) -> Iterator[Callable[..., subprocess.CompletedProcess[str]]]:
    """The bench, which is this checkout's, on the files in ``checkout``: FuseSoC works as deep in this one as by itself."""
    work = BUILD / "fusesoc" / checkout.parent.name

    def run(**variables: str) -> subprocess.CompletedProcess[str]:
        return fusesoc(checkout, "--target=sim", "--work-root", work, "fusioncim", **variables)

    yield run
    shutil.rmtree(work, ignore_errors=True)


@pytest.mark.parametrize(("target", "given"), [("lint", load_config("tiny")), ("lint_accelerator", load_system("tiny"))])
def test_fusesoc_lints_it(target: str, given: EngineConfig | SystemConfig, checkout: Path) -> None:
    done = lint(checkout, target)
    assert done.returncode == 0, done.stdout
    (script,) = checkout.glob(f"build/*/{target}/*.vc")
    assert all(f"-G{name}={value}" in script.read_text() for name, value in given.verilog_parameters().items())


@pytest.mark.parametrize(("file", "old", "new", "says"), [
    ("rtl/engine/fcim_engine.v", "`default_nettype none", "`default_nettype none\n`include \"none.vh\"", "none.vh"),
    ("fusioncim.core", "      - rtl/core/fcim_core.v\n", "", "fcim_core"),
    ("rtl/lint.vlt", "lint_off", "// lint_off", "UNUSEDSIGNAL")], ids=["broken-source", "file-left-out", "no-waivers"])
def test_a_fault_fails_the_lint(file: str, old: str, new: str, says: str, checkout: Path) -> None:
    text = (checkout / file).read_text()
    assert old in text
    (checkout / file).write_text(text.replace(old, new))
    done = lint(checkout)
    assert done.returncode != 0 and says in done.stdout, done.stdout


def test_fusesoc_simulates_it(simulate: Callable[..., subprocess.CompletedProcess[str]], seed: int) -> None:
    done = simulate(SEED=str(seed))
    assert done.returncode == 0 and "1 passed" in done.stdout, done.stdout
    assert re.search(r"on the files of \S+build/fusesoc/\S+/src/fusioncim_\S+", done.stdout), done.stdout


@pytest.mark.faults
@pytest.mark.parametrize(("file", "old", "new", "says"), [
    ("rtl/engine/fcim_engine.v", ".s_k_pos(s_k_pos)", ".s_k_pos({POS_BITS{1'b0}})", "1 failed"),
    ("rtl/engine/fcim_engine.v", "`default_nettype none", "`default_nettype none\n`include \"none.vh\"", "none.vh"),
    ("fusioncim.core", "      - rtl/core/fcim_core.v\n", "", "fcim_core"),
    ("fusioncim.core", "      - rtl/system/fcim_store.v\n", "", "FuseSoC has gathered no rtl/system/fcim_store.v"),
    ("fusioncim.core", "src/fusioncim", "src/other", "FuseSoC has gathered no rtl/softmax/")],
    ids=["wrong-logic", "broken-source", "needed-file-left-out", "other-file-left-out", "no-files"])
def test_a_fault_fails_the_simulation(file: str, old: str, new: str, says: str, checkout: Path, seed: int,
                                      simulate: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    text = (checkout / file).read_text()
    assert old in text
    (checkout / file).write_text(text.replace(old, new))
    done = simulate(SEED=str(seed))
    assert done.returncode != 0 and says in done.stdout, done.stdout


def test_container_and_manual_name_the_same_packages() -> None:
    """Those of docs/integration.md, besides what a base image lacks."""
    manual = re.search(r"`apt-get install ([^`]+)`", (ROOT / "docs" / "integration.md").read_text())[1].split()
    recipe = (ROOT / "Containerfile").read_text()
    installed = re.search(r"apt-get install -y --no-install-recommends (.*?)&&", recipe.replace("\\\n", " "), re.S)[1].split()
    assert set(installed) == {*manual, "ca-certificates"}
    copied = [word for line in recipe.splitlines() if line.startswith("COPY") and line != "COPY . ."
              for word in line.split()[1:-1]]
    assert copied and all((ROOT / name).is_file() for name in copied)


def test_the_workflow_runs_what_continuous_integration_runs() -> None:
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())["jobs"]
    commands = [shlex.split(step["run"]) for job in jobs.values() for step in job["steps"] if "run" in step]
    assert commands == [["bash", ".ci/run"]] and (ROOT / ".ci" / "run").is_file()
