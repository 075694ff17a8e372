"""The figures of a run, a row a setting, as the tables, the plots and the JSON file take them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from models.hardware.config import EngineConfig
from models.hardware.schedules import TileOptions
from models.quality.metrics import summarise
from scripts.studies.schedules.measure import Counts, Measured, Scores
from scripts.studies.schedules.settings import NATURAL


@dataclass
class Row:
    """One setting on one set of tensors at one length.

    ``rescales`` and its likes are per row; ``rescales_natural``: those of natural order, not fused, at the same block size and
    threshold. ``fewer``: share of natural order's rescales (not fused, threshold 0, the same block size) that are gone;
    ``fewer_same_tau``: the same against ``rescales_natural``; ``fewer_online``: the same against an online softmax without
    integer reference in natural order, where every new maximum rescales. ``lost_db``: natural order's mean SQNR less this
    one's. ``set_bits``: set bits of a probability that enters the OP-CIM, mean over (row, key) pairs; each switches a row of its
    array. What was not computed is None.

    For an energy model, sums over all tiles: ``rescaled_rows``; ``shifted_bits``, the bits of sums and accumulators that these
    pass through a shifter; ``v_bytes`` and ``op_bit_ops`` (bits of values that switch the OP-CIM's array), without and with
    skipping. Cycles are sums over KV heads too.
    """

    source: str
    phase: str
    tokens: int
    keys_per_block: int
    prob_bits: int
    schedule: str
    fused: bool
    tau: int
    rescales: float
    new_maxima: float
    always: float
    fewer: float
    fewer_same_tau: float
    fewer_online: float
    moved_blocks: float
    zero_blocks: float
    zero_row_blocks: float
    skipped_blocks: float
    skipped_values: float
    rescales_natural: float = 0.0
    rescaled_rows: int = 0
    shifted_bits: int = 0
    v_bytes: int = 0
    v_bytes_skipping: int = 0
    op_bit_ops: int = 0
    op_bit_ops_skipping: int = 0
    rescales_of_head: dict[str, float] = field(default_factory=dict)
    rescales_of_kind: dict[str, float] = field(default_factory=dict)
    mean_sqnr_db: float | None = None
    worst_sqnr_db: float | None = None
    mean_cosine: float | None = None
    lost_db: float | None = None
    sqnr_of_head: dict[str, float] = field(default_factory=dict)
    sqnr_of_kind: dict[str, float] = field(default_factory=dict)
    set_bits: float | None = None
    set_bits_of_head: dict[str, float] = field(default_factory=dict)
    set_bits_of_kind: dict[str, float] = field(default_factory=dict)
    cycles: int | None = None
    cycles_skipping: int | None = None

    @property
    def setting(self) -> TileOptions:
        """The setting."""
        return TileOptions(self.schedule, self.fused, tau=self.tau)

    def as_dict(self) -> dict[str, Any]:
        """For JSON: rounded, and without infinities."""
        return {name: _plain(value) for name, value in asdict(self).items()}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(entry) for name, entry in value.items()}
    if isinstance(value, float):
        return round(value, 6) if math.isfinite(value) else None
    return value


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def _per_row(counts: Counts, name: str, kinds: Mapping[str, str] | None = None, kind: str = "") -> float:
    """Mean of a per-head count over rows, of all heads or of one kind."""
    chosen = [i for i, head in enumerate(counts.heads) if kinds is None or kinds.get(head) == kind]
    return _share(sum(getattr(counts, name)[i] for i in chosen), sum(counts.rows[i] for i in chosen))


def _fewer(now: float, before: float) -> float:
    return 1 - now / before if before else (0.0 if now == 0 else -math.inf)


def _add_scores(row: Row, scores: Scores, natural: Scores | None, kinds: Mapping[str, str]) -> None:
    summary = summarise(scores.metrics)
    row.mean_sqnr_db, row.worst_sqnr_db = summary.mean.sqnr_db, summary.worst.sqnr_db
    row.mean_cosine = summary.mean.cosine
    if natural is not None:
        row.lost_db = summarise(natural.metrics).mean.sqnr_db - row.mean_sqnr_db
    row.sqnr_of_head = {head: m.sqnr_db for head, m in zip(scores.heads, scores.metrics, strict=True)}
    row.set_bits = _share(sum(scores.set_bits), sum(scores.pairs))
    row.set_bits_of_head = {head: _share(*of) for head, *of in zip(scores.heads, scores.set_bits, scores.pairs, strict=True)}
    for kind in sorted(set(kinds.values())):
        of_kind = [i for i, head in enumerate(scores.heads) if kinds.get(head) == kind]
        if of_kind:
            row.sqnr_of_kind[kind] = summarise([scores.metrics[i] for i in of_kind]).mean.sqnr_db
            row.set_bits_of_kind[kind] = _share(sum(scores.set_bits[i] for i in of_kind), sum(scores.pairs[i] for i in of_kind))
    row.cycles, row.cycles_skipping = scores.cycles, scores.cycles_skipping


def _energy(cfg: EngineConfig, counts: Counts) -> dict[str, int]:
    """The counts that an energy model takes, of tiles on ``cfg``."""
    rescaled = sum(counts.rescales)
    return {"rescaled_rows": rescaled, "shifted_bits": rescaled * (cfg.head_dim * cfg.acc_bits + cfg.sum_bits),
            "v_bytes": counts.keys * cfg.head_dim, "v_bytes_skipping": (counts.keys - counts.skipped_keys) * cfg.head_dim,
            "op_bit_ops": counts.op_bit_ops, "op_bit_ops_skipping": counts.op_bit_ops_skipping}


def rows_of(cfg: EngineConfig, source: str, phase: str, tokens: int, measured: Measured, kinds: Mapping[str, str],
            shows: Callable[[TileOptions], bool] = lambda setting: True) -> list[Row]:
    """The rows of one set of tensors in one phase at one length.

    Args:
        cfg: block size and bits of a probability may differ. kinds: a head's name to its kind. shows: which settings are wanted;
            others only serve comparisons.
    """
    rows = []
    for (size, bits, setting), counts in measured.counts.items():
        if not shows(setting):
            continue
        rescales = _per_row(counts, "rescales")

        def natural(tau: int, key: tuple[int, int] = (size, bits)) -> float:
            return _per_row(measured.counts[*key, TileOptions(tau=tau)], "rescales")

        row = Row(
            source, phase, tokens, size, bits, setting.schedule, setting.fused, setting.tau, rescales,
            new_maxima=_per_row(counts, "new_maxima"), always=_per_row(counts, "always"),
            fewer=_fewer(rescales, natural(0)), fewer_same_tau=_fewer(rescales, natural(setting.tau)),
            fewer_online=_fewer(rescales, _per_row(measured.counts[size, bits, NATURAL], "new_maxima")),
            moved_blocks=_share(counts.moved_blocks, counts.later_blocks), zero_blocks=_share(counts.zero_blocks, counts.blocks),
            zero_row_blocks=_share(counts.zero_row_blocks, counts.row_blocks),
            skipped_blocks=_share(counts.skipped_blocks, counts.blocks), skipped_values=_share(counts.skipped_keys, counts.keys),
            rescales_natural=natural(setting.tau), **_energy(replace(cfg, keys_per_block=size, prob_bits=bits), counts),
            rescales_of_head={head: _share(n, r) for head, n, r in zip(counts.heads, counts.rescales, counts.rows, strict=True)},
            rescales_of_kind={kind: _per_row(counts, "rescales", kinds, kind) for kind in sorted(set(kinds.values()))})
        if (size, bits, setting) in measured.scores:
            _add_scores(row, measured.scores[size, bits, setting], measured.scores.get((size, bits, NATURAL)), kinds)
        rows.append(row)
    return rows


def layer_of(head: str) -> str:
    """``L3`` of ``L3H5``; heads of no model's layer are all of one."""
    return head.partition("H")[0] if head.startswith("L") else ""


def by_layer(of_head: Mapping[str, float]) -> dict[str, float]:
    """The mean over the heads of each layer, by its name, in the heads' order; heads have equally many rows."""
    layers: dict[str, list[float]] = {}
    for head, value in of_head.items():
        layers.setdefault(layer_of(head), []).append(value)
    return {layer: sum(values) / len(values) for layer, values in layers.items()}


def pick(rows: list[Row], **wanted: Any) -> list[Row]:
    """The rows whose attributes (``setting`` among them) have these values."""
    return [row for row in rows if all(getattr(row, name) == value for name, value in wanted.items())]


def swept_sets(rows: list[Row], name: str) -> list[tuple[str, str, int]]:
    """``(source, phase, tokens)`` of the tensors that were measured with several values of an attribute, in order of rows."""
    values: dict[tuple[str, str, int], set[Any]] = {}
    for row in rows:
        values.setdefault((row.source, row.phase, row.tokens), set()).add(getattr(row, name))
    return [key for key, found in values.items() if len(found) > 1]
