"""Which bits and scales the defaults rest on: loss and attention SQNR with one choice changed at a time, what each way of
preparing Q, K and V buys on all heads, and what long rows lose in decode."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any

import matplotlib
import torch
from matplotlib.figure import Figure
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

import models.hf_attention as ha
from models.errors import run_cli
from models.hardware.config import EngineConfig
from models.hardware.schedules import TileOptions
from models.hf_attention import Quantisation
from models.hf_attention.calibrate import V_ROOM
from models.hf_attention.forward import observed
from models.place import BUILD
from models.tensors.source import tell_first_token
from scripts.flow.arguments import Parser
from scripts.flow.files import replaced
from scripts.flow.tables import Column, Table, say
from scripts.flow.tool_versions import git_state, tool_versions
from scripts.studies import charts
from scripts.studies.language_model.decode import KEYS, DecodeLine, DecodeRows, decode_table
from scripts.studies.language_model.loaded import Loaded, add_device, conditions, load_scored, text_ids
from scripts.studies.language_model.loss import LayerDistances, Window, bits_per_byte, standard_error, window_losses, windows
from scripts.studies.language_model.mends import MENDS, OperandLine, Operands, gaussian_operands, operands_table
from scripts.studies.language_model.perplexity import plus_minus

FOLDER = BUILD / "precision"
CONTEXT = 512
FILES = ("precision.json", "precision.svg", "precision.png")

BITS = (8, 6, 4)
PROB_BITS = (8, 9, 10, 11, 12, 14, 16, 18)
TAUS = (0, 1, 2, 3, 4, 6, 8)
ROOMS = (1.0, 1.25, 1.5, 2.0)

PANELS = (("bits of an operand", ("bits of Q", "bits of K", "bits of V", "bits of Q, K and V")),
          ("bits of a probability", ("bits of P",)), ("TAU", ("TAU",)))
LINEAR = 1.0    # 1e-3 bits/byte; below it losses are noise of the text and on a linear scale, above on a logarithmic one


@dataclass(frozen=True)
class Variant:
    """One line of the study; ``group`` is the table and the panel it belongs to, ``x`` its place on a numeric axis."""

    group: str
    name: str
    hardware: EngineConfig
    options: TileOptions
    quantisation: Quantisation
    calibrated: bool = True
    x: int | None = None
    v_room: float = V_ROOM


def variants(cfg: EngineConfig, options: TileOptions) -> list[Variant]:
    """All of them; the first is the default, and every group holds it again under its own name."""
    base = Quantisation()
    found = [Variant("default", "default", cfg, options, base)]

    def add(group: str, name: str, x: int | None = None, calibrated: bool = True, hardware: EngineConfig = cfg,
            chosen: TileOptions = options, v_room: float = V_ROOM, **changes: object) -> None:
        found.append(Variant(group, name, hardware, chosen, replace(base, **changes), calibrated, x, v_room))

    for bits in BITS:
        for what, fields in (("Q", "q"), ("K", "k"), ("V", "v"), ("Q, K and V", "qkv")):
            add(f"bits of {what}", f"{bits}", bits, **{f"{f}_bits": bits for f in fields})
    for bits in PROB_BITS:
        if options.tau <= bits - 2:
            add("bits of P", f"{bits}", bits, hardware=replace(cfg, prob_bits=bits))
    for tau in TAUS:
        if tau <= cfg.max_tau():
            add("TAU", f"{tau}", tau, chosen=replace(options, tau=tau))
    for grain in ("token", "head", "tensor"):
        add("scales of Q and K", f"per {grain}", q_grain=grain, k_grain=grain)
    for grain in ("channel", "head", "tensor"):
        add("scales of V", f"per {grain}", v_grain=grain)
    for name, choice in MENDS.items():
        add("outliers", name, **asdict(choice))
    for name, smooth in (("smoothed", True), ("as it is", False)):
        add("K", name, smooth_k=smooth)
    for name in ("none", "balance", "rotate", "balance, rotate"):
        add("Q and K of 4 bits", name, q_bits=4, k_bits=4, balance=MENDS[name].balance, rotate=MENDS[name].rotate)
    for room in ROOMS:
        add("room above the largest values", f"{room}", v_room=room)
    add("statistics of K and V", "of another text")
    add("statistics of K and V", "of the text itself", calibrated=False)
    return found


@dataclass
class Line:
    """One variant's outcome: loss over float in bits per byte and its standard error over blocks of tokens (None of a text of one
    block), SQNR of the attention outputs in dB."""

    group: str
    name: str
    x: int | None
    bits_per_byte: float
    standard_error: float | None
    mean_sqnr_db: float
    worst_sqnr_db: float
    worst_layer_db: float
    worst_cosine: float


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = Parser("precision", "Loss and SQNR by bits, scales, smoothing, rotation and threshold.", out=FOLDER)
    add_device(parser)
    return parser.parse_args(argv)


def measure(loaded: Loaded, variant: Variant, found: list[Window], in_float: list[torch.Tensor]) -> Line:
    """Loss and distances of one variant; ``in_float``: losses of the windows."""
    loaded.recalibrate(variant.v_room, hardware=variant.hardware, options=variant.options, quantisation=variant.quantisation)
    if not variant.calibrated:
        ha.configure(loaded.model, statistics={})
    distances = LayerDistances(len(found))
    with observed(loaded.model, distances):
        losses = window_losses(loaded.model, ha.NAME, loaded.ids, found)
    layers = list(distances.found)
    lost = [after.double() - before.double() for after, before in zip(losses, in_float, strict=True)]
    error = standard_error(lost)
    return Line(variant.group, variant.name, variant.x, bits_per_byte(torch.cat(lost).mean().item(), loaded.bytes_per_token),
                None if error is None else bits_per_byte(error, loaded.bytes_per_token),
                sum(distances.mean(layer, "sqnr_db") for layer in layers) / len(layers),
                min(distances.worst(layer, "sqnr_db") for layer in layers),
                min(distances.mean(layer, "sqnr_db") for layer in layers),
                min(distances.worst(layer, "cosine") for layer in layers))


def operands(loaded: Loaded, cfg: EngineConfig, context: int) -> list[OperandLine]:
    """Every choice on the heads of the model, in its first window and in float, and on as many random ones of the same shapes."""
    options = loaded.settings.options
    found = Operands("the model", cfg, options)
    _in_float(loaded, loaded.ids[:context], found)
    shape, tokens = loaded.model.config, len(loaded.ids[:context])
    gaussian = gaussian_operands(cfg, options, shape.num_attention_heads, shape.num_key_value_heads, shape.head_dim, tokens)
    return [*found.lines(), *gaussian.lines()]


def decode(loaded: Loaded, args: argparse.Namespace, cfg: EngineConfig) -> list[DecodeLine]:
    """What long rows lose in natural order and in the one that was chosen; of a text that was given, as many tokens as it has."""
    keys = min(KEYS, loaded.model.config.max_position_embeddings, cfg.max_keys)
    ids = loaded.ids[:keys] if args.text else text_ids(args, loaded.checkpoint, keys).ids.to(loaded.ids.device)
    rows = DecodeRows(cfg, tuple(dict.fromkeys((TileOptions(), replace(loaded.settings.options, tau=0)))))
    _in_float(loaded, ids, rows)
    return list(rows.lines())


def _in_float(loaded: Loaded, ids: torch.Tensor, observer: Callable[..., None]) -> None:
    """Run the model on ``ids [T]`` with float attention, seen by the observer."""
    model = loaded.model
    ha.configure(model, layers=frozenset())
    model.set_attn_implementation(ha.NAME)
    with torch.no_grad(), observed(model, observer):
        model(input_ids=ids[None], use_cache=False, logits_to_keep=1)
    ha.configure(model, layers=None)


def lines_table(lines: list[Line]) -> Table:
    """A line per variant; groups are kept together by lines between them."""
    table = Table([Column("choice", text=True), Column("value", text=True),
                   *map(Column, ("loss over float, bits/byte", "mean SQNR dB", "worst head", "worst layer", "worst cosine"))],
                  "one choice changed, the rest as by default")
    for group, same in ((group, list(same)) for group, same in groupby(lines, key=lambda line: line.group)):
        for i, line in enumerate(same):
            table.add(group if i == 0 else "", line.name, plus_minus(line.bits_per_byte, line.standard_error),
                      f"{line.mean_sqnr_db:.2f}", f"{line.worst_sqnr_db:.2f}", f"{line.worst_layer_db:.2f}",
                      f"{line.worst_cosine:.6f}", last=line is same[-1])
    return table


def write_figure(folder: Path, lines: list[dict[str, Any]]) -> list[Path]:
    """``precision.svg`` and ``.png`` in ``folder``."""
    with matplotlib.rc_context({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(figsize=(9.5, 5.2), layout="constrained")
        axes = figure.subplots(2, len(PANELS), sharex="col")
        for column, (label, groups) in enumerate(PANELS):
            for marker, group in zip("osd^", groups):
                found = sorted((line["x"], line) for line in lines if line["group"] == group)
                places = [x for x, _ in found]
                name = group.removeprefix("bits of ")
                axes[0, column].plot(places, [1e3 * line["bits_per_byte"] for _, line in found], marker=marker, label=name)
                low, high = ([1e3 * (line["bits_per_byte"] + side * (line["standard_error"] or 0.0)) for _, line in found]
                             for side in (-1, 1))
                axes[0, column].fill_between(places, low, high, alpha=0.15)
                axes[1, column].plot(places, [line["mean_sqnr_db"] for _, line in found], marker=marker, label=name)
            if column == 0:
                axes[0, column].set_yscale("symlog", linthresh=LINEAR)
                axes[0, column].yaxis.set_major_formatter("{x:g}")
            axes[0, column].axhline(0, color="0.4", lw=0.8)
            axes[1, column].set_xlabel(label)
            axes[1, column].set_xticks(sorted({line["x"] for line in lines if line["group"] in groups}))
            for row in (0, 1):
                axes[row, column].grid(alpha=0.3)
        axes[0, 0].set_ylabel("loss over float, 1e-3 bits/byte")
        axes[1, 0].set_ylabel("mean SQNR of the attention, dB")
        axes[0, 0].legend(frameon=False)
        return charts.write(figure, folder, "precision")


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    folder, loaded, context = load_scored(args, CONTEXT)
    tell_first_token(loaded.facts)
    found = windows(len(loaded.ids), context, context)
    cfg = loaded.settings.hardware_for(loaded.model.config.head_dim)
    facts = conditions(loaded, context=context)
    chosen = sorted(variants(cfg, loaded.settings.options), key=lambda v: v.group)  # stable: groups together, in their own order
    in_float = window_losses(loaded.model, "sdpa", loaded.ids, found)
    prepared, long = operands(loaded, cfg, context), decode(loaded, args, cfg)
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
        f"{bits_per_byte(torch.cat(in_float).double().mean().item(), loaded.bytes_per_token):.5f} bits/byte")
    lines_table(lines).show()
    operands_table(prepared, min(context, len(loaded.ids))).show()
    decode_table(long).show()
    data = {"conditions": facts, "lines": [asdict(line) for line in lines],
            "operands": [asdict(line) for line in prepared], "decode": [asdict(line) for line in long],
            "environment": {**tool_versions(None), **git_state()}}
    with replaced(folder, FILES) as new:
        write_figure(new, [asdict(line) for line in lines])
        (new / "precision.json").write_text(json.dumps(data, indent=1, allow_nan=False) + "\n")
    return 0


if __name__ == "__main__":
    torch.set_num_threads(2)
    run_cli(main)
