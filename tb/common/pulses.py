"""Watches a pin that is high for a cycle when something happens, and the pins that say then what it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from cocotb.triggers import RisingEdge

from tb.common.clock import cycle
from tb.common.stream import HIGH, LOW, Beat


async def watch_pulses(dut: Any, valid: str, fields: Mapping[str, str], callback: Callable[[Beat], None]) -> None:
    """Call ``callback`` at each edge that finds ``valid`` high, outside reset, for ever.

    It gets a beat of ``fields`` (names and their pins) and of ``cycle``, the number of the edge. That ``valid`` is 0 or 1, and
    the pins at a pulse have no X, is checked.
    """
    edge, pin = RisingEdge(dut.clk), getattr(dut, valid)
    payload = {field: getattr(dut, name) for field, name in fields.items()}
    while True:
        await edge
        if dut.rst_n.value != HIGH or pin.value == LOW:
            continue
        assert pin.value == HIGH, f"{valid} is {pin.value} at cycle {cycle()}"
        beat = {"cycle": cycle()}
        for field, handle in payload.items():
            bits = str(handle.value)
            assert set(bits) <= {"0", "1"}, f"{fields[field]} is {bits} at cycle {cycle()}, while {valid} is high"
            beat[field] = int(bits, 2)
        callback(beat)
