"""``make synth`` on a small block: real gates, real paths, and a second run that does nothing again."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from models.errors import FcimError
from models.hardware.config import load_config
from scripts.flow.gates import yosys
from scripts.flow.gates.readers import ROWS, engine_findings, findings
from scripts.flow.gates.timing import End, Model
from scripts.flow.gates.timing import Path as TimingPath
from scripts.flow.sources import ROOT, rtl_files
from scripts.synth.block import MACRO_BITS, Timed, gates_key, synthesize, time_block
from scripts.synth.elaborate import OTHER_TOPS, Block, elaborate, elaborate_other
from scripts.synth.libraries import choose

SMALL, PARENT = "tile_tracker", "score_scaler"
LATCH = ("module fcim_bad(input g, d, output reg q, input c, output reg r);\n"
         "always @* if (g) q = d;\nalways @(posedge c) r <= q;\nendmodule\n")


def synth(*options: str) -> subprocess.CompletedProcess[str]:
    """The command."""
    command = [sys.executable, "-m", "scripts.synth", *options]
    return subprocess.run(command, cwd=ROOT, text=True, capture_output=True, check=False)


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """A run at ``tiny`` and its folder."""
    out = tmp_path_factory.mktemp("synth")
    return out, synth("--config=tiny", f"--top={SMALL}", f"--out={out}")


def test_a_block_becomes_gates(first: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    out, done = first
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads((out / "synth.json").read_text())
    block = report["configurations"][0]["blocks"]["fcim_tile_tracker"]
    assert block["flops"] == 8 and 20 < block["cells"] < 200 and 2 < block["area_um2"] < 30 and block["latches"] == []
    assert sum(block["kinds"].values()) == block["cells"]
    path = block["longest_path"]
    assert 50 < path["ps"] < 1000 and path["start"].endswith("]") and path["end"].endswith("_q") and path["steps"]
    assert "make synth CONFIG=tiny TOP=tile_tracker" in report["command"]
    page = (out / "index.html").read_text()
    assert "tile_tracker" in page and "<svg" not in page, "a block with nothing in it needs no map"


def test_what_was_found_is_not_looked_for_again(first: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    out, _ = first
    places = sorted((out / "gates").iterdir())
    stamp = [(path, path.stat().st_mtime_ns) for path in sorted((out / "gates").rglob("*"))]
    done = synth("--config=tiny", f"--top=fcim_{SMALL}", f"--out={out}")
    assert done.returncode == 0 and sorted((out / "gates").iterdir()) == places
    assert [(path, path.stat().st_mtime_ns) for path in sorted((out / "gates").rglob("*"))] == stamp


def test_what_a_block_is_kept_under_depends_on_all_that_makes_it(tmp_path: Path) -> None:
    library = choose("asap7")
    block = Block("fcim_x", tmp_path / "x.il", "0123", {})
    other = Block("fcim_x", tmp_path / "x.il", "0124", {})
    changed = type(library)(library.file, library.cells, type(library.settings)("asap7", slew=1.0))
    assert len({gates_key(block, library), gates_key(other, library), gates_key(block, changed)}) == 3


def test_engine_and_units_are_cut_along_their_hierarchy(tmp_path: Path) -> None:
    blocks = elaborate(load_config("tiny"), tmp_path)
    files = {path.stem for path in (ROOT / "rtl").rglob("*.v")}
    names = {*blocks, *(name for top in OTHER_TOPS for name in elaborate_other(top, tmp_path / top))}
    assert {re.sub(r"_\d+(x\d+)?$", "", name) if name not in files else name for name in names} == files
    assert blocks["fcim_engine"].children["u_core"] == "fcim_core"
    assert blocks["fcim_merge"].children["u_row_divider"] == blocks["fcim_normalizer"].children["u_row_divider"]


def test_a_latch_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bad.v").write_text(LATCH)
    monkeypatch.setattr("scripts.flow.gates.readers.rtl_files", lambda: [tmp_path / "bad.v"])
    for reader in ("slang", "verilog"):
        assert findings(reader, "fcim_bad", {}, tmp_path / reader) == ["1 latch in fcim_bad; assign on every path"]
    (tmp_path / "bad.v").write_text(LATCH.replace("if (g) ", ""))
    assert findings("slang", "fcim_bad", {}, tmp_path / "good") == []
    (tmp_path / "bad.v").write_text("module fcim_bad(output y, input a); wire z; assign y = z & a; endmodule\n")
    assert findings("verilog", "fcim_bad", {}, tmp_path / "open")


@pytest.mark.parametrize("row", ROWS)
def test_a_latch_in_a_row_of_an_array_is_found(row: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Slang reads the engine without them."""
    bad = tmp_path / f"{row}.v"
    good = next(path for path in rtl_files() if path.name == bad.name)
    bad.write_text(good.read_text().replace("endmodule", "reg bad; always @* if (first) bad = last;\nendmodule"))
    files = [bad if path == good else path for path in rtl_files()]
    monkeypatch.setattr("scripts.flow.gates.readers.rtl_files", lambda: files)
    assert engine_findings("slang", load_config("tiny"), tmp_path) == [f"1 latch in {row}; assign on every path"]


