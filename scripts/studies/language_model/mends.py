"""What preparing Q, K and V buys: attention on 8-bit operands against float attention, each choice alone and all together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from models.hardware.config import EngineConfig
from models.hardware.operands import ALL, PLAIN
from models.hardware.quantise import dequantise, quantise
from models.hardware.schedules import TileOptions
from models.hf_attention.kernel import integer_attention
from models.quality.bounds import loss_db
from models.quality.metrics import HeadMetrics, compare_heads
from models.quality.reference import group_attention, reference_attention
from models.tensors.attention_tensors import AttentionTensors
from models.tensors.fit import fit_tensors
from scripts.flow.tables import Column, Table

SMOOTHED = replace(PLAIN, smooth_k=True)
MENDS = {"none": SMOOTHED, "balance": replace(SMOOTHED, balance=True), "rotate": replace(SMOOTHED, rotate=True),
         "balance, rotate": replace(SMOOTHED, balance=True, rotate=True), "v_mult": replace(SMOOTHED, v_mult=True),
         "fit_scales": replace(SMOOTHED, fit_scales=True), "default": ALL, "default, fit_scales": replace(ALL, fit_scales=True)}
"""K is smoothed in all of them; by default all is done but fitting scales."""

GAUSSIAN_LAYERS = 4
GAUSSIAN = "Gaussian"


@dataclass(frozen=True)
class OperandLine:
    """All heads of one source with one choice, SQNR in dB against float attention.

    The first four are of float attention on the 8-bit operands: mean, worst head, least mean of a layer, worst cosine.
    ``engine_db``: the most that the engine's arithmetic takes from a head beyond that.
    """

    source: str
    name: str
    mean_sqnr_db: float
    worst_sqnr_db: float
    worst_layer_db: float
    worst_cosine: float
    engine_db: float


@dataclass
class Operands:
    """Called as an observer in a float run: judges every choice on the layer's heads at once, so that no tensor is kept."""

    source: str
    cfg: EngineConfig
    options: TileOptions
    found: dict[str, list[list[HeadMetrics]]] = field(default_factory=lambda: {name: [] for name in MENDS})
    lost: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in MENDS})

    def __call__(self, layer: int, q: Tensor, k: Tensor, v: Tensor, scale: float, out: Tensor) -> None:
        channels = q.shape[-1]
        tensors = fit_tensors(AttentionTensors(*(x.float().cpu() for x in (q, k, v)), scale), self.cfg)
        reference = reference_attention(tensors)[..., :channels]
        for name, choice in MENDS.items():
            groups = quantise(tensors, choice)
            ideal = torch.cat([group_attention(*dequantise(group), scale) for group in groups])
            engine = integer_attention(self.cfg, self.options, groups).flatten(0, 1)
            scores = [compare_heads(x[..., :channels], reference) for x in (ideal, engine)]
            self.found[name].append(scores[0])
            self.lost[name] += [loss_db(a.sqnr_db, b.sqnr_db) for a, b in zip(*scores, strict=True)]

    def lines(self) -> Iterator[OperandLine]:
        """One per choice."""
        for name, layers in self.found.items():
            means = [sum(m.sqnr_db for m in layer) / len(layer) for layer in layers]
            heads = [m for layer in layers for m in layer]
            yield OperandLine(self.source, name, sum(means) / len(means), min(m.sqnr_db for m in heads), min(means),
                              min(m.cosine for m in heads), max(self.lost[name]))


def gaussian_operands(cfg: EngineConfig, options: TileOptions, heads: int, kv_heads: int, head_dim: int, tokens: int,
                      seed: int = 1) -> Operands:
    """The same of random tensors of a model's shapes."""
    found = Operands(GAUSSIAN, cfg, options)
    generator = torch.Generator().manual_seed(seed)
    for layer in range(GAUSSIAN_LAYERS):
        q, k, v = (torch.randn(n, tokens, head_dim, generator=generator) for n in (heads, kv_heads, kv_heads))
        found(layer, q, k, v, head_dim**-0.5, q)
    return found


def operands_table(lines: list[OperandLine], tokens: int) -> Table:
    """A line per source and choice."""
    table = Table([Column("heads of", text=True), Column("choice", text=True),
                   *map(Column, ("mean SQNR dB", "worst head", "worst layer", "worst cosine", "engine's share dB"))],
                  f"8-bit operands of {tokens:,} tokens, scales from the tensors themselves")
    for i, line in enumerate(lines):
        last = i + 1 == len(lines) or lines[i + 1].source != line.source
        table.add(line.source if i == 0 or lines[i - 1].source != line.source else "", line.name, f"{line.mean_sqnr_db:.2f}",
                  f"{line.worst_sqnr_db:.2f}", f"{line.worst_layer_db:.2f}", f"{line.worst_cosine:.6f}", f"{line.engine_db:.3f}",
                  last=last)
    return table
