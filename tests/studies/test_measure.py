"""What is measured of a layer: counts against plain loops, scores against single tiles, sums over tasks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from models.hardware import numerics as nx
from models.hardware.config import EngineConfig
from models.hardware.golden import run_tile
from models.hardware.schedules import SCHEDULES, TileOptions
from models.hardware.tiling import assemble, build_tiles
from models.hardware.timeline import predict
from models.quality.metrics import compare_heads
from models.quality.reference import reference_attention
from scripts.studies.schedules.measure import Counts, Task, measure_layer, run_tasks
from scripts.studies.schedules.settings import NATURAL, Sweep, variants
from scripts.studies.schedules.sources import decode, prefill
from tests.studies.samples import CFG, agreeing, tensors


def plain_counts(cfg: EngineConfig, tile: object, heads: int) -> dict[str, object]:
    """Counts of one tile, row by row and block by block."""
    score = (tile.q.long() @ tile.k.long().T)
    z, _ = nx.scale_score(score, tile.q_mult, tile.k_mult, tile.shift)
    z = z.tolist()
    found = {"rescales": [0] * heads, "new_maxima": [0] * heads, "always": [0] * heads, "rows": [0] * heads}
    moved, zero_rows, row_blocks, n = set(), 0, 0, tile.k.shape[0]
    for r in range(tile.q.shape[0]):
        best = reference = None
        found["rows"][r % heads] += 1
        for block, start in enumerate(range(0, n, cfg.keys_per_block)):
            def visible(first: int, row: int = r) -> list[int]:
                keys = range(first, min(first + cfg.keys_per_block, n))
                return [z[row][j] for j in keys if tile.k_pos[j] <= tile.q_pos[row]]
            here = visible(start)
            asked = here + (visible(cfg.keys_per_block) if tile.fused and block == 0 else [])
            row_blocks += 1
            found["always"][r % heads] += block > 0
            if here:
                found["new_maxima"][r % heads] += best is not None and max(here) > best
                best = max(here) if best is None else max(best, *here)
            if asked and (reference is None or max(asked) // 1024 > reference + tile.tau):
                if reference is not None:
                    found["rescales"][r % heads] += 1
                    moved.add(block)
                reference = max(asked) // 1024
            zero_rows += not here or max(here) // 1024 - reference < tile.tau - cfg.prob_bits
    return {**found, "moved_blocks": len(moved), "zero_row_blocks": zero_rows, "row_blocks": row_blocks}


def test_counts_against_plain_loops(seed: int) -> None:
    layer = prefill(agreeing(seed))
    pairs = [(False, 0), (True, 0), (True, 3)]
    measured = measure_layer(layer, [Sweep(CFG, pairs)])
    assert not measured.scores and len(measured.counts) == len(pairs) * len(SCHEDULES)
    for (size, bits, setting), counts in measured.counts.items():
        assert (size, bits) == (CFG.keys_per_block, CFG.prob_bits)
        want = Counts([], [], [], [], [])
        per_head: dict[str, list[int]] = {"rescales": [], "new_maxima": [], "always": [], "rows": []}
        for pieces in layer.groups:
            tiles = [t for p in pieces for t in build_tiles(CFG, p, setting.tau, setting.schedule, setting.fused, True)]
            plain = [plain_counts(CFG, tile, 4) for tile in tiles]
            for name, values in per_head.items():
                values += np.sum([p[name] for p in plain], axis=0).tolist()
            for tile, p in zip(tiles, plain, strict=True):
                result = run_tile(CFG, tile)
                n = tile.k.shape[0]
                want.blocks += result.stats.blocks
                want.later_blocks += result.stats.blocks - 1
                want.zero_blocks += result.stats.zero_blocks
                want.skipped_blocks += result.stats.skipped_blocks
                want.keys += n
                want.skipped_keys += n - int(result.ran.repeat_interleave(size)[:n].sum())
                want.op_bit_ops_skipping += result.stats.op_bit_ops
                want.op_bit_ops += run_tile(CFG, replace(tile, skip=False)).stats.op_bit_ops
                for name in ("moved_blocks", "zero_row_blocks", "row_blocks"):
                    setattr(want, name, getattr(want, name) + p[name])
        assert counts == replace(want, heads=layer.tensors.heads, **per_head), setting


def test_scores_are_those_of_the_golden_outputs(seed: int) -> None:
    """Metrics per head and cycles of a layer, from tiles run one by one."""
    for phase in (prefill, decode):
        layer, setting = phase(tensors(seed, 40)), TileOptions("sink_diagonal", True, tau=1)
        got = measure_layer(layer, [Sweep(CFG, variants(CFG), [NATURAL, setting])]).scores[8, 12, setting]
        reference, metrics, cycles = reference_attention(layer.tensors), [], {}
        for pieces, rows in zip(layer.groups, layer.heads, strict=True):
            for skip in (False, True):
                tiles = [build_tiles(CFG, p, 1, "sink_diagonal", True, skip) for p in pieces]
                results = [[run_tile(CFG, t) for t in piece] for piece in tiles]
                cycles[skip] = cycles.get(skip, 0) + predict(CFG, sum(tiles, []), sum(results, []))["cycles"]
            out = torch.cat([assemble(p, r) for p, r in zip(pieces, results, strict=True)], 1)
            metrics += compare_heads(out, reference[rows])
        assert got.metrics == metrics and got.heads == layer.tensors.heads
        assert (got.cycles, got.cycles_skipping) == (cycles[False], cycles[True])


def test_tasks_of_one_key_are_summed_in_any_number_of_processes(seed: int) -> None:
    layers = [tensors(seed, 33), replace(tensors(seed + 1, 33), heads=[f"B{i}" for i in range(8)])]
    tasks = [Task("a", phase, 25, layer, phase == "decode", [Sweep(CFG, [(False, 0)], [NATURAL])])
             for phase in ("prefill", "decode") for layer in layers]
    done: list[Task] = []
    alone, spread = run_tasks(tasks, 1, done.append), run_tasks(tasks, 2, lambda task: None)
    assert done == tasks and alone == spread and list(alone) == [("a", "prefill", 25), ("a", "decode", 25)]
    whole = alone["a", "prefill", 25]
    counts = whole.counts[CFG.keys_per_block, CFG.prob_bits, NATURAL]
    assert counts.heads == layers[0].heads + layers[1].heads == whole.scores[8, 12, NATURAL].heads
    assert counts.rows == [25] * 16 and len(whole.scores[8, 12, NATURAL].metrics) == 16
