"""The ports of the elaborated RTL, and of what plays streams to it, are those of the declared interface."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from models.hardware.config import EngineConfig, config_names, load_config
from models.hardware.interface import CORE, CORE_PINS, ENGINE, ENGINE_PINS, ports
from scripts.flow.simulator import require_simulator
from scripts.flow.sources import include_folders, rtl_files
from tb.common.mutation import mutated_sources
from tb.core.run import PLAYER

Widths = dict[str, tuple[str, int]]


def elaborated(top: str, cfg: EngineConfig, sources: list[Path], folder: Path) -> dict[str, Widths]:
    """Per module of the design, of every signal its direction (INPUT, OUTPUT or NONE) and its width."""
    command = [require_simulator("verilator"), "--json-only", "-Wno-fatal", "-Wno-lint", "--Mdir", str(folder),
               "--top-module", top, *(f"-G{name}={value}" for name, value in cfg.verilog_parameters().items()),
               *(f"-I{place}" for place in include_folders()), *map(str, sources)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    tree = json.loads((folder / f"V{top}.tree.json").read_text())
    kinds = {kind["addr"]: kind.get("range", "0:0") for part in tree["miscsp"] for kind in part.get("typesp", ())}

    def width(kind: str) -> int:
        high, low = map(int, kinds[kind].split(":"))
        return high - low + 1

    return {module["origName"]: {item["name"]: (item["direction"], width(item["dtypep"]))
                                 for item in module["stmtsp"] if item["type"] == "VAR"} for module in tree["modulesp"]}


def as_declared(found: Widths) -> dict[str, tuple[bool, int]]:
    """The ports among the signals."""
    return {name: (direction == "INPUT", width) for name, (direction, width) in found.items() if direction != "NONE"}


@pytest.mark.parametrize("config", config_names())
def test_the_ports_of_the_tops(config: str, tmp_path: Path) -> None:
    cfg = load_config(config)
    modules = elaborated("fcim_engine", cfg, rtl_files(), tmp_path)
    assert as_declared(modules["fcim_core"]) == ports(CORE, CORE_PINS, cfg)
    assert as_declared(modules["fcim_engine"]) == ports(ENGINE, ENGINE_PINS, cfg)


@pytest.mark.parametrize("config", config_names())
def test_the_payloads_that_are_played_and_recorded(config: str, tmp_path: Path) -> None:
    cfg = load_config(config)
    signals = elaborated("tb_core", cfg, [*rtl_files(), *PLAYER], tmp_path)["tb_core"]
    assert {name: signals[name][1] for name in CORE} == {name: stream.width(cfg) for name, stream in CORE.items()}
    assert {pin.name: signals[pin.name][1] for pin in CORE_PINS if pin.name in signals} == {
        pin.name: pin.bits for pin in CORE_PINS if pin.name not in ("clear", "tile_done")}


@pytest.mark.parametrize(("old", "new"), [
    ("input  wire [SHIFT_BITS-1:0]            s_q_shift", "input  wire [SHIFT_BITS:0]              s_q_shift"),
    ("output wire                             tile_done", "output wire idle, output wire tile_done"),
    ("input  wire                             clear,", "inout  wire                             clear,"),
    ("COUNTERS = 26", "COUNTERS = 25"),
], ids=["width", "one more", "direction", "counters"])
def test_another_port_is_seen(old: str, new: str, tmp_path: Path) -> None:
    cfg = load_config("tiny")
    modules = elaborated("fcim_core", cfg, mutated_sources(tmp_path, "rtl/core/fcim_core.v", old, new), tmp_path)
    assert as_declared(modules["fcim_core"]) != ports(CORE, CORE_PINS, cfg)
