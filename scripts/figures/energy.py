"""Figures of the energy model: its constants and its formula, what calls of the accelerator cost, and what decides that."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import fields, replace
from functools import cache

import torch

from models.energy.accelerator import CORRECTED, AcceleratorRun, accelerator_run, call_activity, engine_events
from models.energy.activity import Activity, tile_activity
from models.energy.constants import LEVELS, Constants, load_constants
from models.energy.events import Events
from models.energy.formula import PARTS, TERMS, energy, sensitivity
from models.hardware.config import load_config
from models.hardware.quantise import quantise
from models.hardware.schedules import SCHEDULES, TileOptions
from models.hardware.tile import QuantisedGroup
from models.hardware.tiling import build_tiles
from models.system.call import Call
from models.system.config import load_system
from models.tensors.fit import fit_tensors
from models.tensors.source import load_tensors
from models.tensors.synthetic import synthetic_tensors
from scripts.figures import machine, power
from scripts.figures.pages import Page, Piece
from scripts.figures.text import exact, near, table
from scripts.flow.sources import ROOT
from scripts.power.published import VOLT

PAGE = "docs/energy.md"
GEOMETRY, SEED = "llama3-8b", 1
PREFILLS, DECODE = (512, 1024, 2048, 4096), 4096
SHARE = 0.005               # what another processor's float32 may change of a synthetic tensor's set bits
LIBRARY_VOLT = 0.7          # of ASAP7, at which docs/power.md's figures hold
CLOCK = 400e6
SHAPES_TOKENS = 1024
SHAPES = ((16, 131072, 18), (16, 8192, 18), (32, 8192, 18), (64, 8192, 18), (16, 8192, 12), (32, 8192, 12), (64, 8192, 12))
SHAPED = ("inner product macros", "outer product macros", "accumulators", "softmax")
BITS_TOKENS, BITS_HEADS = 512, 8


def _figure(value: float, digits: int) -> str:
    return near(value, f",.{digits}f", max(SHARE * abs(value), 10.0**-digits))


def constants() -> list[Piece]:
    """A line per constant, with where it is from."""
    rows = [[f"`{name}`", one.unit, *(f"{getattr(one, level):g}" for level in LEVELS), one.source, one.conversion]
            for name, one in load_constants().values.items()]
    head = "| constant | unit | low | typical | high | from | how |\n| --- | --- | --: | --: | --: | --- | --- |\n"
    return [Piece(PAGE, head + "\n".join(f"| {' | '.join(row)} |" for row in rows), "energy-constants"), _terms()]


def _meanings() -> dict[str, str]:
    """What each count is, as its class says it."""
    text = " ".join((Events.__doc__ or "").partition("Attributes:")[2].split())
    names = "|".join(field.name for field in fields(Events))
    return {name: words.strip().rstrip(".") for name, words in re.findall(rf"\b({names}): (.*?)(?=(?:\b(?:{names}):)|$)", text)}


def _terms() -> Piece:
    meanings = _meanings()
    rows = [[term.part, f"`{term.event}`", f"`{term.constant}`", meanings[term.event]] for term in TERMS]
    return Piece(PAGE, table(("part", "count", "times", "which is"), rows, 4), "energy-formula")


# ---- what calls of the accelerator cost
def _call(tokens: int, decode: bool) -> Call:
    """A layer of LLaMA-3-8B's heads on synthetic tensors."""
    system = load_system("default")
    groups = quantise(fit_tensors(synthetic_tensors(GEOMETRY, tokens, SEED, 1 if decode else None), system.engine))
    split = system.engines // len(groups) if decode else None
    return Call(groups, TileOptions(fused=True), own_start=not decode, split=split)


@cache
def _runs() -> dict[str, tuple[int, AcceleratorRun]]:
    """Query tokens and events of each call of the tables."""
    calls = {f"prefill, {exact(tokens)} tokens": (tokens, _call(tokens, False)) for tokens in PREFILLS}
    calls[f"decode, {exact(DECODE)} keys"] = 1, _call(DECODE, True)
    system = load_system("default")
    return {name: (tokens, accelerator_run(system, call)) for name, (tokens, call) in calls.items()}


