"""Illegal parameter sets of ``fcim_core`` stop elaboration and name the parameter; the configuration refuses the same ones.

Parameters that follow from others cannot be set, in no module and on neither simulator.
"""

from __future__ import annotations

import itertools
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from models.errors import FcimError
from models.hardware.config import EngineConfig
from scripts.flow.simulator import RunOptions, require_simulator, run_bench
from scripts.flow.sources import include_folders, rtl_files
from tb.common.mutation import mutated_sources

TOP = "fcim_core"
BASE = {"ROWS": 16, "HEAD_DIM": 32, "BITS_PER_CYCLE": 2, "KEYS_PER_BLOCK": 8, "PROB_BITS": 16, "MAX_KEYS": 1024,
        "SUM_CUT": 0}
# Both ends of the table in docs/engine.md, and for KEYS_PER_BLOCK as far as the head's size lets it.
ENDS = {"ROWS": (8, 128), "HEAD_DIM": (16, 128), "BITS_PER_CYCLE": (1, 8), "KEYS_PER_BLOCK": (8, 64), "PROB_BITS": (8, 18),
        "MAX_KEYS": (64, 131072)}
TRIED = {
    "ROWS": [-8, 0, 1, 4, 7, 8, 9, 12, 20, 24, 60, 64, 120, 127, 128, 129, 132, 136, 256],
    "HEAD_DIM": [-16, 0, 8, 15, 16, 17, 24, 32, 48, 64, 96, 127, 128, 160, 256],
    "BITS_PER_CYCLE": [-1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 16],
    "KEYS_PER_BLOCK": [-8, 0, 1, 4, 7, 8, 12, 16, 24, 31, 32, 33, 48, 64, 128],
    "PROB_BITS": [-8, 0, 1, 7, *range(8, 19), 19, 20, 32],
    "MAX_KEYS": [-64, 0, 1, 32, 63, 64, 65, 96, 100, 128, 4096, 5000, 65536, 131071, 131072, 131073, 262144],
    "SUM_CUT": [-6, -1, *range(9), 10, 17, 26, 32],
}
LEGAL = {
    "ROWS": {8, 24, 64, 120, 128},
    "HEAD_DIM": {16, 32, 64, 128},
    "BITS_PER_CYCLE": {1, 2, 4, 8},
    "KEYS_PER_BLOCK": {8, 16, 32},  # 64 is above the head's 32
    "PROB_BITS": set(range(8, 19)),
    "MAX_KEYS": {64, 128, 4096, 65536, 131072},
    "SUM_CUT": set(range(7)),     # what is left holds two blocks
}


def elaborate(parameters: dict[str, int], files: list[Path] | None = None) -> subprocess.CompletedProcess[str]:
    """Elaborate the engine with Icarus and throw the result away; ``files`` None means the RTL as it is."""
    program = shutil.which("iverilog")
    assert program, "iverilog is not on PATH; run: make setup"
    files = files or rtl_files()
    folders = [f"-I{folder}" for folder in include_folders()]
    values = [f"-P{TOP}.{name}={value}" for name, value in parameters.items()]
    return subprocess.run([program, "-g2012", "-t", "null", "-s", TOP, *folders, *values, *map(str, files)],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)


def named(output: str) -> set[str]:
    """Parameters that the names of missing modules accuse."""
    return {name for text in re.findall(r"Unknown module type: (\w+)", output) for name in BASE if f"illegal_{name}_" in text}


def accepted(parameters: dict[str, int]) -> bool:
    """``models.hardware.config`` takes this set; where it does not, its message must name an illegal parameter's key."""
    try:
        EngineConfig("tried", **{name.lower(): value for name, value in parameters.items()})
    except FcimError as error:
        assert any(re.search(rf"\b{name.lower()} = {value} is illegal", str(error)) for name, value in parameters.items())
        return False
    return True


@pytest.mark.parametrize("name", list(BASE))
def test_rtl_and_models_take_and_refuse_the_same_values(name: str) -> None:
    for value in TRIED[name]:
        parameters = {**BASE, name: value}
        done, legal = elaborate(parameters), value in LEGAL[name]
        assert (done.returncode == 0) == legal, f"{name} = {value}: {done.stdout or 'elaborated without a message'}"
        assert accepted(parameters) == legal, f"{name} = {value}: models.hardware.config disagrees with docs/engine.md"
        if not legal:
            assert name in named(done.stdout), f"{name} = {value}: {done.stdout}"


@pytest.mark.parametrize(("head_dim", "keys", "legal"), [(16, 16, True), (16, 32, False), (32, 64, False), (64, 64, True)])
def test_a_block_has_at_most_head_dim_keys(head_dim: int, keys: int, legal: bool) -> None:
    parameters = {**BASE, "HEAD_DIM": head_dim, "KEYS_PER_BLOCK": keys}
    done = elaborate(parameters)
    assert (done.returncode == 0) == legal == accepted(parameters), done.stdout
    assert named(done.stdout) == (set() if legal else {"KEYS_PER_BLOCK"})


@pytest.mark.parametrize(("keys_per_block", "max_keys", "most"), [(8, 64, 2), (64, 64, 0), (64, 128, 0), (16, 131072, 12)])
def test_a_sum_that_is_cut_holds_two_blocks(keys_per_block: int, max_keys: int, most: int) -> None:
    for cut in (most, most + 1):
        parameters = {**BASE, "HEAD_DIM": 64, "KEYS_PER_BLOCK": keys_per_block, "MAX_KEYS": max_keys, "SUM_CUT": cut}
        done = elaborate(parameters)
        assert (done.returncode == 0) == (cut == most) == accepted(parameters), done.stdout
        assert named(done.stdout) == (set() if cut == most else {"SUM_CUT"})


