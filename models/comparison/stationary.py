"""Baseline 2 on the whole chip: clusters of ``fcim_kv_stationary`` beside each other."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache

from models.baseline import kv_stationary
from models.baseline.kv_program import COUNTERS, KvConfig, Program, causal_program, events_of, program_counts, timeline
from models.comparison.cells import banks_text
from models.comparison.chip import PARTIAL_BYTES, Layer, Memories, Outcome, Traffic
from models.comparison.claims import ENGINES
from models.energy.baseline import KV_STATIONARY, baseline_events, group_pairs
from models.energy.events import Events
from models.errors import FcimError


@dataclass(frozen=True)
class KvStationary:
    """Baseline 2: K and V stay in the macros for a block of rows, which pass by; partial O goes to the buffer and back.

    Attributes:
        macros: pairs of macros on one KV head, 1 to :data:`~models.comparison.claims.ENGINES`; 0 takes the quickest.
        row_block: rows that pass before K and V are written anew; 0 takes as many as the buffer holds partial rows of.
        overlap: K and V are written into one bank while another works.
        banks: of cells in each macro.
    """

    macros: int = 0
    row_block: int = 0
    overlap: bool = True
    banks: int = 2

    @property
    def name(self) -> str:
        """What it is called in tables."""
        block = f"written anew for every {self.row_block} rows" if self.row_block else "kept as long as the buffer allows"
        return f"KV-stationary, {block}, {'written beside' if self.overlap else 'written between'}{banks_text(self.banks)}"


PARTIAL_SHARE = 0.6     # of the buffer, for partial rows of O


def _kv_block(design: KvStationary, cfg: KvConfig, layer: Layer, memories: Memories) -> int:
    """Rows of a block: as asked for, or of as many partial rows as the buffer holds for all clusters at work."""
    if design.row_block:
        return design.row_block
    clusters = min(ENGINES // cfg.macros, layer.heads)
    held = int(PARTIAL_SHARE * memories.buffer) // (clusters * cfg.head_dim * PARTIAL_BYTES)
    step = layer.group
    return max(step, held // step * step)


@lru_cache(maxsize=64)
def _kv_program(cfg: KvConfig, group: int, tokens: int, block: int, overlap: bool) -> tuple[Program, int]:
    """A head's program and its cycles."""
    positions = [row // group for row in range(tokens * group)]
    program = causal_program(cfg, positions, tokens, block, overlap)
    return program, timeline(cfg, program).cycles


def kv_stationary_chip(design: KvStationary, layer: Layer, memories: Memories, counted: bool = False) -> Outcome:
    """Baseline 2 on the whole chip.

    Args:
        counted: with events, for which the golden model runs over the counted KV heads.

    Raises:
        FcimError: its macros do not divide the chip's.
    """
    if not design.macros:
        tried = [(kv_stationary_chip(replace(design, macros=n), layer, memories), n) for n in (1, 2, 4, 8, 16)]
        best, macros = min(tried, key=lambda pair: pair[0].cycles)
        return kv_stationary_chip(replace(design, macros=macros), layer, memories, True) if counted else best
    if ENGINES % design.macros:
        raise FcimError(f"{design.macros} pairs of macros do not divide the chip's {ENGINES}; use 1, 2, 4, 8 or 16")
    rows = layer.tokens * layer.group
    cfg = KvConfig(macros=design.macros, v_tiles=min(2, design.macros), banks=design.banks,
                   max_keys=max(1024, 1 << (layer.tokens - 1).bit_length()), max_rows=1 << (rows - 1).bit_length())
    block = _kv_block(design, cfg, layer, memories)
    program, cycles = _kv_program(cfg, layer.group, layer.tokens, block, design.overlap)
    clusters = ENGINES // design.macros
    # a head that stays as a whole is one cluster's; of others clusters take blocks of rows, all of one KV head
    stays = not design.row_block and layer.tokens <= cfg.span * cfg.banks
    shared = not stays and rows >= clusters * block
    inside = cycles * layer.heads / clusters if shared else cycles * max(1.0, layer.heads / clusters)
    counts = events_of(cfg, dict.fromkeys(COUNTERS, 0) | program_counts(cfg, program))
    loaded = counts["buffer_read_bytes:K"] + counts["buffer_read_bytes:V"]
    once = 2 * layer.tokens * layer.head_dim
    held = 0 if math.isinf(memories.port) else clusters * block * layer.head_dim * PARTIAL_BYTES
    fits = (1 if shared else min(clusters, layer.heads)) * once <= memories.buffer - held
    queries = rows * layer.head_dim
    out = counts["buffer_written_bytes:O"]
    traffic = Traffic(*(layer.heads * bytes_ for bytes_ in (
        counts["buffer_read_bytes"], counts["buffer_written_bytes"] - out, queries + (once if fits else max(once, loaded)), out)))
    outcome = traffic.outcome(design.name, f"{design.macros} pairs of macros on a KV head", layer, memories, inside,
                              layer.heads * counts["cell_bits_written"])
    if not counted:
        return outcome
    total = Events()
    for group in layer.groups[:layer.counted]:
        found = kv_stationary.run(cfg, program, kv_stationary.operands_of(group)).counts
        pairs = group_pairs(group, cfg.rows, cfg.span)
        total += baseline_events(events_of(cfg, found), pairs.qk, pairs.pv, 2 * pairs.visible * layer.head_dim,
                                 KV_STATIONARY)
    return replace(outcome, events=traffic.events(total.scaled(layer.heads / layer.counted), outcome.cycles))
