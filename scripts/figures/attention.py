"""Figures of the heads of the fixture model, from the models alone: the RTL equals them on every bit and every cycle."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass

import torch

from models.hardware.config import EngineConfig, load_config
from models.hardware.golden import run_tile
from models.hardware.quantise import dequantise, quantise
from models.hardware.schedules import DEFAULT_OPTIONS
from models.hardware.tiling import assemble, build_tiles, ideal_cycles
from models.hardware.timeline import predict
from models.quality.bounds import FLOOR_TOKENS
from models.quality.metrics import HeadMetrics, compare_heads, summarise
from models.quality.reference import group_attention, reference_attention
from models.tensors.attention_tensors import AttentionTensors
from models.tensors.head_stats import THRESHOLDS, checkpoint_stats, kinds
from models.tensors.source import decode_step, load_tensors, open_checkpoint
from models.tensors.token_ids import token_ids
from scripts.figures.machine import fill, near
from scripts.figures.pages import Piece
from scripts.figures.text import exact, table
from scripts.flow.tool_versions import tool_versions
from scripts.sim import table as sim_table
from scripts.sim.__main__ import DEFAULT_TOKENS
from scripts.sim.run import DEFAULT_GROUPS, first_groups

README = "README.md"
STATS_TOKENS = 512
COLUMNS = tuple(column.name for column in sim_table.COLUMNS)
# What the rounding of float32 on another processor may change, measured with PyTorch's kernels without vector instructions, with
# room to spare: cosine, relative L1, SQNR in dB, largest error, share of the rescales.
COSINE, L1, DB, MAX_ABS, RESCALES = 4e-6, 2e-4, 0.1, 0.003, 0.01


@dataclass(frozen=True)
class Head:
    """One head in one phase; ``cycles``, ``ideal`` and ``rescales`` are those of its KV group's run."""

    name: str
    phase: str
    values: int
    metrics: HeadMetrics
    float_db: float
    cycles: int
    ideal: int
    rescales: int


def heads_of(cfg: EngineConfig, tensors: AttentionTensors, phase: str) -> Iterator[tuple[list[Head], dict[str, int]]]:
    """Per KV group its heads, and the counters of its run."""
    reference = reference_attention(tensors)
    for group, part in zip(quantise(tensors), tensors.by_group(), strict=True):
        rows = [tensors.heads.index(h) for h in part.heads]
        tiles = build_tiles(cfg, group, **asdict(DEFAULT_OPTIONS))
        results = [run_tile(cfg, tile) for tile in tiles]
        counters = predict(cfg, tiles, results)
        q, k, v = dequantise(group)
        scored = zip(part.heads, compare_heads(assemble(group, results), reference[rows]),
                     compare_heads(group_attention(q, k, v, tensors.scale), reference[rows]), strict=True)
        yield [Head(name, phase, reference[rows[0]].numel(), metrics, ideal.sqnr_db, counters["cycles"], ideal_cycles(cfg, tiles),
                    counters["rescaled_rows"]) for name, metrics, ideal in scored], counters


def simulation() -> list[Piece]:
    """What ``make sim`` prints."""
    torch.set_num_threads(1)
    cfg = load_config("default")
    prefill, = (first_groups(t, DEFAULT_GROUPS) for t in load_tensors(tokens=DEFAULT_TOKENS))
    runs = [*heads_of(cfg, prefill, "prefill"), *heads_of(cfg, decode_step(prefill), "decode")]
    tiles = next(counters["tiles"] for _, counters in runs)
    rows = []
    for head in (head for heads, _ in runs for head in heads):
        m = head.metrics
        rows.append([head.name, head.phase, "0", near(m.cosine, ".6f", COSINE), near(m.relative_l1, ".4f", L1),
                     near(m.sqnr_db, ".1f", DB), near(head.float_db, ".1f", DB), near(m.max_abs, ".3f", MAX_ABS),
                     exact(head.cycles), exact(100 * head.ideal / head.cycles, ".1f"),
                     near(head.rescales, ",", max(2, RESCALES * head.rescales))])
    versions = tool_versions("icarus")
    caption = fill("`make sim` (fixture model, layer {layer:}, {tokens:} tokens of held-out text; prefill over {tiles:} query "
                   "tiles, "
                   "then a decode step; Icarus {icarus:~form}, Python {python:~form}, PyTorch {torch:~form}):",
                   layer=prefill.source["layer"], tokens=prefill.q.shape[1], tiles=tiles, icarus=versions["icarus"],
                   python=versions["python"], torch=versions["torch"].split("+")[0])
    return [Piece(README, f"{caption}\n\n{table(COLUMNS, rows, 2)}", "sim"),
            Piece(README, fill("0 of {values:,} output values and 0 of {counters:,} counters differ from the models.",
                               values=sum(head.values for heads, _ in runs for head in heads),
                               counters=sum(len(counters) for _, counters in runs)))]


def all_heads() -> list[Piece]:
    """All heads at the length at which the floors of the fixture are asserted."""
    torch.set_num_threads(1)
    cfg = load_config("default")
    metrics = [head.metrics for tensors in load_tensors(layers="all", tokens=FLOOR_TOKENS)
               for heads, _ in heads_of(cfg, tensors, "prefill") for head in heads]
    found = summarise(metrics)
    return [Piece(README, fill(
        "Over all {heads:} heads at {tokens:} tokens the same arithmetic gives a mean SQNR of {mean:.1f~0.1} dB and a mean "
        "cosine of {cosine:.6f~4e-6}, worst head {worst:.1f~0.1} dB and {least:.6f~4e-6}", heads=len(metrics),
        tokens=FLOOR_TOKENS, mean=found.mean.sqnr_db, cosine=found.mean.cosine, worst=found.worst.sqnr_db,
        least=found.worst.cosine))]


def head_kinds() -> list[Piece]:
    """What ``make head-stats`` finds: the strongest head of each kind."""
    model = open_checkpoint("")
    taken = token_ids(model.tokenizer, None, STATS_TOKENS, model.config.vocab_size, model.config.max_position_embeddings)
    stats = list(checkpoint_stats(model, taken.ids))
    most = {kind: max(getattr(head, kind) for head in stats) for kind in THRESHOLDS}
    return [Piece(README, fill(
        "It has previous-token heads (up to {previous:.2f~0.02} of their mass on the token before), local heads, and induction "
        "heads (up to {induction:.2f~0.02} on the right token of repeated random text).", **most)),
        Piece(README, fill("the most that a head puts on the first token is {sink:.2f~0.02} on average, "
                           "and {count:~1} heads put more than {limit:} there", limit=THRESHOLDS["sink"],
                           count=sum("sink" in kinds(head) for head in stats), **most))]
