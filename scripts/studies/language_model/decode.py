"""What the engine's arithmetic takes from decode rows over thousands of keys, whose probabilities have a long tail, by order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field

import torch
from torch import Tensor

from models.hardware.config import EngineConfig
from models.hardware.quantise import dequantise, quantise
from models.hardware.schedules import TileOptions
from models.hardware.tile import QuantisedGroup
from models.hardware.tiling import build_tiles
from models.hf_attention.kernel import integer_attention
from models.quality.bounds import loss_db
from models.quality.format_limits import Limits, limited_attention
from models.quality.metrics import compare_heads
from models.quality.reference import group_attention, reference_attention
from models.tensors.attention_tensors import AttentionTensors
from models.tensors.fit import fit_tensors
from scripts.flow.tables import Column, Table

KEYS = 4096
ROWS = 64       # of every head, so that one row's chance counts little
MORE_BITS = 2


@dataclass(frozen=True)
class DecodeLine:
    """The last ``rows`` rows of all heads over ``keys`` keys in one order, dB.

    ``mean_sqnr_db``, ``worst_sqnr_db``: against float attention, over heads. ``mean_engine_db``, ``worst_engine_db``: what the
    engine takes from float attention on the same 8-bit operands; the worst head's is the largest. ``worst_tail_db``,
    ``worst_longer_db``: the most that the bits of P alone take, and that ``MORE_BITS`` bits more would.
    """

    order: str
    keys: int
    rows: int
    heads: int
    mean_sqnr_db: float
    worst_sqnr_db: float
    mean_engine_db: float
    worst_engine_db: float
    worst_tail_db: float
    worst_longer_db: float


@dataclass
class DecodeRows:
    """Called as an observer in a float run: the last rows of each layer, in every one of ``orders``."""

    cfg: EngineConfig
    orders: tuple[TileOptions, ...]
    keys: int = 0
    rows: int = 0
    found: dict[TileOptions, list[tuple[float, ...]]] = field(default_factory=dict)

    def __call__(self, layer: int, q: Tensor, k: Tensor, v: Tensor, scale: float, out: Tensor) -> None:
        channels = q.shape[-1]
        self.keys, self.rows = k.shape[1], min(ROWS, q.shape[1])
        tensors = fit_tensors(AttentionTensors(*(x.float().cpu() for x in (q, k, v)), scale), self.cfg).last_queries(self.rows)
        reference, groups = reference_attention(tensors)[..., :channels], quantise(tensors)
        on_codes = torch.cat([group_attention(*dequantise(group), tensors.scale) for group in groups])[..., :channels]
        ideal = compare_heads(on_codes, reference)
        for options in self.orders:
            outputs = [integer_attention(self.cfg, options, groups).flatten(0, 1), *self._bits_alone(options, groups)]
            scored = [compare_heads(out[..., :channels], reference) for out in outputs]
            self.found.setdefault(options, []).extend(
                (engine.sqnr_db, *(loss_db(codes.sqnr_db, found.sqnr_db) for found in (engine, *bits)))
                for codes, engine, *bits in zip(ideal, *scored, strict=True))

    def _bits_alone(self, options: TileOptions, groups: list[QuantisedGroup]) -> list[Tensor]:
        """Attention on the operands with the bits of P as they are, and with more, and nothing else of the number format."""
        bits = self.cfg.prob_bits
        limits = [Limits(prob_bits=bits + more) for more in (0, MORE_BITS)]
        found = [limited_attention(self.cfg, group, build_tiles(self.cfg, group, **asdict(options)), limits, bits).outputs
                 for group in groups]
        return [torch.cat(outputs).float() for outputs in zip(*found, strict=True)]

    def lines(self) -> Iterator[DecodeLine]:
        """One per order."""
        for options, heads in self.found.items():
            sqnr, lost, tail, longer = zip(*heads, strict=True)
            yield DecodeLine(options.name, self.keys, self.rows, len(heads), sum(sqnr) / len(heads), min(sqnr),
                             sum(lost) / len(heads), max(lost), max(tail), max(longer))


def decode_table(lines: list[DecodeLine]) -> Table:
    """A line per order."""
    one = lines[0]
    table = Table([Column("order", text=True), *map(Column, ("mean SQNR dB", "worst head", "engine's share dB", "worst head",
                                                              "bits of P alone", f"{MORE_BITS} bits more"))],
                  f"the last {one.rows} rows over {one.keys:,} keys, {one.heads} heads")
    for line in lines:
        table.add(line.order, f"{line.mean_sqnr_db:.2f}", f"{line.worst_sqnr_db:.2f}", f"{line.mean_engine_db:.3f}",
                  f"{line.worst_engine_db:.3f}", f"{line.worst_tail_db:.3f}", f"{line.worst_longer_db:.3f}")
    return table
