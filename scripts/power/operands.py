"""The operands that a model's attention brings to every block, and what each block makes of them, from the golden model."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from models.errors import FcimError
from models.hardware import numerics as nx
from models.hardware.config import EngineConfig
from models.hardware.golden import RowState, accumulate, judge, run_tile
from models.hardware.quantise import quantise
from models.hardware.schedules import DEFAULT_OPTIONS
from models.hardware.tile import TileJob
from models.hardware.tiling import build_tiles
from models.tensors.fit import fit_tensors
from models.tensors.source import load_tensors, open_checkpoint

TOKENS = 256
LAYERS = 3              # of a model, spread over it
SEED = 1                # of swept operands
SHARES = (0.1, 0.3, 0.5, 0.7, 0.9)


@dataclass(frozen=True)
class Walk:
    """A tile as the blocks see it, int64; R rows, n keys in the order of their stream, B blocks, D channels.

    ``q [R, D]``, ``k [n, D]``, ``v [n, D]``, multipliers and positions as in :class:`TileJob`; ``u [R, n]``: inner products of
    the codes + 128, as the IP-CIM has them; ``z [R, n]``: scaled scores, masked ones too; ``row_max``, ``shift [B, R]``: running
    maxima and rescale amounts at each block; ``p``, ``weights [R, n]``: probabilities without and with their values' multipliers;
    ``sums [B, R, D]``: of weights times v + 128; ``before``, ``after [B, R, D]``: accumulators; ``row_sum [R]``, ``out [R, D]``.
    ``channels``: those that the model has, the others are padding.
    """

    q: np.ndarray
    q_pos: np.ndarray
    q_mult: np.ndarray
    k: np.ndarray
    k_pos: np.ndarray
    k_mult: np.ndarray
    v: np.ndarray
    score_shift: int
    tau: int
    u: np.ndarray
    z: np.ndarray
    row_max: np.ndarray
    shift: np.ndarray
    p: np.ndarray
    weights: np.ndarray
    sums: np.ndarray
    before: np.ndarray
    after: np.ndarray
    row_sum: np.ndarray
    out: np.ndarray
    channels: int


def walk(cfg: EngineConfig, tile: TileJob, channels: int) -> Walk:
    """Go through a tile block by block as the golden model does.

    Raises:
        FcimError: the outputs are not those of the golden model.
    """
    score = tile.q.long() @ tile.k.long().T
    z, _ = nx.scale_score(score, tile.q_mult, tile.k_mult, tile.shift, cfg.z_max)
    z = torch.where(tile.k_pos.unsqueeze(0) <= tile.q_pos.unsqueeze(1), z, torch.full_like(z, nx.MASKED))
    spans = [slice(start, start + cfg.keys_per_block) for start in range(0, len(tile.k), cfg.keys_per_block)]
    state, parts = RowState.start(len(tile.q), cfg.head_dim), []
    for block, span in enumerate(spans):
        zmax = z[:, span].amax(-1)
        ahead = torch.maximum(zmax, z[:, spans[1]].amax(-1)) if tile.fused and block == 0 and len(spans) > 1 else zmax
        amount, _ = judge(cfg, tile, state, zmax, ahead)
        before, v_mult = state.acc, tile.v_mult[span]      # type: ignore[index]
        accumulate(cfg, tile, state, z[:, span], tile.v[span].double(), v_mult, amount)
        p = nx.probability(z[:, span], state.row_max.unsqueeze(-1), tile.tau, cfg.prob_bits)
        weights = nx.scale_probability(p, v_mult)
        sums = weights @ (tile.v[span].long() + 128)
        parts.append((state.row_max, nx.clamp_rescale(amount), p, weights, sums, before, state.acc))
    row_max, shift, p, weights, sums, before, after = zip(*parts)
    out = nx.normalise(state.acc, state.row_sum)
    if not torch.equal(out.to(torch.int16), run_tile(cfg, tile).out):
        raise FcimError("the blocks' operands do not lead to the golden model's output; scripts/power/operands.py is behind it")

    def array(x: Tensor) -> np.ndarray:
        return x.long().numpy()

    return Walk(*map(array, (tile.q, tile.q_pos, tile.q_mult, tile.k, tile.k_pos, tile.k_mult, tile.v)), tile.shift, tile.tau,
                array((tile.q.long() + 128) @ (tile.k.long() + 128).T), array(z), array(torch.stack(row_max)),
                array(torch.stack(shift)), array(torch.cat(p, 1)), array(torch.cat(weights, 1)), array(torch.stack(sums)),
                array(torch.stack(before)), array(torch.stack(after)), array(state.row_sum), array(out), channels)


def swept(cfg: EngineConfig, blocks: int) -> list[Walk]:
    """Operands of the two arrays that no model brings: random bits of which one share is set in K and V and another in Q and P, a
    tile for each pair of shares. Only what the arrays see is filled."""
    rng, keys = np.random.default_rng(SEED), (blocks + 1) * cfg.keys_per_block
    nothing = np.zeros(0, dtype=np.int64)

    def codes(rows: int, columns: int, width: int, share: float) -> np.ndarray:
        return (rng.random((rows, columns, width)) < share) @ (1 << np.arange(width))

    found = []
    for streamed, resident in itertools.product(SHARES, SHARES):
        q, p = codes(cfg.rows, cfg.head_dim, 8, resident), codes(cfg.rows, keys, cfg.prob_bits, resident)
        k, v = codes(keys, cfg.head_dim, 8, streamed), codes(keys, cfg.head_dim, 8, streamed)
        parts = p.reshape(cfg.rows, -1, cfg.keys_per_block).swapaxes(0, 1), v.reshape(-1, cfg.keys_per_block, cfg.head_dim)
        found.append(Walk(q - 128, nothing, nothing, k - 128, nothing, nothing, v - 128, 0, 0, q @ k.T, nothing, nothing, nothing,
                          p, p, parts[0] @ parts[1], nothing, nothing, nothing, nothing, cfg.head_dim))
    return found


def walks(cfg: EngineConfig, checkpoint: str | Path | None, tokens: int, blocks: int, most: int) -> Iterator[Walk]:
    """Up to ``most`` tiles of a model, each of at least ``blocks`` key blocks: of layers, KV heads and positions spread over all
    that there are.

    Raises:
        FcimError: the checkpoint cannot be used, or so many tokens give no such tile.
    """
    count = open_checkpoint(checkpoint).config.num_hidden_layers
    chosen = sorted({round(i * (count - 1) / (LAYERS - 1)) for i in range(LAYERS)})
    found: list[tuple[TileJob, int]] = []
    for tensors in load_tensors(checkpoint, layers=chosen, tokens=tokens):
        channels = min(tensors.q.shape[-1], cfg.head_dim)
        for group in quantise(fit_tensors(tensors, cfg)):
            tiles = build_tiles(cfg, group, DEFAULT_OPTIONS.tau, DEFAULT_OPTIONS.schedule, DEFAULT_OPTIONS.fused)
            found += [(tile, channels) for tile in tiles if len(tile.k) >= blocks * cfg.keys_per_block
                      and len(tile.q) >= (cfg.cycles_per_key - 1) * cfg.lanes + cfg.bits_per_cycle]
    if not found:
        raise FcimError(f"{tokens} tokens give no tile of {blocks} whole key blocks; use more TOKENS or another CONFIG")
    step = max(1, len(found) // most)
    for tile, channels in found[::step][:most]:
        yield walk(cfg, tile, channels)
