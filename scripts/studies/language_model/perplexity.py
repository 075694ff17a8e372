"""What a language model loses with the hardware's attention: loss in float and with it, and which layer costs what."""

from __future__ import annotations

import argparse
import json
import math
import time
from typing import Any

import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

import models.hf_attention as ha
from models.errors import FcimError, run_cli
from models.hf_attention.forward import observed
from models.tensors.source import tell_first_token
from scripts.flow.arguments import Parser
from scripts.flow.files import write_atomic
from scripts.flow.sources import ROOT
from scripts.flow.tables import Column, Table, say
from scripts.flow.tool_versions import git_state, tool_versions
from scripts.studies.language_model.loaded import Loaded, add_device, conditions, load_scored
from scripts.studies.language_model.loss import BATCH, LayerDistances, Window, bits_per_byte, token_losses, windows

FOLDER = ROOT / "build" / "perplexity"
CONTEXT = 1024
COMPARED = 2        # sequences whose layers are compared with float attention: that costs as much as running them


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = Parser("perplexity", "What a language model loses with the hardware's attention, and in which layer.", tau=0,
                    schedule="natural", out=FOLDER)
    add_device(parser)
    parser.add_argument("--no-layers", action="store_true", help="leave out the runs with one layer each on the hardware")
    return parser.parse_args(argv)


def measure(loaded: Loaded, found: list[Window], with_layers: bool, bar: Progress) -> dict[str, Any]:
    """Losses in nats per token: in float, on the hardware, with one layer alone on it; and the layers' distances."""
    layers = range(loaded.model.config.num_hidden_layers)
    total = sum(w.end - w.first for w in found)

    def run(what: str, implementation: str) -> tuple[torch.Tensor, float]:
        task, began = bar.add_task(what, total=total), time.perf_counter()
        losses = token_losses(loaded.model, implementation, loaded.ids, found, BATCH, lambda done: bar.advance(task, done))
        return losses, time.perf_counter() - began

    in_float, float_seconds = run("float", "sdpa")
    ha.configure(loaded.model, loaded.settings)
    on_hardware, seconds = run("hardware", ha.NAME)
    distances = LayerDistances(COMPARED)
    with observed(loaded.model, distances):
        token_losses(loaded.model, ha.NAME, loaded.ids, found[:COMPARED], BATCH)
    alone = []
    for layer in layers if with_layers else ():
        ha.configure(loaded.model, loaded.settings, layers=frozenset({layer}))
        alone.append(run(f"layer {layer}", ha.NAME)[0])
    ha.configure(loaded.model, loaded.settings)
    difference = (on_hardware - in_float).double()
    return {
        "scored_tokens": len(in_float), "float_loss": in_float.double().mean().item(),
        "hardware_loss": on_hardware.double().mean().item(), "difference": difference.mean().item(),
        "standard_error": (difference.std() / math.sqrt(len(difference))).item(),
        "float_seconds": round(float_seconds, 2), "hardware_seconds": round(seconds, 2),
        "layers": [{
            "layer": layer, "alone": (alone[layer] - in_float).double().mean().item() if alone else None,
            **{f"mean_{name}": distances.mean(layer, name) for name in ("cosine", "sqnr_db", "relative_l1")},
            "worst_cosine": distances.worst(layer, "cosine"), "worst_sqnr_db": distances.worst(layer, "sqnr_db")}
            for layer in layers],
    }


def result_tables(result: dict[str, Any], bytes_per_token: float) -> tuple[Table, Table]:
    """The losses, and the layers."""
    losses = Table([Column("attention", text=True), *map(Column, ("nats/token", "bits/byte", "perplexity", "seconds"))],
                   f"loss over {result['scored_tokens']:,} tokens")
    for name, kind in (("float32", "float"), ("hardware", "hardware")):
        loss, seconds = result[f"{kind}_loss"], result[f"{kind}_seconds"]
        losses.add(name, f"{loss:.5f}", f"{bits_per_byte(loss, bytes_per_token):.5f}", f"{math.exp(loss):.4f}",
                   f"{seconds:.1f}")
    losses.add("difference", f"{result['difference']:+.5f} ± {result['standard_error']:.5f}",
               f"{bits_per_byte(result['difference'], bytes_per_token):+.5f}",
               f"{math.exp(result['hardware_loss']) - math.exp(result['float_loss']):+.4f}", "")
    layers = Table([Column(name) for name in ("layer", "mean cosine", "worst head", "mean SQNR dB", "worst head", "relative L1",
                                              "bits/byte, alone")],
                   "each layer against float attention on the same tensors, and the loss with it alone on the hardware")
    for x in result["layers"]:
        alone = "" if x["alone"] is None else f"{bits_per_byte(x['alone'], bytes_per_token):+.6f}"
        layers.add(str(x["layer"]), f"{x['mean_cosine']:.6f}", f"{x['worst_cosine']:.6f}", f"{x['mean_sqnr_db']:.2f}",
                   f"{x['worst_sqnr_db']:.2f}", f"{x['mean_relative_l1']:.4f}", alone)
    return losses, layers


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    folder, loaded, context = load_scored(args, CONTEXT)
    stride = args.stride or context
    if stride > context:
        raise FcimError(f"STRIDE = {stride} is longer than CONTEXT = {context}, so tokens would be left out; use 1 to {context}")
    tell_first_token(loaded.facts)
    found = windows(len(loaded.ids), context, stride)
    with Progress(TextColumn("{task.description:>9}"), BarColumn(), TextColumn("{task.completed:,.0f}/{task.total:,.0f} tokens"),
                  TimeElapsedColumn(), console=Console(stderr=True)) as bar:
        result = measure(loaded, found, not args.no_layers, bar)
    facts = conditions(loaded, context=context, stride=stride)
    cfg = facts["config"]
    source = facts["source"]
    say(f"{source['model']}, {source['text']}, {len(loaded.ids):,} tokens, windows of {context}, stride "
        f"{stride}, float32; configuration {cfg['name']}, {facts['schedule']}{', fused' if facts['fused'] else ''}, "
        f"TAU {facts['tau']}; {facts['calibration']}")
    for table in result_tables(result, loaded.bytes_per_token):
        table.show()
    path = folder / "perplexity.json"
    environment = {**tool_versions(None), **git_state()}
    write_atomic(path, json.dumps({"conditions": facts, **result, "environment": environment}, indent=1, allow_nan=False) + "\n")
    shown = path.resolve()
    say(f"written: {shown.relative_to(ROOT) if shown.is_relative_to(ROOT) else path}")
    return 0


if __name__ == "__main__":
    torch.set_num_threads(2)
    run_cli(main)
