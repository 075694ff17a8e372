"""What skipping below a number of octaves saves and costs: values that are not read, work left to the OP-CIM, SQNR lost."""

from __future__ import annotations

import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from models.hardware import numerics as nx
from models.hardware.config import EngineConfig
from models.hardware.schedules import TileOptions
from models.hardware.tile import TileResult
from models.hardware.tiling import assemble, tokens_per_tile
from models.quality.metrics import compare_heads
from models.quality.reference import reference_attention
from scripts.studies.schedules.outputs import Values, tile_output
from scripts.studies.schedules.report import Sheet, number, percent
from scripts.studies.schedules.row_max import blocks_that_run, walk
from scripts.studies.schedules.scores import GroupScores, block_maxima, block_spans, group_scores, ones_of_blocks
from scripts.studies.schedules.settings import NATURAL
from scripts.studies.schedules.sources import Layer, load_layer, prefill

EXACT = 0                               # nothing that matters is left out
TOKENS = 1024                           # at most: twice as many take four times as long, and say the same
OCTAVES = (EXACT, 14, 12, 10, 8, 6, 4)
BY_LAYER = (10, 8, 6)                   # of which the table by layer tells what each costs
SETTINGS = (NATURAL, TileOptions("sink_diagonal", True))


@dataclass
class Left:
    """What the tiles of one KV head leave of their work with one number of octaves.

    ``setting``: with ``skip`` and ``octaves``. ``layer``: its name. ``keys``: of all tiles, ``keys_read`` those whose values are;
    ``blocks``, ``blocks_run``; ``bit_ops``, ``bit_ops_left``: bits of values that switch the OP-CIM's array. ``sqnr_db``: of
    each query head in ``heads``, against float32 attention.
    """

    setting: TileOptions
    layer: str
    heads: list[str]
    keys: int
    keys_read: int
    blocks: int
    blocks_run: int
    bit_ops: int
    bit_ops_left: int
    sqnr_db: list[float]

    def as_dict(self) -> dict[str, object]:
        """Plain dict, for JSON."""
        return asdict(self)


def skipping_outputs(cfg: EngineConfig, scores: GroupScores, setting: TileOptions,
                     octaves: Sequence[int]) -> list[tuple[list[TileResult], np.ndarray]]:
    """For each of ``octaves`` the tiles' outputs, bit for bit those of the golden model, and the blocks that run.

    Args:
        setting: schedule, first step and threshold. octaves: 0 to 31 each.

    Returns:
        Results without statistics, one a tile, and bool ``[B, tiles]``.
    """
    maxima, keys = block_maxima(scores, setting.schedule, cfg.keys_per_block), scores.keys
    moves = walk(cfg, maxima, scores.rows, keys, [(setting.fused, setting.tau)], (0,))
    starts, counts = block_spans(setting.schedule, tuple(keys.tolist()), cfg.keys_per_block)
    values, found = Values(scores.longest), []
    for limit in octaves:
        zero = (moves.margin[0] < -nx.skip_span(setting.tau, cfg.prob_bits, limit)) & (counts > 0)
        ran, results = blocks_that_run(zero, keys, cfg.keys_per_block), []
        for i, z in enumerate(scores.z):
            runs = ran[:, i]    # a block that is skipped moves no running maximum, so those that run are all there is
            out, empty = tile_output(cfg, setting.tau, z, values, moves.row_max[0][runs, i, :z.shape[0]], starts[runs, i],
                                     counts[runs, i])[:2]
            results.append(TileResult(out, empty))
        found.append((results, ran))
    return found