def test_several_illegal_parameters_are_all_named() -> None:
    output = elaborate({**BASE, "ROWS": 12, "PROB_BITS": 19, "MAX_KEYS": 96}).stdout
    assert named(output) == {"ROWS", "PROB_BITS", "MAX_KEYS"}, output


def test_every_legal_corner_elaborates() -> None:
    corners = [dict(zip(ENDS, values, strict=True)) for values in itertools.product(*ENDS.values())]
    corners = [{**c, "KEYS_PER_BLOCK": min(c["KEYS_PER_BLOCK"], c["HEAD_DIM"])} for c in corners]
    for corner in corners:
        assert accepted(corner), corner
        done = elaborate(corner)
        assert (done.returncode, done.stdout) == (0, ""), f"{corner}: {done.stdout}"
    assert len(corners) == 64


def test_the_runner_shows_the_accusing_name(tmp_path: Path) -> None:
    with pytest.raises(FcimError, match="illegal_ROWS_use_a_multiple_of_8_from_8_to_128"):
        run_bench(TOP, "tb.core.bench_core", {**BASE, "ROWS": 12}, RunOptions(sim="icarus", build_root=tmp_path / "build"))


def test_a_check_that_is_too_lax_would_be_noticed(tmp_path: Path) -> None:
    lax = mutated_sources(tmp_path, "rtl/core/fcim_core.v", "PROB_BITS > 18", "PROB_BITS > 19")
    for value in TRIED["PROB_BITS"]:
        refused = elaborate({**BASE, "PROB_BITS": value}, lax).returncode != 0
        assert refused == (value not in LEGAL["PROB_BITS"] | {19}), value


# ---- parameters that follow from others

LISTS = {path.stem: re.search(r"^module \w+ #\(\n(.*?)\n\) \($", path.read_text(), re.M | re.S) for path in rtl_files()}
DECLARED = {module: re.findall(r"^ {4}(parameter|localparam) +(\w+) = .*?(?:// (.+))?$", found[1], re.M)
            for module, found in LISTS.items() if found}
DERIVED = {module: [name for kind, name, _ in rows if kind == "localparam"] for module, rows in DECLARED.items()}
MODULES = [module for module, names in DERIVED.items() if names]


def run(*command: str) -> tuple[int, str]:
    """Exit status and output of a command."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return done.returncode, done.stdout


def icarus(top: str, *more: str) -> tuple[int, str]:
    """Elaborate with Icarus and throw the result away."""
    program = require_simulator("icarus")
    folders = [f"-I{folder}" for folder in include_folders()]
    return run(program, "-g2012", "-t", "null", "-s", top, *folders, *map(str, rtl_files()), *more)


def verilator(top: str, *more: str) -> tuple[int, str]:
    """Elaborate with Verilator, whose other warnings do not count here."""
    program = require_simulator("verilator")
    folders = [f"-I{folder}" for folder in include_folders()]
    return run(program, "--lint-only", "-Wno-fatal", "--top-module", top, *folders, *map(str, rtl_files()), *more)


def test_every_parameter_says_what_it_is() -> None:
    rows = [(module, name, text) for module, found in DECLARED.items() for _, name, text in found]
    lines = sum(len(found[1].splitlines()) for found in LISTS.values() if found)
    assert len(rows) == lines > 150, "a line of a parameter list declares nothing that this test can read"
    assert not [f"{module}.{name}" for module, name, text in rows if not text]


@pytest.mark.parametrize("module", MODULES)
def test_a_parameter_that_follows_cannot_be_set_from_the_command_line(module: str) -> None:
    status, output = icarus(module, *(f"-P{module}.{name}=3" for name in DERIVED[module]))
    # Icarus only warns; that nothing is wrong with a width of 3 everywhere shows that it leaves them as they are
    assert status == 0 and set(re.findall(r"parameter (\w+) not found", output)) == set(DERIVED[module]), output
    status, output = verilator(module, *(f"-G{name}=3" for name in DERIVED[module]))
    assert status != 0 and all(re.search(rf"not found in the design:.*\b{name}\b", output) for name in DERIVED[module]), output


@pytest.mark.parametrize("module", MODULES)
def test_a_parameter_that_follows_cannot_be_set_by_an_instance(module: str, tmp_path: Path) -> None:
    source = tmp_path / "outside.v"
    values = ", ".join(f".{name}(3)" for name in DERIVED[module])
    source.write_text(f"module outside; {module} #({values}) u_inner (); endmodule\n")
    status, output = icarus("outside", str(source))
    assert status == 0 and set(re.findall(r"parameter (\w+) not found", output)) == set(DERIVED[module]), output
    status, output = verilator("outside", str(source))
    refused = re.findall(r"attempts to override '(\w+)' as a parameter, but it is a local", output)
    assert status != 0 and set(refused) == set(DERIVED[module]), output


@pytest.mark.parametrize("sim", ["icarus", "verilator"])
def test_a_bench_refuses_to_set_a_parameter_that_follows(sim: str, tmp_path: Path) -> None:
    """On Icarus too, which would go on without it."""
    with pytest.raises(FcimError, match="INDEX_BITS"):
        run_bench("fcim_key_scheduler", "tb.key_scheduler.bench_key_scheduler", {"INDEX_BITS": 3},
                  RunOptions(sim=sim, build_root=tmp_path))


def test_a_parameter_that_may_be_set_is_found_on_both_simulators() -> None:
    """The two tests above are no accident of how parameters are written."""
    assert "not found" not in icarus("fcim_counters", "-Pfcim_counters.COUNT=3")[1]
    assert verilator("fcim_counters", "-GCOUNT=3")[0] == 0
