"""A block's bench on its gates: it passes, it fails when one cell is another, and netlists serve one set of parameters."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from models.errors import FcimError
from models.hardware.config import load_config
from scripts.flow.gates import yosys
from scripts.flow.gates.equivalence import DIFFERENT, PROVEN
from scripts.flow.regress.entries import read_entries
from scripts.flow.regress.job import Job
from scripts.flow.simulator import BenchFailed, RunOptions, run_bench
from scripts.flow.sources import ROOT
from scripts.gate_level import benches, proofs, readers
from scripts.gate_level.blocks import BLOCKS, RTL, GateBlock
from scripts.gate_level.proofs import compare
from scripts.synth.netlists import Netlist, netlist, top_of
from tb.workloads import LIST

SMALL = BLOCKS["tile_tracker"]
AND, OR = "AND2x2_ASAP7_75t_R", "OR2x2_ASAP7_75t_R"


@pytest.fixture(scope="module")
def gates(tmp_path_factory: pytest.TempPathFactory) -> Netlist:
    return netlist(SMALL.top, SMALL.parameters, tmp_path_factory.mktemp("synth"))


def with_another_cell(gates: Netlist, folder: Path) -> list[Path]:
    """The files, an AND of the netlist an OR of the same pins."""
    files = [Path(shutil.copy(file, folder)) for file in gates.files]
    text = files[1].read_text()
    assert text.count(f"  {AND} ") > 0 and AND in gates.kinds
    files[1].write_text(text.replace(f"  {AND} ", f"  {OR} ", 1))
    cells = files[2].read_text()
    if f"module {OR} " not in cells:
        files[2].write_text(cells + f"module {OR} (input A, input B, output Y); assign Y = A | B; endmodule\n")
    return files


def bench(block: GateBlock, files: list[Path], seed: int, folder: Path) -> int:
    """Tests passed."""
    return run_bench(block.top, block.bench, block.parameters, RunOptions(
        sim="icarus", seed=seed, sources=files, build_root=folder / "build")).passed


def test_the_bench_passes_on_gates_and_fails_when_a_cell_is_another(gates: Netlist, seed: int, tmp_path: Path) -> None:
    assert gates.cells > 20 and gates.flops == 8
    assert bench(SMALL, list(gates.files), seed, tmp_path) == 3
    with pytest.raises(BenchFailed, match="done_valid is|done_bank is|pulses"):
        bench(SMALL, with_another_cell(gates, tmp_path), seed, tmp_path)


def test_the_proof_closes_and_fails_when_a_cell_is_another(gates: Netlist, tmp_path: Path) -> None:
    verdict = compare(SMALL, gates.files[1:], tmp_path, RTL, 60)
    assert (verdict.state, verdict.registers, verdict.outputs, verdict.alone) == (PROVEN, 8, 2, 0)
    verdict = compare(SMALL, with_another_cell(gates, tmp_path)[1:], tmp_path, RTL, 60)
    assert verdict.state == DIFFERENT and "differs" in verdict.why


def test_a_netlist_is_made_once(gates: Netlist) -> None:
    folder = gates.files[0].parents[2]
    stamps = {path: path.stat().st_mtime_ns for path in folder.rglob("*.v")}
    assert netlist(SMALL.top, SMALL.parameters, folder) == gates
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*.v")} == stamps


def elaborated(top: str, folder: Path, parameters: dict[str, int], given: dict[str, int]) -> subprocess.CompletedProcess[str]:
    """Icarus reads the top of a netlist for ``parameters`` with those that are ``given``, and a netlist without gates."""
    text = top_of(top, parameters)
    ports = text[text.index("\n) (") + 4:text.index("\n);")]
    header = text[text.index("module"):text.index("\n) (")].replace(top, f"{top}_gates", 1)
    for name, value in parameters.items():
        header = re.sub(rf"(parameter\s+{name} = )\d+", rf"\g<1>{value}", header)
    (folder / "top.v").write_text(text + f"{header}\n) ({ports}\n);\nendmodule\n")
    return subprocess.run(["iverilog", "-g2012", "-t", "null", "-s", top, *(f"-P{top}.{k}={v}" for k, v in given.items()),
                           str(folder / "top.v")], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)


@pytest.mark.parametrize("name", [name for name, block in BLOCKS.items() if block.parameters])
def test_the_top_has_the_parameters_of_the_netlist_and_no_others(name: str, tmp_path: Path) -> None:
    block = BLOCKS[name]
    given = dict(block.parameters)
    assert elaborated(block.top, tmp_path, given, given).returncode == 0
    first = next(iter(given))
    done = elaborated(block.top, tmp_path, given, {**given, first: 2 * given[first]})
    assert done.returncode and f"fcim_netlist_has_{first}_{given[first]}" in done.stdout


def test_a_module_that_is_not_there() -> None:
    with pytest.raises(FcimError, match="fcim_nothing is in no file of fusioncim.f"):
        top_of("fcim_nothing", {})


# ---- the regression
def job(folder: Path, block: str) -> Job:
    return Job("gates", None, {"block": block}, 1, "icarus", False, folder, "make regress")


def test_every_block_with_a_bench_has_its_gates_in_the_regression() -> None:
    folders = {path.parent.name for path in (ROOT / "tb").glob("*/bench_*.py") if path.stem == f"bench_{path.parent.name}"}
    # engines; nobody has looked at their gates yet
    around = {"accelerator", "address", "axi_reader", "axi_writer", "burst_splitter", "call_unit", "cluster", "command_processor",
              "kv_loader", "kv_stationary", "o_stage", "planner", "q_fetch", "read_router", "registers", "row_collector", "store",
              "unfused"}
    assert sorted(BLOCKS) == sorted(folders - {"core", "engine"} - around)
    for module in (benches, proofs):
        entries = [entry for entry in read_entries(LIST) if entry.module == module.__name__]
        assert sorted(str(value) for entry in entries for value in entry.parameters["block"]) == sorted(BLOCKS)
        assert all("gates" in entry.tags for entry in entries)


def test_the_workload_tells_what_the_gates_are(seed: int, tmp_path: Path) -> None:
    outcome = benches.run(replace(job(tmp_path, "tile_tracker"), seed=seed))
    assert outcome.passed and outcome.tests == 3 and outcome.metrics["flip-flops"] == 8
    outcome = proofs.run(job(tmp_path, "tile_tracker"))
    assert outcome.passed and outcome.metrics["equal"] == RTL and outcome.metrics["registers"] == 8
    with pytest.raises(FcimError, match="block = 'nothing' has no gates here; use acc_update, "):
        benches.run(job(tmp_path, "nothing"))


def test_each_of_three_readers_finds_a_latch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parameters = ", ".join(f"parameter {name} = 1" for name in load_config("tiny").verilog_parameters())
    (tmp_path / "bad.v").write_text(f"module fcim_bad #({parameters}) (input wire g, input wire d, output reg q);\n"
                                    "always @* if (g) q = d;\nendmodule\n")
    (tmp_path / "bad.f").write_text(f"{tmp_path}/bad.v\n")
    monkeypatch.setattr(readers.readers, "FILE_LIST", tmp_path / "bad.f")
    monkeypatch.setattr(readers.readers, "rtl_files", lambda: [tmp_path / "bad.v"])
    monkeypatch.setattr(readers.readers, "ENGINE", "fcim_bad")
    monkeypatch.setattr(readers.readers, "ROWS", {})
    for reader in readers.READERS:
        read = replace(job(tmp_path, ""), config="tiny", parameters={"reader": reader})
        outcome = readers.run(read)
        assert not outcome.passed and "latch" in outcome.message.lower(), outcome
    with pytest.raises(FcimError, match="reader = 'eyes' is none of verilator, slang, verilog"):
        readers.run(replace(read, parameters={"reader": "eyes"}))


def test_without_yosys_gates_are_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yosys, "PACKAGE", "no-such-package")
    for module in (benches, proofs):
        outcome = module.run(job(tmp_path, "tile_tracker"))
        assert not outcome.passed and "is not installed; type: make setup" in outcome.skipped