def left_of_group(cfg: EngineConfig, scores: GroupScores, heads: list[str], reference: Tensor, setting: TileOptions,
                  octaves: Sequence[int] = OCTAVES) -> list[Left]:
    """What one KV head leaves with each of ``octaves``; ``reference``: float32 attention ``[G, T, D]`` of its query heads."""
    starts, counts = block_spans(setting.schedule, tuple(scores.keys.tolist()), cfg.keys_per_block)
    ones, tokens = ones_of_blocks(scores.longest.v, starts, counts), tokens_per_tile(cfg, scores.heads)
    found = []
    for limit, (results, ran) in zip(octaves, skipping_outputs(cfg, scores, setting, octaves), strict=True):
        of_piece = iter(results)
        out = [assemble(piece, list(islice(of_piece, -(-piece.q.shape[1] // tokens)))) for piece in scores.pieces]
        found.append(Left(
            replace(setting, skip=True, octaves=limit), heads[0].partition("H")[0], heads, int(counts.sum()),
            int(counts[ran].sum()), int((counts > 0).sum()), int(ran.sum()), int(ones.sum()), int(ones[ran].sum()),
            [m.sqnr_db for m in compare_heads(torch.cat(out, 1), reference)]))
    return found


def left_of_layer(cfg: EngineConfig, layer: Layer, settings: Sequence[TileOptions] = SETTINGS,
                  octaves: Sequence[int] = OCTAVES) -> list[Left]:
    """Every KV head of a layer at every setting."""
    reference, found = reference_attention(layer.tensors), []
    for pieces, rows in zip(layer.groups, layer.heads, strict=True):
        scores, names = group_scores(cfg, pieces), [layer.tensors.heads[row] for row in rows]
        for setting in settings:
            found += left_of_group(cfg, scores, names, reference[rows], setting, octaves)
    return found


def _of_file(cfg: EngineConfig, tokens: int, file: Path) -> list[Left]:
    """A prefill, in a process of its own."""
    torch.set_num_threads(1)
    return left_of_layer(cfg, prefill(load_layer(file).first_tokens(tokens)))


def measure_skipping(cfg: EngineConfig, layers: Sequence[Path], tokens: int, jobs: int) -> list[Left]:
    """The prefill of every layer's first ``tokens`` at :data:`SETTINGS`, ``jobs`` layers at a time; in their order.

    Args:
        layers: files of :func:`scripts.studies.schedules.sources.store_layer`.
    """
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        return [left for found in pool.map(partial(_of_file, cfg, tokens), layers) for left in found]


# ---- what it says

def _of(found: Sequence[Left], setting: TileOptions, octaves: int, layer: str | None = None) -> list[Left]:
    wanted = replace(setting, skip=True, octaves=octaves)
    return [left for left in found if left.setting == wanted and layer in (None, left.layer)]


def _share(found: Sequence[Left], part: str, whole: str) -> float:
    return sum(getattr(left, part) for left in found) / sum(getattr(left, whole) for left in found)


def _lost(found: Sequence[Left], exact: Sequence[Left]) -> dict[str, float]:
    """dB that each head loses to exact skipping."""
    return {head: before - after for a, b in zip(exact, found, strict=True)
            for head, before, after in zip(a.heads, a.sqnr_db, b.sqnr_db, strict=True)}


def skipping_sheet(found: Sequence[Left], tokens: int) -> Sheet:
    """Saved and lost with each number of octaves, over all heads."""
    sheet = Sheet("skipping", f"skipping below octaves, prefill of {tokens:,} tokens", [
        "order", "octaves", "values not read %", "OP-CIM blocks left %", "OP-CIM bits left %", "SQNR dB", "lost dB",
        "lost by the worst layer", "by the worst head"], 2)
    for setting in SETTINGS:
        exact = _of(found, setting, EXACT)
        for octaves in OCTAVES:
            here = _of(found, setting, octaves)
            lost = _lost(here, exact)
            layers = [np.mean(list(_lost(_of(found, setting, octaves, layer), _of(found, setting, EXACT, layer)).values()))
                      for layer in dict.fromkeys(left.layer for left in here)]
            sheet.add(setting.name, str(octaves) if octaves else "exact", percent(1 - _share(here, "keys_read", "keys")),
                      percent(_share(here, "blocks_run", "blocks")), percent(_share(here, "bit_ops_left", "bit_ops")),
                      number(float(np.mean([db for left in here for db in left.sqnr_db]))),
                      number(float(np.mean(list(lost.values()))), 3), number(float(max(layers)), 3),
                      number(max(lost.values()), 3))
    return sheet


def skipping_layers_sheet(found: Sequence[Left], tokens: int) -> Sheet:
    """The same layer by layer, in the last of :data:`SETTINGS`."""
    setting = SETTINGS[-1]
    columns = [f"{octaves}: {what}" for octaves in BY_LAYER for what in ("values not read %", "lost dB", "worst head")]
    sheet = Sheet("skipping-layers", f"skipping below octaves by layer, {setting.name}, prefill of {tokens:,} tokens",
                  ["layer", "exact: values not read %", *columns])
    for layer in dict.fromkeys(left.layer for left in found):
        exact = _of(found, setting, EXACT, layer)
        cells = [percent(1 - _share(exact, "keys_read", "keys"))]
        for octaves in BY_LAYER:
            here = _of(found, setting, octaves, layer)
            lost = _lost(here, exact)
            cells += [percent(1 - _share(here, "keys_read", "keys")), number(float(np.mean(list(lost.values()))), 3),
                      number(max(lost.values()), 3)]
        sheet.add(layer, *cells)
    return sheet