def accelerator() -> list[Piece]:
    """What each call costs at each level, where it goes, and which constant decides."""
    torch.set_num_threads(1)
    constants, calls, parts = load_constants(), [], []
    for name, (tokens, run) in _runs().items():
        useful = run.events.useful_macs
        found = {level: energy(run.events, constants, level) for level in LEVELS}
        typical = found["typical"]
        digits = 3 if typical.chip < 1e-3 else 2
        total = run.activity.total
        calls.append([
            name, exact(run.prediction.cycles), *(_figure(1e3 * one.chip, digits) for one in found.values()),
            _figure(1e3 * typical.dram, digits), *(_figure(one.tops_per_watt(useful), 1) for one in found.values()),
            _figure(typical.tops_per_watt(useful, dram=True), 1), _figure(1e6 * typical.per_token(tokens), 2),
            _figure(typical.chip * CLOCK / run.prediction.cycles, 2), _figure(total.p_bits_per_product, 2)])
        parts.append([name, *(_figure(100 * typical.parts[part] / typical.chip, 1) for part in PARTS[:-1])])
    columns = ("call", "cycles", *(f"chip mJ, {level}" for level in LEVELS), "DRAM mJ", *(f"TOPS/W, {level}" for level in LEVELS),
               "TOPS/W with DRAM", "uJ a token with DRAM", "chip W", "set bits of p")
    return [Piece(PAGE, table(columns, calls), "energy-calls"), Piece(PAGE, table(("call", *PARTS[:-1]), parts), "energy-parts"),
            _swings(constants)]


def _swings(constants: Constants) -> Piece:
    _, run = _runs()[f"prefill, {exact(2048)} tokens"]
    useful, rows = run.events.useful_macs, []
    for swing in sensitivity(run.events, constants, dram=False):
        rows.append([f"`{swing.constant}`", *(_figure(1e3 * one.chip, 2) for one in (swing.low, swing.high)),
                     *(_figure(one.tops_per_watt(useful), 1) for one in (swing.low, swing.high))])
    columns = ("constant", "chip mJ with it low", "with it high", "TOPS/W with it low", "with it high")
    return Piece(PAGE, table(columns, rows), "energy-swings")


# ---- what the engine's parameters decide
def shapes() -> list[Piece]:
    """What is spent inside the engines for a useful product, by size of a key block, longest tile and width of p."""
    torch.set_num_threads(1)
    call, known, rows = _call(SHAPES_TOKENS, False), load_constants(), []
    system = load_system("default")
    for keys_per_block, max_keys, prob_bits in SHAPES:
        cfg = replace(system.engine, keys_per_block=keys_per_block, max_keys=max_keys, prob_bits=prob_bits)
        total = call_activity(replace(system, engine=cfg), call).total
        useful, events = 2 * total.visible * cfg.head_dim, engine_events(cfg, total)
        found = {level: energy(events, known, level) for level in LEVELS}
        parts = found["typical"].parts
        cells = [*(parts[part] for part in SHAPED), *(one.chip for one in found.values())]
        rows.append([*map(exact, (keys_per_block, max_keys, prob_bits, cfg.acc_bits)),
                     *(_figure(1e15 * cell / useful, 1) for cell in cells)])
    columns = ("keys of a block", "most keys of a tile", "bits of p", "of an accumulator", *SHAPED,
               *(f"engine, {level}" for level in LEVELS))
    return [Piece(PAGE, table(columns, rows, 0), "energy-shapes")]


# ---- set bits of p
def _bits(groups: Sequence[QuantisedGroup], options: TileOptions) -> Activity:
    cfg, found = load_config("default"), Activity()
    for group in groups:
        for tile in build_tiles(cfg, group, schedule=options.schedule, fused=options.fused):
            found += tile_activity(cfg, tile)[0]
    return found