def test_a_large_memory_stays_a_macro(tmp_path: Path) -> None:
    words = MACRO_BITS // 32
    text = f"""autoidx 10
module \\fcim_m
  memory width 32 size {words} \\mem
  wire input 1 \\clk
  wire width 7 input 2 \\a
  wire width 32 input 3 \\d
  wire width 32 output 4 \\q
  wire width 32 $r
  cell $memrd $rd
    parameter \\MEMID "\\\\mem"
    parameter \\ABITS 7
    parameter \\WIDTH 32
    parameter \\CLK_ENABLE 0
    parameter \\CLK_POLARITY 1
    parameter \\TRANSPARENT 0
    connect \\CLK 1'0
    connect \\EN 1'1
    connect \\ADDR \\a
    connect \\DATA $r
  end
  cell $memwr $wr
    parameter \\MEMID "\\\\mem"
    parameter \\ABITS 7
    parameter \\WIDTH 32
    parameter \\CLK_ENABLE 1
    parameter \\CLK_POLARITY 1
    parameter \\PRIORITY 0
    connect \\CLK \\clk
    connect \\EN 32'11111111111111111111111111111111
    connect \\ADDR \\a
    connect \\DATA \\d
  end
  cell $dff $ff
    parameter \\WIDTH 32
    parameter \\CLK_POLARITY 1
    connect \\CLK \\clk
    connect \\D $r
    connect \\Q \\q
  end
end
"""
    (tmp_path / "m.il").write_text(text)
    gates = synthesize(Block("fcim_m", tmp_path / "m.il", "0", {}), choose("asap7"), tmp_path / "kept")
    memory, = gates.memories
    assert memory.macro and (memory.words, memory.width, gates.macro_bits, gates.flop_bits) == (words, 32, MACRO_BITS, 0)
    assert gates.flops <= 32 + 7


def test_yosys_that_is_not_there_or_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yosys, "PACKAGE", "no-such-package")
    with pytest.raises(FcimError, match="is not installed; type: make setup"):
        yosys.require()
    monkeypatch.setattr(yosys, "PACKAGE", "numpy")
    with pytest.raises(FcimError, match="0.70 is needed; type: make setup"):
        yosys.require()


def test_a_script_that_fails_says_why(tmp_path: Path) -> None:
    with pytest.raises(yosys.YosysFailed, match="No such command: nonsense"):
        yosys.run("nonsense\n", tmp_path, "x")


def test_a_parents_longest_path_may_lie_in_a_child(tmp_path: Path) -> None:
    path = TimingPath(9000.0, "deep_q", "end_q", "register to register", ())
    child = Timed(path, path, Model({"m_valid": End(10.0, "q")}))
    blocks = elaborate(load_config("tiny"), tmp_path / "rtl")
    block = blocks["fcim_engine"]
    library = choose("asap7")
    synthesize(block, library, tmp_path / "kept")
    timed = time_block(block, library, tmp_path / "kept", "x", {name: child for name in block.children.values()})
    assert timed.worst is not None and timed.worst.ps == 9000.0
    assert timed.worst.start.endswith("/deep_q") and timed.worst.end.endswith("/end_q") and timed.inside == timed.worst


def test_an_interrupted_run_leaves_nothing_behind(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "scripts.synth", "--config=tiny", "--top=divider", f"--out={tmp_path}"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def running() -> list[str]:
        found = []
        for place in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                found.append(place.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        return [line for line in found if str(tmp_path) in line]

    while not any("yosys" in line and "map.ys" in line for line in running()):
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130 and err == "interrupted\n"
    assert running() == []
    assert list((tmp_path / "runs").iterdir()) == [] == list((tmp_path / "gates").iterdir())
