"""Baseline 1 on the whole chip: clusters of ``fcim_unfused`` beside each other."""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from models.baseline.unfused import count_program, events
from models.baseline.unfused_program import Plan, UnfusedConfig, write_program
from models.baseline.unfused_timing import time_program
from models.comparison.cells import banks_text
from models.comparison.chip import OUT_BYTES, Layer, Memories, Outcome, Traffic
from models.comparison.claims import ENGINES
from models.energy.baseline import UNFUSED, baseline_events, group_pairs
from models.energy.events import Events
from models.errors import FcimError

MACROS, LANES, PORT = 2 * ENGINES, 128, 256     # of the chip: macros of one kind, exponentials and bytes of each port per cycle
S_BYTES, P_BYTES = 2, 1
SCORE_SHARE = 0.75      # of the buffer, for S and P
BLOCKS = 8              # of a head's rows at least, where softmax runs beside products


@dataclass(frozen=True)
class Unfused:
    """Baseline 1: QK^T, then softmax, then PV, in macros that hold K first and V then; S and P go to a memory and back.

    Attributes:
        macros: on one KV head; 0 takes the quickest.
        spill: a head's rows pass together, and S and P that do not fit the buffer go to the memory outside. Otherwise rows pass
            in blocks whose S and P fit, and K and V are written anew for each.
        overlap: softmax runs beside the products of other rows, and macros are written while they work.
        banks: of cells in each macro.
    """

    macros: int = 0
    spill: bool = True
    overlap: bool = False
    banks: int = 2

    @property
    def name(self) -> str:
        """What it is called in tables."""
        where = "S and P outside where a head's do not fit" if self.spill else "S and P in the buffer, by blocks of rows"
        return f"unfused, {where}, {'all beside one another' if self.overlap else 'one after the other'}{banks_text(self.banks)}"


@lru_cache(maxsize=64)
def _head(cfg: UnfusedConfig, plan: Plan, group: int, tokens: int) -> dict[str, int]:
    """What a KV head's program counts, of which nothing depends on the operands."""
    positions = np.arange(tokens, dtype=np.int64).repeat(group)
    program = write_program(cfg, plan, positions, tokens, 0)
    return events(cfg, count_program(cfg, program, positions, time_program(cfg, program, positions, check=False)), 0)


def unfused_chip(design: Unfused, layer: Layer, memories: Memories, counted: bool = False) -> Outcome:
    """Baseline 1 on the whole chip; arguments as for :func:`models.comparison.stationary.kv_stationary_chip`."""
    if not design.macros:
        tried = []
        for macros in (4, 8, 16, 32):
            with suppress(FcimError):   # so many clusters at once leave too few rows to a block: more operations than may be
                tried.append((unfused_chip(replace(design, macros=macros), layer, memories), macros))
        best, macros = min(tried, key=lambda pair: pair[0].cycles)
        return unfused_chip(replace(design, macros=macros), layer, memories, True) if counted else best
    clusters = MACROS // design.macros
    at_once, rows = min(clusters, layer.heads), layer.tokens * layer.group
    score_bytes = layer.tokens * (S_BYTES + P_BYTES)
    room = int(SCORE_SHARE * memories.buffer) // (at_once * score_bytes * (1 + design.overlap))
    # where all of a head's rows could pass at once, softmax has to run beside other rows of it
    most = rows if design.spill else min(rows, room)
    block = max(layer.group, min(most, rows // BLOCKS if design.overlap else rows) // layer.group * layer.group)
    port = PORT if math.isinf(memories.port) else PORT // clusters
    cfg = UnfusedConfig(macros=design.macros, lanes=LANES // clusters, port_bytes=port,
                        slots=1 << (block * (1 + design.overlap) - 1).bit_length(), banks=design.banks)
    plan = Plan(block=block, serial=not design.overlap, ahead=design.overlap)
    counts = _head(cfg, plan, layer.group, layer.tokens)
    inside = counts["cycles"] * max(1.0, layer.heads / clusters)
    scores = counts["buffer_written_bytes:S"] + counts["buffer_written_bytes:P"]
    spilled = design.spill and at_once * scores > SCORE_SHARE * memories.buffer
    queries, loaded = rows * layer.head_dim, counts["buffer_read_bytes:K"] + counts["buffer_read_bytes:V"]
    once = 2 * layer.tokens * layer.head_dim
    traffic = Traffic(*(layer.heads * bytes_ for bytes_ in (
        counts["buffer_read_bytes"], counts["buffer_written_bytes"], queries + max(once, loaded), queries * OUT_BYTES,
        spilled * scores)))
    outcome = traffic.outcome(design.name, f"{design.macros} macros on a KV head", layer, memories, inside,
                              layer.heads * counts["cell_bits_written"])
    if not counted:
        return outcome
    total = Events()
    for group in layer.groups[:layer.counted]:
        pairs = group_pairs(group, cfg.rows)
        total += baseline_events(counts | {"bit_products": pairs.qk + pairs.pv}, pairs.qk, pairs.pv,
                                 2 * pairs.visible * layer.head_dim, UNFUSED, out_bytes=queries * OUT_BYTES)
    return replace(outcome, events=traffic.events(total.scaled(layer.heads / layer.counted), outcome.cycles))
