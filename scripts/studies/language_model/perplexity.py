"""What a language model loses with the hardware's attention: by kind of text, and on request by layer."""

from __future__ import annotations

import argparse
import json
import math
import time
from dataclasses import asdict
from typing import Any

import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from torch import Tensor

import models.hf_attention as ha
from models.errors import FcimError, run_cli
from models.hf_attention.forward import counted, observed
from models.hf_attention.kernel import Skipped
from models.place import BUILD, PLACE
from models.tensors.checkpoint import Checkpoint
from models.tensors.source import open_checkpoint, parse_indices, tell_first_token
from models.tensors.token_ids import TokenIds
from scripts.checks import check_call
from scripts.flow.arguments import Parser
from scripts.flow.files import write_atomic
from scripts.flow.tables import Column, Table, say
from scripts.flow.tool_versions import git_state, tool_versions
from scripts.studies.language_model.loaded import (
    TOKENS,
    Loaded,
    add_device,
    conditions,
    context_of,
    kinds_of,
    load,
    output_folder,
    peak_memory,
    skipping,
    text_ids,
)
from scripts.studies.language_model.loss import (
    BLOCK,
    LayerDistances,
    Window,
    bits_per_byte,
    standard_error,
    window_losses,
    windows,
)

FOLDER = BUILD / "perplexity"
CONTEXT = 1024
TOKENS_OF_TWO = 16384   # of a model that is judged on prose and code, half of each
COMPARED = 2            # windows whose layers are compared with float attention
TOGETHER = "together"


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = Parser("perplexity", "What a language model loses with the hardware's attention, and in which layer.", octaves=0,
                    out=FOLDER)
    add_device(parser)
    return parser.parse_args(argv)


