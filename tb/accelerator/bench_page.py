"""The example of docs/system.md on the accelerator's RTL, with the configuration that was built."""

from __future__ import annotations

import re
from typing import Any

import cocotb

from models.system import config
from scripts.flow.sources import ROOT
from tb.accelerator.bus import SimulatedBus
from tb.accelerator.events import SYSTEM
from tb.common.clock import reset, start_clock, start_watchdog

PAGE = ROOT / "docs" / "system.md"


@cocotb.test()
async def run_page(dut: Any) -> None:
    """Its ``layer`` over a bus that is simulated."""
    code, _ = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    names: dict[str, Any] = {}
    config.load_system = lambda name: SYSTEM
    exec(compile(code, str(PAGE), "exec"), names)  # noqa: S102
    bus = SimulatedBus(dut)
    start_clock(dut)
    start_watchdog(100_000)
    await reset(dut)
    await names["layer"](bus)
    assert int(dut.beats_written.value) > 0, "the page's example wrote nothing"
