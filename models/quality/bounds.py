"""The accuracy that is promised, for which inputs, and why a head is outside: every asserted bound, in one place.

Three promises, each of any head of any tensors, captured or synthetic, unless its condition says otherwise:

1. *Operands*: a value of Q, K or V differs from its 8-bit code by at most half a step. Of Q and K, as they were prepared
   (:mod:`models.hardware.operands`), a step is 1/127 of the largest magnitude of their row; rows that lie r times below the
   largest one of their head get multipliers of fewer bits, and half a step may then be 1 + r / 2^15 times as large; a tenth more
   where scales are fitted. Of V it is the channel's ``v_scale`` times the key's ``(v_mult + 1) / 16``.
2. *Arithmetic*: the engine's output lies within ``ARITHMETIC_DB`` of the output, plus as much as the number format itself
   takes away, from float attention through that format (:mod:`models.quality.format_limits`). Asserted where a probability of 1.0
   keeps ``PROMISED_PROB_BITS`` bits; with fewer, the accumulators' rounding at a rescale counts, which is not modelled.
3. *Loss*: a head loses at most ``LOSS_DB`` of SQNR to float attention on the same 8-bit operands. Promised where the number
   format, which the input decides on, costs at most ``RANGE_DB`` of it. A head where it costs more is *outside*: that
   is no fault of the hardware, and :func:`judge_group` says what it comes from. So is a head whose 8-bit operands alone
   bring float attention below ``USABLE_DB``: its bits are right and of little use.

Promise 3 follows from 2 and its condition but for the chance by which two errors of one row add up.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import torch
from torch import Tensor

from models.errors import FcimError
from models.hardware.config import EngineConfig
from models.hardware.operands import ALL, STRETCHES, OperandOptions
from models.hardware.quantise import QMAX, SHIFT_MAX, dequantise, prepared_group, value_scales
from models.hardware.schedules import DEFAULT_OPTIONS, TileOptions
from models.hardware.tile import QuantisedGroup
from models.hardware.tiling import build_tiles
from models.quality.format_limits import Limits, all_limits, limited_attention
from models.quality.metrics import HeadMetrics, compare_heads, summarise
from models.quality.reference import group_attention
from models.tensors.attention_tensors import HeadGroup

LOSS_DB = 0.3
"""So much SQNR may a head lose to float attention on the same quantised Q, K, V, if it is inside the range."""

RANGE_DB = 0.15
"""So much of it may the number format cost a head that is inside. Measured on 4,400 heads, captured and Gaussian, of 2 to 700
keys, in all orders, with 12 to 16 bits left: the largest loss of a head inside is 0.29 dB, 0.16 dB with 15 or 16 bits."""

LOSS_CHECK = "SQNR of "  # how the names of the loss's checks begin

CEILING_DB = 50.0
"""From here on the operands are so exact (constant channels, one key) that the engine's own rounding is what is left:
losses are taken from this value, not from a noiseless float."""

ARITHMETIC_DB = 64.0
"""Measured on the same heads: the engine stays 5 dB inside this bound at its worst, with 15 or 16 bits 11 dB, on the fixture's
heads some 20 dB. The chords of 2^f are off by 6e-5 at most; one of the 33 knots of their table off by 3 % breaks the bound."""

PROMISED_PROB_BITS = 12
"""Bits that a probability of 1.0 must keep, ``prob_bits - TAU``."""

PROB_BITS_MAX = 18
"""The most bits of a probability that any configuration has."""

LOW_OPERANDS_DB = 30.0
"""Where float attention on the 8-bit operands reaches less than this, the head's entry says why."""

USABLE_DB = 20.0
"""Where it reaches less than this, a tenth of the output's length is error, and the head is outside. The worst head measured in
a model whose loss does not move with this arithmetic has 23 dB."""

CREST_USUAL = 8.0
"""Largest magnitude over rms of a row or channel from which on 8 bits are said to be coarse; 3 of Gaussian values."""

FLOOR_TOKENS = 512
FLOOR_HEADS = 32
"""The floors hold for the means over these: all heads of the fixture model, prefill, this many tokens of the default text."""

# Floors of the fixture heads, in the default order and in the plainest. Measured (pytest -s
# tests/models/quality/test_fixture.py), to these digits in both: mean cosine 0.999979, worst 0.999967, mean SQNR 44.1 dB, worst
# 41.7 dB. The slack of 1 dB is for the text, which differs a little from one Python version's standard library to the next.
FLOOR_MEAN_COSINE = 0.99997
FLOOR_WORST_COSINE = 0.99995
FLOOR_MEAN_SQNR_DB = 43.1
FLOOR_WORST_SQNR_DB = 40.7


