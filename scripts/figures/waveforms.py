"""Waveforms of the pages: drawn from the model in time, so that they show what the RTL does in these very cycles."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

import wavedrom

from models.hardware.config import load_config
from models.hardware.pace import Pace
from models.hardware.timeline import handshakes

PICTURE = "tile_waves.svg"
CONFIG, ROWS, KEYS = "tiny", 2, 24
RUN = (True, False, True)       # the second of three blocks is skipped
AFTER_DECISION = 2              # cycles from a decision to the first value that it asks for
COLOURS = "345"                 # of wavedrom, by block
Span = tuple[int, int, str, str]
"""From a cycle to the one behind the last, with a colour and a text."""


def lane(name: str, spans: Sequence[Span], columns: int, step: int) -> dict[str, Any]:
    """A line of WaveJSON: a column is ``step`` cycles, and belongs to a span that any of its cycles does.

    Raises:
        ValueError: two spans share a column.
    """
    wave, last = ["0"] + ["."] * (columns - 1), -1
    for first, end, colour, _ in spans:
        begin, behind = first // step, -(-end // step)
        if begin <= last:
            raise ValueError(f"two spans of {name} share column {begin}")
        last = behind - 1
        wave[begin:behind] = [colour] + ["."] * (behind - begin - 1)
        if behind < columns:
            wave[behind] = "0"
    return {"name": name, "wave": "".join(wave), "data": [text for *_, text in spans]}


def tile() -> dict[str, Any]:
    """WaveJSON of one tile whose second block is skipped and whose values come when they are asked for."""
    cfg = load_config(CONFIG)
    size, cpk = cfg.keys_per_block, cfg.cycles_per_key
    ran = [b for b, now in enumerate(RUN) if now]
    first = handshakes(cfg, [(ROWS, KEYS)], ran=[RUN]).taken["decision"]
    asked = [first[b] + AFTER_DECISION + i for b in ran for i in range(size)]
    taken = handshakes(cfg, [(ROWS, KEYS)], ran=[RUN], pace=Pace([0] * ROWS, [0] * KEYS, asked)).taken
    keys, values, decided = taken["k"], taken["v"], taken["decision"]
    products, free = [], 0
    for i, b in enumerate(ran):     # outer product start X of docs/cycles.md
        start = max(decided[b] + size * cpk + 3, free, values[(i + 1) * size - 1] + 1)
        free = start + cfg.block_cycles
        products.append((start, free, COLOURS[b], f"block {b}"))
    step = 2 * cpk
    columns = taken["o"][-1] // step + 2
    named = [f"{b * size}-{b * size + size - 1}" for b in range(len(RUN))]
    lanes = [
        lane("s_q", [(taken["q"][0], taken["q"][-1] + 1, "2", "")], columns, step),
        lane("s_k", [(keys[b * size], keys[b * size + size - 1] + 1, COLOURS[b], f"keys {named[b]}")
                     for b in range(len(RUN))], columns, step),
        lane("m_decision", [(cycle, cycle + 1, COLOURS[b], "run" if RUN[b] else "skip")
                            for b, cycle in enumerate(decided)], columns, step),
        lane("s_v", [(values[i * size], values[i * size + size - 1] + 1, COLOURS[b], named[b])
                     for i, b in enumerate(ran)], columns, step),
        lane("exponentials", [(decided[b], decided[b] + size * cpk, COLOURS[b], f"block {b}") for b in ran], columns, step),
        lane("outer product", products, columns, step),
        lane("m_o", [(taken["o"][0], taken["o"][-1] + 1, "2", "rows")], columns, step),
    ]
    return {"signal": lanes, "head": {"tick": 0},
            "foot": {"text": f"a column is {step} cycles, in which two keys enter; {taken['o'][-1] + 1} cycles in all"}}


def drawn(wave: dict[str, Any]) -> str:
    """The SVG of WaveJSON, on white, so that it can be read on any page."""
    text = wavedrom.render(json.dumps(wave)).tostring()
    return re.sub(r"(<svg\b[^>]*>)", r'\1<rect width="100%" height="100%" fill="white" />', text, count=1) + "\n"