def bits() -> list[Piece]:
    """Set bits of p by the order of the keys, and what a product of the outer-product macro costs with them."""
    torch.set_num_threads(1)
    cfg, pair = load_config("default"), 1e15 * load_constants().joule("outer_pair", "typical")
    layers = load_tensors(layers="all", tokens=BITS_TOKENS)
    sources = [[group for layer in layers for group in quantise(fit_tensors(layer, cfg))],
               quantise(synthetic_tensors(GEOMETRY, BITS_TOKENS, SEED, heads=BITS_HEADS))]
    rows = []
    for schedule in SCHEDULES:
        for fused in (False, True):
            cells = []
            for groups, close in zip(sources, (machine.near, near), strict=True):
                found = _bits(groups, TileOptions(schedule, fused))
                cells += [close(found.p_bits_per_product, ".2f", 0.02), close(found.p_bits / found.visible, ".2f", 0.02),
                          close(pair * found.outer_pairs / (found.run_scores * cfg.head_dim), ".1f", 0.3),
                          close(found.stats.rescaled_rows / found.stats.rows, ".2f", 0.02)]
            rows.append([f"`{schedule}`{' + fused' if fused else ''}", *cells])
    names = ("set bits of p", "a visible score", "fJ a product", "rescales a row")
    columns = ("order", *(f"{source}: {name}" for source in ("fixture", "synthetic") for name in names))
    return [Piece(PAGE, table(columns, rows), "energy-bits")]


# ---- beside the project's own gates
def _operations() -> dict[str, tuple[float, dict[str, float]]]:
    """fJ of each operation as docs/power.md has them, of the fixture's operands, and mean set bits of these."""
    text = Page.read(ROOT / power.PAGE).text
    lines = re.search(r"<!-- figures: power-operations -->\n(.*?)\n<!-- end -->", text, re.S)[1].split("\n")
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {row[0]: (float(row[2].replace(",", "")), {name: float(x) for name, x in re.findall(r"(\w+) ([\d.]+)", row[-1])})
            for row in rows if row[1] == "fixture"}


def _modelled(constants: Constants, level: str) -> dict[str, float]:
    """fJ of the same operations by the energy model, with the same set bits."""
    cfg, found = load_config("default"), _operations()

    def cost(name: str) -> float:
        return 1e15 * constants.joule(name, level)

    k, q = (found["MAC of the IP-CIM"][1][name] for name in "kq")
    v, p = (found["product of the OP-CIM"][1][name] for name in "vp")
    return {
        "MAC of the IP-CIM": k * q * cost("inner_pair"),
        "product of the OP-CIM": v * p * cost("outer_pair") + cfg.prob_bits * cost("cell_write") / cfg.head_dim,
        "scaled score": cost("score_scale"), "exponential": cost("exponential"),
        "accumulator update": CORRECTED * cfg.acc_bits * cost("adder"), "division": cost("division"),
    }


def netlists() -> list[Piece]:
    """What the gates of the project's own blocks take beside the constants."""
    known = load_constants()
    model = {level: _modelled(known, level) for level in LEVELS}
    rows = []
    for operation, (femtojoule, _) in _operations().items():
        converted = femtojoule * (VOLT / LIBRARY_VOLT) ** 2
        rows.append([operation, near(femtojoule, ",.0f", 0.02 * femtojoule), near(converted, ",.0f", 0.02 * converted),
                     *(near(model[level][operation], ",.0f", 0.02 * model[level][operation]) for level in LEVELS),
                     near(converted / model["typical"][operation], ".1f", 0.1)])
    columns = ("operation", "fJ, gates of ASAP7", "the same at 0.9 V", *(f"model, {level}" for level in LEVELS),
               "gates over typical")
    return [Piece(PAGE, table(columns, rows), "energy-netlists")]
