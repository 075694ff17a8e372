"""Which bits and scales the defaults rest on: loss and attention SQNR with one choice changed at a time."""

from __future__ import annotations

import argparse
import json
import math
from dataclasses import asdict, dataclass
from itertools import groupby

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

import models.hf_attention as ha
from models.errors import run_cli
from models.hf_attention.forward import observed
from models.tensors.source import tell_first_token
from scripts.flow.arguments import Parser
from scripts.flow.files import replaced
from scripts.flow.sources import ROOT
from scripts.flow.tables import Column, Table, say
from scripts.flow.tool_versions import git_state, tool_versions
from scripts.studies.language_model.layers import LayerDistances
from scripts.studies.language_model.loaded import Loaded, add_device
from scripts.studies.language_model.loss import Window, bits_per_byte, token_losses, windows
from scripts.studies.language_model.perplexity import BATCH, conditions
from scripts.studies.language_model.precision_figure import write_figure
from scripts.studies.language_model.scored import load_scored
from scripts.studies.language_model.variants import Variant, variants

FOLDER = ROOT / "build" / "precision"
CONTEXT = 512
FILES = ("precision.json", "precision.svg", "precision.png")


@dataclass
class Line:
    """One variant's outcome: losses over float in bits per byte and how sure they are, SQNR of the attention outputs in dB."""

    group: str
    name: str
    x: int | None
    bits_per_byte: float
    standard_error: float
    mean_sqnr_db: float
    worst_sqnr_db: float


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = Parser("precision", "Loss and SQNR by bits, scales, smoothing, rotation and threshold.", tau=0, schedule="natural",
                    out=FOLDER)
    add_device(parser)
    return parser.parse_args(argv)


def measure(loaded: Loaded, variant: Variant, found: list[Window], in_float: torch.Tensor) -> Line:
    """Loss and distances of one variant."""
    loaded.recalibrate(variant.v_room, hardware=variant.hardware, options=variant.options, quantisation=variant.quantisation)
    if not variant.calibrated:
        ha.configure(loaded.model, statistics={})
    distances = LayerDistances(len(found))
    with observed(loaded.model, distances):
        losses = token_losses(loaded.model, ha.NAME, loaded.ids, found, BATCH)
    layers = list(distances.found)
    lost = (losses - in_float).double()
    error = (lost.std() / math.sqrt(len(lost))).item()
    return Line(variant.group, variant.name, variant.x, bits_per_byte(lost.mean().item(), loaded.bytes_per_token),
                bits_per_byte(error, loaded.bytes_per_token),
                sum(distances.mean(layer, "sqnr_db") for layer in layers) / len(layers),
                min(distances.worst(layer, "sqnr_db") for layer in layers))


def lines_table(lines: list[Line]) -> Table:
    """A line per variant; groups are kept together by lines between them."""
    table = Table([Column("choice", text=True), Column("value", text=True),
                   *map(Column, ("loss over float, bits/byte", "mean SQNR dB", "worst head"))],
                  "one choice changed, the rest as by default")
    for group, same in ((group, list(same)) for group, same in groupby(lines, key=lambda line: line.group)):
        for i, line in enumerate(same):
            table.add(group if i == 0 else "", line.name, f"{line.bits_per_byte:+.5f} ± {line.standard_error:.5f}",
                      f"{line.mean_sqnr_db:.2f}", f"{line.worst_sqnr_db:.2f}", last=line is same[-1])
    return table


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    folder, loaded, context = load_scored(args, CONTEXT)
    tell_first_token(loaded.facts)
    found = windows(len(loaded.ids), context, context)
    cfg = loaded.settings.hardware_for(loaded.model.config.head_dim)
    facts = conditions(loaded, context=context)
    chosen = sorted(variants(cfg, loaded.settings.options), key=lambda v: v.group)  # stable: groups together, in their own order
    in_float = token_losses(loaded.model, "sdpa", loaded.ids, found, BATCH)
    lines: list[Line] = []
    known: dict[tuple[object, ...], Line] = {}
    with Progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("left"),
                  TimeRemainingColumn(), console=Console(stderr=True)) as bar:
        for variant in bar.track(chosen, description="variants"):
            key = (variant.hardware, variant.options, variant.quantisation, variant.calibrated, variant.v_room)
            if key not in known:
                known[key] = measure(loaded, variant, found, in_float)
            lines.append(Line(**{**asdict(known[key]), "group": variant.group, "name": variant.name, "x": variant.x}))
    say(f"{facts['source']['model']}, {len(loaded.ids):,} tokens, windows of {context}, float32; float loss "
        f"{bits_per_byte(in_float.double().mean().item(), loaded.bytes_per_token):.5f} bits/byte")
    lines_table(lines).show()
    data = {"conditions": facts, "lines": [asdict(line) for line in lines], "environment": {**tool_versions(None), **git_state()}}
    with replaced(folder, FILES) as new:
        write_figure(new, [asdict(line) for line in lines])
        (new / "precision.json").write_text(json.dumps(data, indent=1, allow_nan=False) + "\n")
    return 0


if __name__ == "__main__":
    torch.set_num_threads(2)
    run_cli(main)
