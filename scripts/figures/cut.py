"""What it costs to cut row sums and accumulators: SQNR against float attention and bit cells, from the models alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from models.comparison.cells import own_cells
from models.hardware.config import EngineConfig, load_config
from models.hardware.quantise import quantise
from models.hardware.schedules import DEFAULT_OPTIONS
from models.hf_attention.kernel import integer_attention
from models.quality.metrics import compare_heads
from models.quality.reference import reference_attention
from models.system.config import load_system
from models.tensors.attention_tensors import AttentionTensors
from models.tensors.source import load_tensors
from scripts.figures.machine import near
from scripts.figures.pages import Piece
from scripts.figures.split import CHANGE_DB, DB, SEED
from scripts.figures.text import exact, table
from scripts.studies.schedules.sources import gaussian

PAGE, REGION, CELLS_REGION = "docs/accuracy.md", "cut", "cut-cells"
CUTS = (0, 7, 9, 11, 12)    # 12: a sum holds two blocks, the least there may be
KEYS = (512, 2048)
LAST = 64                   # tokens, at the end, where sums are largest
KIBIBYTE = 8 * 1024


def head_db(cfg: EngineConfig, layers: Sequence[AttentionTensors]) -> Tensor:
    """SQNR in dB ``[heads]`` of every query head against float attention, in the default order."""
    found = []
    for tensors in layers:
        reference = reference_attention(tensors)
        for out, of_group in zip(integer_attention(cfg, DEFAULT_OPTIONS, quantise(tensors)), tensors.by_group(), strict=True):
            rows = [tensors.heads.index(head) for head in of_group.heads]
            found += [m.sqnr_db for m in compare_heads(out, reference[rows])]
    return torch.tensor(found, dtype=torch.float64)


def cut() -> list[Piece]:
    """Both tables of the page."""
    torch.set_num_threads(1)
    cfg, system = load_config("default"), load_system("default")
    cases = [("fixture", [layer.last_queries(LAST) for layer in load_tensors(layers="all", tokens=keys)]) for keys in KEYS]
    cases.append(("Gaussian", [gaussian(KEYS[-1], SEED, cfg.head_dim).last_queries(LAST)]))
    rows = []
    for name, layers in cases:
        whole, *cuts = (head_db(replace(cfg, sum_cut=bits), layers) for bits in CUTS)
        changes = [f(db - whole) for db in cuts for f in (torch.mean, torch.min)]
        rows.append([name, exact(layers[0].k.shape[1]), exact(len(whole)), near(whole.mean().item(), ".1f", DB),
                     *(near(x.item(), "+z.4f", CHANGE_DB) for x in changes)])
    bits = [replace(cfg, sum_cut=cut).acc_bits for cut in CUTS]
    columns = ("tensors", "keys", "heads", f"mean SQNR dB, {bits[0]} bits",
               *(text for width in bits[1:] for text in (f"change with {width}", "worst head")))
    cells = []
    for width, cut_by in zip(bits, CUTS, strict=True):
        own = own_cells(replace(system, engine=replace(cfg, sum_cut=cut_by)))
        cells.append([exact(cut_by, ""), exact(width), *(exact(x / KIBIBYTE, ",.0f") for x in (own["accumulators"],
                                                                                               sum(own.values())))])
    return [Piece(PAGE, table(columns, rows, 1), REGION),
            Piece(PAGE, table(("`SUM_CUT`", "bits of an accumulator", "KiB of accumulators", "KiB of all cells"), cells, 0),
                  CELLS_REGION)]