@dataclass(frozen=True)
class BoundCheck:
    """One asserted bound: ``value`` must be at least ``limit``, or at most if ``at_most``; ``name`` says of what and where."""

    name: str
    value: float
    limit: float
    at_most: bool = False

    @property
    def passed(self) -> bool:
        """Whether the bound holds; NaN fails."""
        return self.value <= self.limit if self.at_most else self.value >= self.limit

    def as_dict(self) -> dict[str, object]:
        """Plain dict with the verdict."""
        return {**asdict(self), "passed": self.passed}

    def __str__(self) -> str:
        signs = (">", "<=") if self.at_most else ("<", ">=")
        return f"{self.name}: {self.value:.6g} {signs[self.passed]} {self.limit:.6g}"


@dataclass(frozen=True)
class Cause:
    """Something about a head's input that costs accuracy: what it is (``kind``), dB that it costs alone, and what to do.

    Kinds: ``saturations``, ``TAU``, ``OCTAVES``, ``probability bits``, ``tail of P``, ``output step``, ``tiny values``,
    ``few values``; ``8-bit operands`` explains a low SQNR of the operands, and puts a head outside from ``USABLE_DB`` down.
    """

    kind: str
    cost_db: float
    text: str


@dataclass(frozen=True)
class JudgedHead:
    """One head's scores and what they are worth.

    ``quantised_sqnr_db``: of float attention on the same 8-bit operands. ``format_sqnr_db``: of the same through the number
    format. ``arithmetic_db``: SQNR of the engine's output against the latter. ``outside``: of the range of promise 3.
    """

    metrics: HeadMetrics
    quantised_sqnr_db: float
    format_sqnr_db: float
    arithmetic_db: float
    saturations: int
    outside: bool
    causes: tuple[Cause, ...]
    checks: tuple[BoundCheck, ...]

    @property
    def loss_db(self) -> float:
        """SQNR lost to float attention on the same operands, dB."""
        return loss_db(self.quantised_sqnr_db, self.metrics.sqnr_db)


def loss_db(quantised_sqnr_db: float, sqnr_db: float) -> float:
    """What the second loses to the first, dB, both taken up to ``CEILING_DB``."""
    return min(quantised_sqnr_db, CEILING_DB) - min(sqnr_db, CEILING_DB)


def _rows_of(x: Tensor) -> Tensor:
    return x.abs().amax(-1)


def _spread(largest: Tensor) -> float:
    """Largest over smallest of the magnitudes that are not 0; 1 if there is none."""
    some = largest[largest > 0]
    return (some.max() / some.min()).item() if len(some) else 1.0


def _half_steps(x: Tensor, dequantised: Tensor, step: Tensor) -> float:
    """The largest rounding error of operands ``x`` in halves of ``step`` (broadcast against x)."""
    return (2 * (dequantised - x).abs() / torch.where(step > 0, step, 1.0)).max().item()


def _check_operands(names: Sequence[str], part: HeadGroup, group: QuantisedGroup, choice: OperandOptions) -> list[BoundCheck]:
    """Promise 1 for each head of the group; K's and V's errors count for each of them."""
    q, k = prepared_group(part.q, part.k, choice)
    reach = STRETCHES[-1] if choice.fit_scales else 1.0
    v, v_steps = part.v.double(), value_scales(group.v_scale, group.v_mult)
    back = (group.q * group.q_scale[..., None], group.k * group.k_scale[:, None], group.v * v_steps)
    v_error = _half_steps(v, back[2], v_steps)
    k_error = _half_steps(k, back[1], _rows_of(k)[:, None] / QMAX) / (reach + _spread(_rows_of(k)) / 2**15)
    q_room = reach + _spread(_rows_of(q)) / 2**15
    checks = []
    for i, name in enumerate(names):
        worst = max(_half_steps(q[i], back[0][i], _rows_of(q[i])[:, None] / QMAX) / q_room, k_error, v_error)
        checks.append(BoundCheck(f"operands of {name} (half steps)", worst, 1.001, at_most=True))
    return checks


def _crest(codes: Tensor) -> float:
    """Median over rows of largest magnitude over rms."""
    x = codes.double()
    rms = x.square().mean(-1).sqrt()
    return (x.abs().amax(-1) / rms.clamp(min=torch.finfo(x.dtype).tiny)).median().item()


def _operand_cause(group: QuantisedGroup, head: int, quantised_db: float) -> list[Cause]:
    """Why 8 bits are coarse for a head, if they are: from its codes, which are what scales and multipliers have left."""
    if quantised_db >= LOW_OPERANDS_DB:
        return []
    crests = {"rows of Q": _crest(group.q[head]), "rows of K": _crest(group.k), "channels of V": _crest(group.v.T)}
    where = max(crests, key=crests.__getitem__)
    why = (f"the largest of the {where} is {crests[where]:.0f} times their rms (3 is usual), so a step is coarse for the rest"
           if crests[where] > CREST_USUAL else "the scores are so large that one step of Q or K moves them visibly")
    return [Cause("8-bit operands", 0.0, f"float attention on the same 8-bit Q, K, V reaches {quantised_db:.1f} dB: {why}")]