def scored_texts(args: argparse.Namespace, checkpoint: Checkpoint) -> dict[str, TokenIds]:
    """The texts by their kinds: the one that was given, else as many tokens of each kind that the model is judged on.

    Raises:
        FcimError: a text cannot be used, or TOKENS are too few for two.
    """
    if args.text:
        return {"text": text_ids(args, checkpoint, args.tokens or TOKENS)}
    kinds = kinds_of(checkpoint)
    tokens = args.tokens or (TOKENS if len(kinds) == 1 else TOKENS_OF_TWO)
    if tokens < 2 * len(kinds):
        raise FcimError(f"TOKENS = {tokens} are too few for {' and '.join(kinds)}; use {2 * len(kinds)} or more")
    shares = [tokens * (n + 1) // len(kinds) - tokens * n // len(kinds) for n in range(len(kinds))]
    return {kind: text_ids(args, checkpoint, share, kind) for kind, share in zip(kinds, shares, strict=True)}


def difference_of(in_float: list[Tensor], on_hardware: list[Tensor]) -> dict[str, Any]:
    """Mean losses of one text's windows, their difference and its standard error."""
    before, after = torch.cat(in_float).double(), torch.cat(on_hardware).double()
    return {"scored_tokens": len(before), "float_loss": before.mean().item(), "hardware_loss": after.mean().item(),
            "difference": (after - before).mean().item(),
            "standard_error": standard_error([a.double() - b.double() for a, b in zip(on_hardware, in_float, strict=True)])}


def together(parts: list[dict[str, Any]]) -> dict[str, Any]:
    """Of all texts, a token counting as much as any other. How many tokens each has was chosen, so what lies between the texts is
    no error, and those within them add up as independent ones."""
    tokens = sum(x["scored_tokens"] for x in parts)
    found: dict[str, Any] = {"scored_tokens": tokens}
    for name in ("float_loss", "hardware_loss", "difference"):
        found[name] = sum(x["scored_tokens"] * x[name] for x in parts) / tokens
    errors = [x["standard_error"] for x in parts]
    found["standard_error"] = None if None in errors else math.sqrt(
        sum((x["scored_tokens"] * x["standard_error"]) ** 2 for x in parts)) / tokens
    found["bytes_per_token"] = sum(x["scored_tokens"] * x["bytes_per_token"] for x in parts) / tokens
    return found


def measure(loaded: Loaded, found: dict[str, list[Window]], alone: list[int], bar: Progress) -> dict[str, Any]:
    """Losses in nats per token: in float, on the hardware, with one layer of ``alone`` on it; and the layers' distances."""
    total = sum(w.end - w.first for text in found.values() for w in text)
    tasks = {name: bar.add_task(name, total=runs * total, start=False)
             for name, runs in (("float", 1), ("hardware", 1), ("layers", len(alone))) if runs}

    def run(name: str, implementation: str, observer: LayerDistances | None = None) -> dict[str, list[Tensor]]:
        """Losses by text and window; the observer sees the first windows of each text."""
        bar.start_task(tasks[name])
        losses = {}
        for text, part in loaded.parts.items():
            if observer:
                observer.sequences += max(1, COMPARED // len(found))
            losses[text] = window_losses(loaded.model, implementation, part.ids, found[text],
                                         advance=lambda done: bar.advance(tasks[name], done))
        whole = next(task for task in bar.tasks if task.id == tasks[name])
        bar.update(whole.id, completed=round(whole.completed))      # of the layers' shares, which are fractions
        return losses

    clocks = [(time.perf_counter(), time.process_time())]
    in_float = run("float", "sdpa")
    clocks.append((time.perf_counter(), time.process_time()))
    ha.configure(loaded.model, loaded.settings)
    distances = LayerDistances(0)
    with observed(loaded.model, distances), counted(loaded.model) as skipped:
        on_hardware = run("hardware", ha.NAME, distances)
    clocks.append((time.perf_counter() - distances.seconds, time.process_time() - distances.cpu_seconds))
    parts = [{"name": name, **difference_of(in_float[name], on_hardware[name]), "bytes_per_token": part.bytes_per_token}
             for name, part in loaded.parts.items()]
    costs = {}
    for layer in alone:
        ha.configure(loaded.model, loaded.settings, layers=frozenset({layer}))
        losses = run("layers", ha.NAME)
        costs[layer] = together([{**part, **difference_of(in_float[part["name"]], losses[part["name"]])}
                                 for part in parts])["difference"]
    ha.configure(loaded.model, loaded.settings)
    seconds = {f"{kind}_{clock}": round(after - before, 2)
               for kind, start, stop in zip(("float", "hardware"), clocks, clocks[1:])
               for clock, before, after in zip(("seconds", "cpu_seconds"), start, stop, strict=True)}
    return {
        **together(parts), "block_tokens": BLOCK, **seconds, "peak_memory_mib": round(peak_memory(loaded.model.device)),
        "parts": parts, "skipped": asdict(skipped),
        "layers": [{
            "layer": layer, "alone": costs.get(layer),
            **{f"mean_{name}": distances.mean(layer, name) for name in ("cosine", "sqnr_db", "relative_l1")},
            "worst_cosine": distances.worst(layer, "cosine"), "worst_sqnr_db": distances.worst(layer, "sqnr_db")}
            for layer in range(loaded.model.config.num_hidden_layers)],
    }


def plus_minus(difference: float, error: float | None, spec: str = "+.5f") -> str:
    """A difference and its standard error, where there is one."""
    return f"{difference:{spec}}" + ("" if error is None else f" ± {error:{spec[1:]}}")


def result_tables(result: dict[str, Any]) -> tuple[Table, Table]:
    """The losses by kind of text and attention, and the layers."""
    losses = Table([Column("text", text=True), *map(Column, (
        "tokens", "float32 nats/token", "hardware", "difference", "difference, bits/byte", "perplexity in float32", "hardware"))],
        f"loss over {result['scored_tokens']:,} tokens ± standard error over blocks of {result['block_tokens']} tokens")
    whole = [{"name": TOGETHER, **result}] if len(result["parts"]) > 1 else []
    for x in [*result["parts"], *whole]:
        size = x["bytes_per_token"]
        losses.add(x["name"], f"{x['scored_tokens']:,}", f"{x['float_loss']:.5f}", f"{x['hardware_loss']:.5f}",
                   plus_minus(x["difference"], x["standard_error"]), f"{bits_per_byte(x['difference'], size):+.5f}",
                   f"{math.exp(x['float_loss']):.4f}", f"{math.exp(x['hardware_loss']):.4f}")
    layers = Table([Column(name) for name in ("layer", "mean cosine", "worst head", "mean SQNR dB", "worst head", "relative L1",
                                              "bits/byte, alone")],
                   "each layer against float attention on the same tensors, and the loss with it alone on the hardware")
    for x in result["layers"]:
        alone = "" if x["alone"] is None else f"{bits_per_byte(x['alone'], result['bytes_per_token']):+.6f}"
        layers.add(str(x["layer"]), f"{x['mean_cosine']:.6f}", f"{x['worst_cosine']:.6f}", f"{x['mean_sqnr_db']:.2f}",
                   f"{x['worst_sqnr_db']:.2f}", f"{x['mean_relative_l1']:.4f}", alone)
    return losses, layers


def order_of(facts: dict[str, Any]) -> str:
    """The order of the keys and what is skipped of them, as a run's conditions say, for people."""
    skips = "" if not facts["skip"] else f", SKIP with {facts['octaves']} OCTAVES" if facts["octaves"] else ", SKIP"
    if facts["orders"]:
        return f"an order for each KV head, {facts['orders']}{skips}"
    return f"{facts['schedule']}{', fused' if facts['fused'] else ''}, TAU {facts['tau']}{skips}"


def described(facts: dict[str, Any], tokens: int) -> str:
    """One line of what is measured: model, text, hardware, calibration."""
    source, cfg = facts["source"], facts["config"]
    texts = " and ".join(x["text"] for x in source.get("texts", {"": source}).values())
    return (f"{source['model']}, {texts}, {tokens:,} tokens, windows of {facts['context']}, stride {facts['stride']}, float32; "
            f"configuration {cfg['name']}, {order_of(facts)}; {facts['calibration']}")


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    check_call(args)
    folder = output_folder(args.out)
    checkpoint = open_checkpoint(args.checkpoint)
    context = context_of(args.context, CONTEXT, checkpoint.config.max_position_embeddings)
    stride = args.stride or context
    if stride > context:
        raise FcimError(f"STRIDE = {stride} is longer than CONTEXT = {context}, so tokens would be left out; use 1 to {context}")
    alone = parse_indices(args.layer, checkpoint.config.num_hidden_layers, "LAYER") or []
    loaded = load(args, checkpoint, scored_texts(args, checkpoint))
    tell_first_token(next(iter(loaded.facts.get("texts", {"": loaded.facts}).values())))
    found = {name: windows(len(part.ids), context, stride) for name, part in loaded.parts.items()}
    with Progress(TextColumn("{task.description:>9}"), BarColumn(), TextColumn("{task.completed:,.0f}/{task.total:,.0f} tokens"),
                  TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(elapsed_when_finished=False),
                  console=Console(stderr=True)) as bar:
        result = measure(loaded, found, alone, bar)
    facts = conditions(loaded, context=context, stride=stride)
    say(described(facts, sum(len(part.ids) for part in loaded.parts.values())))
    for table in result_tables(result):
        table.show()
    if loaded.settings.options.skip:
        say(skipping(loaded.settings.options, Skipped(**result["skipped"])))
    say(f"{result['float_seconds']:.1f} s with SDPA, {result['hardware_seconds']:.1f} s with the hardware's arithmetic; at most "
        f"{result['peak_memory_mib']:,} MiB of memory")
    path = folder / "perplexity.json"
    environment = {**tool_versions(None), **git_state()}
    write_atomic(path, json.dumps({"conditions": facts, **result, "environment": environment}, indent=1, allow_nan=False) + "\n")
    shown = path.resolve()
    say(f"written: {shown.relative_to(PLACE) if shown.is_relative_to(PLACE) else path}")
    return 0


if __name__ == "__main__":
    torch.set_num_threads(2)
    run_cli(main)
