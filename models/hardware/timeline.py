"""The timeline model: cycles and counters of a run, exactly as the RTL counts them, without running it.

It follows the handshake rules of ``docs/cycles.md``. What the streams do outside comes in as a
:class:`~models.hardware.pace.Pace`; without one they are always ready.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from models.hardware.config import EngineConfig
from models.hardware.golden import run_tile
from models.hardware.pace import Pace, Ready, offers
from models.hardware.progress import Progress
from models.hardware.tile import TileJob, TileResult


@dataclass
class Prediction:
    """What the ports of a run show, in cycles counted from the first row's acceptance, and what its counters hold.

    ``taken``: per stream (q, k, v, decision, o, part) the cycle of each beat's acceptance. ``offered``: the same for the engine's
    own offers, of decision, o and part. ``counters``: cycles and stalls alone (:func:`handshakes`), or all of them
    (:func:`predict_run`).
    """

    taken: dict[str, list[int]]
    offered: dict[str, list[int]]
    counters: dict[str, int]


def handshakes(cfg: EngineConfig, shapes: Sequence[tuple[int, int]], fused: Sequence[bool] | None = None,
               ran: Sequence[Sequence[bool]] | None = None, pace: Pace | None = None,
               partial: Sequence[bool] | None = None) -> Prediction:
    """Every handshake, and the counters of cycles and stalls, of tiles with ``(rows, keys)`` each.

    Args:
        fused: per tile, whether its first two blocks are judged as one; by default none.
        ran: per tile, which of its blocks run; by default all.
        pace: what the streams do; by default they are always ready, and the inputs valid from cycle 0 on.
        partial: per tile, whether its rows are given out as partial results; by default none.

    Raises:
        ValueError: the pace does not fit the tiles: another number of beats, or an output that stays not ready.
    """
    per_block = cfg.keys_per_block
    sizes = [[min(per_block, keys - first) for first in range(0, keys, per_block)] for _, keys in shapes]
    runs = [[True] * len(blocks) if ran is None else [bool(r) for r in ran[tile]] for tile, blocks in enumerate(sizes)]
    values = sum(size for blocks, r in zip(sizes, runs, strict=True) for size, now in zip(blocks, r, strict=True) if now)
    sources = {name: offers(pace, name, beats)
               for name, beats in (("q", sum(rows for rows, _ in shapes)), ("k", sum(keys for _, keys in shapes)), ("v", values))}
    ready = {name: Ready(pace, name) for name in ("o", "part", "decision")}
    run = Progress(cfg, ready["decision"].first, pace is None or pace.skips_wait)
    for tile, (rows, _) in enumerate(shapes):
        run.add_tile(rows, sizes[tile], runs[tile], bool(fused is not None and fused[tile]), bool(partial and partial[tile]))
        for _ in range(rows):
            run.add_row(next(sources["q"]))
        for size, now in zip(sizes[tile], runs[tile], strict=True):
            run.add_keys(list(islice(sources["k"], size)))
            if now:
                run.add_values(list(islice(sources["v"], size)))
    run.advance()
    while run.head is not None:
        stream, offer = run.head
        run.take(ready[stream].first(offer))
        run.advance()
    run.count_flight()
    return Prediction(run.taken, run.offered, run.stalls)


def predict_cycles(cfg: EngineConfig, shapes: Sequence[tuple[int, int]], fused: Sequence[bool] | None = None,
                   ran: Sequence[Sequence[bool]] | None = None, pace: Pace | None = None) -> dict[str, int]:
    """The counters of cycles and stalls alone, see :func:`handshakes`."""
    return handshakes(cfg, shapes, fused, ran, pace).counters


def row_cycles(cfg: EngineConfig, shapes: Sequence[tuple[int, int]], ran: Sequence[Sequence[bool]] | None = None
               ) -> dict[str, int]:
    """Rows in use, summed over the cycles in which an array switches: what its energy goes with, beside that of a cycle.

    Of a tile of ``rows`` rows the IP-CIM has ``rows * CYCLES_PER_KEY`` for each key, the OP-CIM ``rows * BLOCK_CYCLES`` for each
    block that runs. Where all tiles have as many rows, these are ``rows`` times the counters ``ip_busy`` and ``op_busy``.

    Args:
        shapes: per tile its rows in use and its keys.
        ran: per tile, which of its blocks run; by default all.

    Returns:
        ``ip`` and ``op``, in rows times cycles.
    """
    blocks = [-(-keys // cfg.keys_per_block) if ran is None else sum(map(bool, ran[tile]))
              for tile, (_, keys) in enumerate(shapes)]
    return {"ip": sum(rows * keys for rows, keys in shapes) * cfg.cycles_per_key,
            "op": sum(rows * count for (rows, _), count in zip(shapes, blocks, strict=True)) * cfg.block_cycles}


def predict_run(cfg: EngineConfig, tiles: Sequence[TileJob], results: Sequence[TileResult],
                pace: Pace | None = None) -> Prediction:
    """Every handshake of a run of ``tiles`` from reset, and every counter after it; ``results`` are the golden model's.

    Raises:
        ValueError: the pace does not fit, see :func:`handshakes`.
    """
    total = {name: sum(getattr(r.stats, name) for r in results) for name in
             ("keys", "blocks", "zero_blocks", "rescaled_rows", "rescale_amount", "saturations", "ip_bit_ops", "op_bit_ops",
              "skipped_blocks")}
    rows = sum(r.stats.rows for r in results)
    run = handshakes(cfg, [(t.q.shape[0], t.k.shape[0]) for t in tiles], [t.fused for t in tiles],
                     [r.ran.tolist() for r in results], pace, [t.partial for t in tiles])
    run.counters = {
        **total, **run.counters, "tiles": len(tiles),
        "q_bytes": rows * cfg.head_dim, "k_bytes": total["keys"] * cfg.head_dim, "v_bytes": len(run.taken["v"]) * cfg.head_dim,
        "o_bytes": 2 * sum(len(r.out) for r in results) * cfg.head_dim,
        "partial_rows": sum(len(r.partial.row_sum) for r in results if r.partial is not None),
        "ip_busy": total["keys"] * cfg.cycles_per_key,
        "op_busy": (total["blocks"] - total["skipped_blocks"]) * cfg.block_cycles,
    }
    return run


def predict(cfg: EngineConfig, tiles: Sequence[TileJob], results: Sequence[TileResult] | None = None) -> dict[str, int]:
    """Every counter of the engine after ``tiles`` on streams that are always ready.

    ``results`` spares running the golden model again. Stalls that only slow streams cause (``stall_k``, ``stall_o``,
    ``stall_decision``) are 0 here.
    """
    return predict_run(cfg, tiles, results if results is not None else [run_tile(cfg, tile) for tile in tiles]).counters