def _limits(cfg: EngineConfig, options: TileOptions) -> dict[str, Limits]:
    """What the causes are told apart by: the whole format, none of it, and its limits one at a time."""
    tau, octaves = options.tau, options.octaves if options.lossy else 0
    left_out = {"octaves": Limits(prob_bits=cfg.prob_bits, tau=tau, octaves=octaves)} if octaves else {}
    return {"format": all_limits(cfg, tau, octaves), "exact": Limits(), "clamp": Limits(clamp=True),
            "output": Limits(output=True), "bits": Limits(prob_bits=cfg.prob_bits),
            "tau": Limits(prob_bits=cfg.prob_bits, tau=tau), **left_out}


def _left_out(options: TileOptions, cost: Mapping[str, float]) -> list[Cause]:
    """What the blocks below a tile's octaves cost, if any are left out."""
    if "octaves" not in cost:
        return []
    return [Cause("OCTAVES", cost["octaves"] - cost["tau"], f"blocks more than {options.octaves} octaves below their rows' "
                  "maxima are left out: use more OCTAVES, or 0 to leave out nothing that matters")]


def _causes(cfg: EngineConfig, options: TileOptions, cost: Mapping[str, float], saturated: int, lost: float) -> list[Cause]:
    """What costs a head more than a third of ``RANGE_DB``, largest first.

    Args:
        cost: dB of each of :func:`_limits`. saturated, lost: see :class:`models.quality.format_limits.Limited`.
    """
    tau, left = options.tau, cfg.prob_bits - options.tau
    tail = f"; {lost:.2%} of the probability lies below 2^-{left} of its row's largest and is lost" if lost > 1e-5 else ""
    more = "a CONFIG with more prob_bits keeps it" if cfg.prob_bits < PROB_BITS_MAX else "the format has no more bits"
    kind, share = ("tail of P", "" if tau else tail) if tail else ("probability bits", "")
    found = [
        Cause("saturations", cost["clamp"], f"{saturated:,} visible scores lie beyond +-512 (in units of log2; a logit of 355) "
              "and were clamped: scale Q or K down, or look for outliers in them"),
        Cause("TAU", cost["tau"] - cost["bits"], f"TAU = {tau} leaves {left} of the {cfg.prob_bits} bits of a probability{tail}: "
              "use a smaller TAU"),
        Cause(kind, cost["bits"], f"a probability has {cfg.prob_bits} bits, so what lies below 2^-{cfg.prob_bits} of its row's "
              f"largest is 0{share}: {more}"),
        Cause("output step", cost["output"], "over the keys V averages out to so little that the output's step of v_scale / 256 "
              "shows; many keys of nearly equal weight do that, and the format has no finer step"),
        *_left_out(options, cost),
    ]
    return sorted((c for c in found if c.cost_db > RANGE_DB / 3), key=lambda c: -c.cost_db)


def _few_bits(cfg: EngineConfig, tau: int) -> Cause:
    """Probabilities of fewer bits than the bounds are promised for."""
    kind = "TAU" if cfg.prob_bits >= PROMISED_PROB_BITS else "probability bits"
    return Cause(kind, 0.0, f"TAU = {tau} and prob_bits = {cfg.prob_bits} leave {cfg.prob_bits - tau} bits of a probability, and "
                 f"the bounds are promised from {PROMISED_PROB_BITS} on: use a smaller TAU or a CONFIG with more prob_bits")


def _by_chance(cost_db: float, values: int) -> Cause:
    """No limit alone, but their sum: in a head of few values, where errors cannot be trusted to be independent."""
    return Cause("few values", cost_db, f"no limit of the format costs much by itself, but over the head's {values:,} output "
                 "values their errors and those of the 8-bit operands happen to add up: judge more rows at a time")


def _too_small(group: QuantisedGroup) -> bool:
    """Whether V has channels whose step float32 cannot hold with all its digits."""
    steps = group.v_scale[group.v_scale > 0]
    return len(steps) > 0 and steps.min().item() < torch.finfo(torch.float32).tiny


TINY_VALUES = Cause("tiny values", 0.0, "steps of V are below 1.2e-38, where float32 has fewer digits, so neither the reference "
                    "nor the scales are exact and nothing is promised: scale V up")


