"""What it costs to share a tile's keys out over several engines: SQNR against float attention, from the models alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from models.hardware.config import EngineConfig, load_config
from models.hardware.quantise import quantise
from models.hardware.tile import TileResult
from models.hardware.tiling import assemble, build_tiles
from models.quality.metrics import compare_heads
from models.quality.reference import reference_attention
from models.system.merge import merged_output, partial_results
from models.tensors.attention_tensors import AttentionTensors
from models.tensors.source import load_tensors
from scripts.figures.machine import near
from scripts.figures.pages import Piece
from scripts.figures.text import exact, table
from scripts.studies.schedules.sources import gaussian

PAGE, REGION = "docs/accuracy.md", "split"
PARTS = (1, 2, 4, 8)
KEYS = (512, 1024, 2048)
LAST, PREFILL = 16, 256     # tokens that decode, and of a prefill in which many rows do not see the later parts
SEED = 1
SINK_Q, SINK_NATS = 4.0, 8.0    # a channel that all queries have, and how much it adds to the score of the one key that has it
DB, CHANGE_DB = 0.1, 0.01       # what another processor's float32 may change


class Case(NamedTuple):
    """A row of the table: what the tensors are, and they."""

    name: str
    tensors: list[AttentionTensors]


def with_sink(tensors: AttentionTensors) -> AttentionTensors:
    """The same tensors with a key 0 to which every query gives about half of its weight."""
    q, k = tensors.q.clone(), tensors.k.clone()
    q[..., 0], k[:, 0, 0] = SINK_Q, SINK_NATS / (SINK_Q * tensors.scale)
    return AttentionTensors(q, k, tensors.v, tensors.scale, tensors.source, tensors.heads, tensors.kv_of_head)


def cases(cfg: EngineConfig) -> Iterator[Case]:
    """All tensors of the table."""
    for keys in KEYS:
        yield Case("fixture", [layer.last_queries(LAST) for layer in load_tensors(layers="all", tokens=keys)])
    yield Case("fixture, the whole prefill", load_tensors(layers="all", tokens=PREFILL))
    random = gaussian(KEYS[-1], SEED, cfg.head_dim).last_queries(LAST)
    yield Case("Gaussian", [random])
    yield Case("Gaussian, half of the weight on key 0", [with_sink(random)])


def head_db(cfg: EngineConfig, tensors: AttentionTensors, parts: int) -> list[float]:
    """SQNR of every query head against float attention, its keys shared out over ``parts`` engines in natural order."""
    reference, found = reference_attention(tensors), []
    for group, of_group in zip(quantise(tensors), tensors.by_group(), strict=True):
        results = [TileResult(*merged_output(partial_results(cfg, tile, parts))) for tile in build_tiles(cfg, group)]
        rows = [tensors.heads.index(head) for head in of_group.heads]
        found += [m.sqnr_db for m in compare_heads(assemble(group, results), reference[rows])]
    return found


def measured(cfg: EngineConfig, layers: Sequence[AttentionTensors]) -> Tensor:
    """SQNR in dB ``[len(PARTS), heads]``."""
    return torch.tensor([[db for tensors in layers for db in head_db(cfg, tensors, parts)] for parts in PARTS],
                        dtype=torch.float64)


def split() -> list[Piece]:
    """The table of the page."""
    torch.set_num_threads(1)
    cfg, rows = load_config("default"), []
    for case in cases(cfg):
        db = measured(cfg, case.tensors)
        change = db[1:] - db[0]
        rows.append([case.name, exact(case.tensors[0].k.shape[1]), exact(db.shape[1]), near(db[0].mean().item(), ".1f", DB),
                     *(near(x, "+z.4f", CHANGE_DB) for x in change.mean(1).tolist()),
                     near(change.min().item(), "+z.4f", CHANGE_DB), near(change.max().item(), "+z.4f", CHANGE_DB)])
    columns = ("tensors", "keys", "heads", "mean SQNR dB, one engine", *(f"change with {parts}" for parts in PARTS[1:]),
               "most lost by a head", "most gained")
    return [Piece(PAGE, table(columns, rows, 1), REGION)]