def judge_group(cfg: EngineConfig, options: TileOptions, part: HeadGroup, scale: float, group: QuantisedGroup, output: Tensor,
                reference: Tensor, names: Sequence[str], choice: OperandOptions = ALL) -> list[JudgedHead]:
    """Every head of one KV head against float attention, with the promises that hold for it.

    Args:
        part: the float tensors, from :meth:`models.tensors.attention_tensors.AttentionTensors.by_group`. scale: of the softmax.
        group: the same, quantised with ``choice``. output: ``[G, Tq, D]`` as the engine gave it, dequantised.
        reference: float32 attention ``[G, Tq, d]`` on the float tensors; only its first d channels are looked at.
        names: of the heads, for the checks.

    Raises:
        FcimError: the numbers of names, heads and outputs differ.
    """
    heads = group.q.shape[0]
    if not len(names) == len(output) == len(reference) == heads:
        raise FcimError(f"{len(names)} names, {len(output)} outputs and {len(reference)} references for {heads} heads; "
                        "give one per head")
    channels, left = reference.shape[-1], cfg.prob_bits - options.tau
    limits = _limits(cfg, options)
    limited = limited_attention(cfg, group, build_tiles(cfg, group, **asdict(options)), list(limits.values()), left)
    outputs = {name: x[..., :channels] for name, x in zip(limits, limited.outputs, strict=True)}
    output = output[..., :channels]

    def sqnr(x: Tensor, against: Tensor) -> list[float]:
        return [m.sqnr_db for m in compare_heads(x, against)]

    metrics = compare_heads(output, reference)
    quantised = sqnr(group_attention(*dequantise(group), scale)[..., :channels], reference)
    by_limit = {name: sqnr(x.float(), reference) for name, x in outputs.items()}
    arithmetic, taken = sqnr(output.double(), outputs["format"]), sqnr(outputs["format"], outputs["exact"])
    tiny = _too_small(group)
    # with a shift of 63 all scores are 0, whatever the codes of Q and K
    operands = [] if tiny or group.shift == SHIFT_MAX else _check_operands(names, part, group, choice)
    judged = []
    for i, name in enumerate(names):
        cost = {limit: loss_db(quantised[i], found[i]) for limit, found in by_limit.items()}
        saturated = int(limited.saturated[i])
        costly = tiny or left < PROMISED_PROB_BITS or cost["format"] > RANGE_DB
        if tiny:
            causes = [TINY_VALUES]
        else:
            causes = _causes(cfg, options, cost, saturated, limited.lost_tail[i].item())
            causes += [_few_bits(cfg, options.tau)] if left < PROMISED_PROB_BITS and not causes else []
            causes += [_by_chance(cost["format"], output[i].numel())] if costly and not causes else []
            causes += _operand_cause(group, i, quantised[i])
        checks = operands[i:i + 1]
        if not tiny and left >= PROMISED_PROB_BITS:
            room = 10 ** (-ARITHMETIC_DB / 20) + 10 ** (-taken[i] / 20)
            checks.append(BoundCheck(f"arithmetic of {name} (dB)", arithmetic[i], -20 * math.log10(room)))
        if not costly:
            checks.append(BoundCheck(f"{LOSS_CHECK}{name} (dB)", metrics[i].sqnr_db, min(quantised[i], CEILING_DB) - LOSS_DB))
        outside = costly or quantised[i] < USABLE_DB
        judged.append(JudgedHead(metrics[i], quantised[i], by_limit["format"][i], arithmetic[i], saturated, outside,
                                 tuple(causes), tuple(checks)))
    return judged


def floors_apply(*, fixture: bool, default_text: bool, tokens: int, heads: int, cfg: EngineConfig,
                 options: TileOptions) -> bool:
    """Whether the floors are asserted: only on the very set that they were measured on, see ``FLOOR_HEADS``.

    ``heads``: how many different heads of the fixture ran in the prefill phase.
    """
    plain = EngineConfig().verilog_parameters()
    return (fixture and default_text and tokens == FLOOR_TOKENS and heads == FLOOR_HEADS
            and cfg.verilog_parameters() == plain and replace(options, skip=False) in (TileOptions(), DEFAULT_OPTIONS))


def check_floors(heads: Sequence[HeadMetrics]) -> list[BoundCheck]:
    """Mean and worst cosine and SQNR over the fixture heads; see :func:`floors_apply`."""
    summary = summarise(heads)
    return [BoundCheck("mean cosine over heads", summary.mean.cosine, FLOOR_MEAN_COSINE),
            BoundCheck("worst cosine over heads", summary.worst.cosine, FLOOR_WORST_COSINE),
            BoundCheck("mean SQNR over heads (dB)", summary.mean.sqnr_db, FLOOR_MEAN_SQNR_DB),
            BoundCheck("worst SQNR over heads (dB)", summary.worst.sqnr_db, FLOOR_WORST_SQNR_DB)]
