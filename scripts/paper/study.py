"""Everything that ``make paper`` says, as plain data: the claims, how they can come about, what the designs give."""

from __future__ import annotations

import math
import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from typing import Any, TypeVar

import numpy as np
import torch

from models.comparison import accounting, linear
from models.comparison.accelerator import NAME as OURS
from models.comparison.accelerator import accelerator, accelerator_activity, accelerator_call, peak, variant
from models.comparison.cells import banks_text, equal_banks
from models.comparison.chip import Layer, Memories, Outcome, layer_of
from models.comparison.claims import EFFICIENCY, ENERGY, LATENCY, OFF_CHIP, ON_CHIP, RESCALES, SPEED
from models.comparison.stationary import KvStationary, kv_stationary_chip
from models.comparison.storage import KINDS
from models.comparison.storage import cycles as stored_cycles
from models.comparison.unfused import Unfused, unfused_chip
from models.energy.constants import LEVELS, Constants, load_constants
from models.energy.formula import energy, sensitivity
from models.hardware.config import load_config
from models.system.config import load_system
from models.tensors.attention_tensors import AttentionTensors
from models.tensors.synthetic import synthetic_tensors
from scripts.studies.schedules.measure import measure_layer
from scripts.studies.schedules.settings import Sweep
from scripts.studies.schedules.sources import prefill

RATES = (25.6, 51.2, 102.4, 256.0)      # GB/s
USUAL = 51.2
GEOMETRY = "llama3-8b"
ALL_RATES = 4096          # tokens up to which every speed of the memory is worked out
FREE = Memories(gbs=math.inf, port=math.inf)
QUICK = Memories(gbs=102.4)     # as much as the accelerator's port can take, reads and writes in every cycle
BANKS = equal_banks(load_system("default"))     # with which the baselines have as many bit cells as this project
EQUAL_CELLS = tuple(replace(design, banks=BANKS) for design in (
    Unfused(), Unfused(overlap=True), Unfused(spill=False), Unfused(spill=False, overlap=True),
    KvStationary(overlap=False), KvStationary()))
DESIGNS = (
    Unfused(), Unfused(overlap=True), Unfused(spill=False), Unfused(spill=False, overlap=True),
    KvStationary(1, 64, overlap=False), KvStationary(1, 64), KvStationary(overlap=False), KvStationary(), *EQUAL_CELLS)
ASSUMED = (
    ("QK^T, softmax and PV one after the other", Unfused()),
    ("the same, all beside one another", Unfused(overlap=True)),
    ("K, then V written anew for every 64 rows, the macros waiting", KvStationary(1, 64, overlap=False)),
    ("the same, written beside the work", KvStationary(1, 64)),
    ("K and V kept for as many rows as the buffer holds O of", KvStationary()))
WITH_ENERGY = (Unfused(), Unfused(spill=False, overlap=True), KvStationary(1, 64), KvStationary(),     # time does not change it
               EQUAL_CELLS[3], EQUAL_CELLS[5])
NARROW = f"{OURS}, sums of 26 bits"
VARIANTS = ((NARROW, {"sum_cut": 9}),
            (f"{OURS}, blocks of 64 keys", {"keys_per_block": 64, "max_keys": 8192}),
            (f"{OURS}, blocks of 64 keys, p of 12 bits", {"keys_per_block": 64, "max_keys": 8192, "prob_bits": 12}))
PAPERS_TILE = 64        # keys of a block in the paper, as far as it can be told


def kind_of(name: str) -> dict[str, int]:
    """The parameters of the engines of one of :data:`VARIANTS`."""
    return dict(VARIANTS)[name]


Design = KvStationary | Unfused
T, R = TypeVar("T"), TypeVar("R")


def outcome_of(design: Design, layer: Layer, memories: Memories, counted: bool = False) -> Outcome:
    """Either baseline on the whole chip."""
    if isinstance(design, Unfused):
        return unfused_chip(design, layer, memories, counted)
    return kv_stationary_chip(design, layer, memories, counted)


@dataclass(frozen=True)
class Task:
    """One length: what is worked out in one go, by a process of its own."""

    geometry: str
    tokens: int
    seed: int
    rates: tuple[float, ...]
    constants: str
    counted: int = 1


def _ratio(outcome: Outcome, own: Outcome) -> dict[str, Any]:
    return {"design": outcome.design, "choice": outcome.choice, "tokens": outcome.tokens, "cycles": outcome.cycles,
            "milliseconds": outcome.milliseconds, "times": outcome.cycles / own.cycles, "bounds": dict(outcome.bounds),
            "dram_bytes": outcome.dram_bytes, "buffer_bytes": outcome.buffer_bytes, "cell_bits": outcome.cell_bits}


def _energies(outcome: Outcome, constants: Constants) -> dict[str, Any]:
    events = outcome.events
    assert events is not None
    found: dict[str, Any] = {"design": outcome.design, "tokens": outcome.tokens, "useful_macs": events.useful_macs,
                             "events": asdict(events)}
    for level in LEVELS:
        cost = energy(events, constants, level)
        found[level] = {"parts": dict(cost.parts), "chip": cost.chip, "total": cost.total,
                        "tops_chip": cost.tops_per_watt(events.useful_macs),
                        "tops_total": cost.tops_per_watt(events.useful_macs, dram=True),
                        "token": cost.per_token(outcome.tokens)}
    return found


def compare(layer: Layer, rates: Sequence[float], constants: Constants) -> dict[str, Any]:
    """All designs at one length: time and bytes at several speeds of the memory, energy at the usual one, and what is left where
    no memory is ever in the way."""
    system = load_system("default")
    activity = accelerator_activity(layer, system)
    times, energies, assumed, moves = [], [], [], []
    for gbs in rates:
        memories = Memories(gbs)
        own = accelerator(layer, memories, system, activity)
        others = [accelerator(layer, memories, other, accelerator_activity(layer, other), name)
                  for name, other in ((name, variant(**engine)) for name, engine in VARIANTS)] if gbs == USUAL else []
        found = [outcome_of(design, layer, memories, gbs == USUAL and design in WITH_ENERGY) for design in DESIGNS]
        times += [{"gbs": gbs, **_ratio(outcome, own)} for outcome in (own, *others, *found)]
        if gbs == USUAL:
            energies = [_energies(outcome, constants) for outcome in (own, *others, *found) if outcome.events]
            assert own.events is not None
            moves = [{"constant": swing.constant, "low": swing.low.chip, "high": swing.high.chip}
                     for swing in sensitivity(own.events, constants, dram=False)]
            quick = accelerator(layer, QUICK, system).cycles
            for text, design in ASSUMED:
                free = outcome_of(design, layer, FREE)
                assumed.append({"assumption": text, "design": free.design, "tokens": layer.tokens, "times": free.cycles / quick,
                                "less": 100 * (1 - quick / free.cycles)})
    return {"times": times, "energy": energies, "assumed": assumed, "sensitivity": moves, "storage": storage(layer)}


def storage(layer: Layer) -> list[dict[str, Any]]:
    """Cycles with other memories for the accumulators, beside those with the RTL's."""
    system = load_system("default")
    shape = accelerator_call(layer, system).shape
    taken = [stored_cycles(system, shape, Memories(USUAL), kind) for kind in KINDS]
    return [{"kind": str(kind), "tokens": layer.tokens, "kib": kind.kib(system), "cycles": n, "more": 100 * (n / taken[0] - 1)}
            for kind, n in zip(KINDS, taken, strict=True)]


def run_task(task: Task) -> dict[str, Any]:
    """:func:`compare` for synthetic tensors."""
    torch.set_num_threads(1)
    layer = layer_of(synthetic_tensors(task.geometry, task.tokens, task.seed), task.counted)
    return compare(layer, task.rates, load_constants(task.constants))


def run_tasks(tasks: Sequence[Task], jobs: int, done: Callable[[Task], None]) -> list[dict[str, Any]]:
    """Each task's result, in their order; the longest begin first."""
    order = sorted(range(len(tasks)), key=lambda i: -tasks[i].tokens)
    results: dict[int, dict[str, Any]] = {}
    for i, found in zip(order, each(run_task, [tasks[i] for i in order], jobs), strict=True):
        results[i] = found
        done(tasks[i])
    return [results[i] for i in range(len(tasks))]


def each(function: Callable[[T], R], items: Sequence[T], jobs: int) -> Iterator[R]:
    """``function`` of each of some things, in their order, by ``jobs`` processes; 1: here."""
    if jobs == 1:
        yield from map(function, items)
        return
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield from pool.map(function, items)


def count_rescales(layers: Sequence[AttentionTensors]) -> list[dict[str, Any]]:
    """Rescaled rows by order of the keys, over all heads of some layers.

    ``maxima``: every new maximum of a row rescales it, as an online softmax does that keeps a true maximum, as the paper's does.
    ``integer``: only where the maximum reaches another whole power of two, as here.
    """
    cfg, found = load_config("default"), []
    for size in (PAPERS_TILE, cfg.keys_per_block):
        sized = replace(cfg, keys_per_block=size)
        orders = ("natural", "diagonal_first", "sink_diagonal")
        sweep = Sweep(sized, [(False, 0), (True, 0)], [], (), orders, False)
        rows: dict[tuple[str, bool], list[int]] = {}
        for layer in layers:
            for (_, _, setting), counts in measure_layer(prefill(layer), [sweep]).counts.items():
                total = rows.setdefault((setting.schedule, setting.fused), [0, 0, 0])
                for i, value in enumerate((sum(counts.rows), sum(counts.new_maxima), sum(counts.rescales))):
                    total[i] += value
        natural = rows["natural", False]
        for (schedule, fused), (count, maxima, integer) in rows.items():
            found.append({"keys_per_block": size, "schedule": schedule, "fused": fused, "rows": count, "maxima": maxima / count,
                          "integer": integer / count, "maxima_saved": 100 * (1 - maxima / natural[1]) if not fused else None,
                          "integer_saved": 100 * (1 - integer / natural[2])})
    return found


def whole_layers(times: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Attention, with projections, and a whole layer of LLaMA-3-8B, in milliseconds, and how much longer the baselines take."""
    found = []
    usual = [row for row in times if row["gbs"] == USUAL]
    for tokens in sorted({row["tokens"] for row in usual}):
        rows = [row for row in usual if row["tokens"] == tokens]
        own = next(row for row in rows if row["design"] == OURS)
        around, network = linear.milliseconds(linear.LLAMA3_8B, tokens, peak(load_system("default")), Memories(USUAL).beat)
        for row in rows:
            attention, mine = row["milliseconds"], own["milliseconds"]
            found.append({"tokens": tokens, "design": row["design"], "attention": attention, "projections": around,
                          "feed_forward": network, "times": attention / mine,
                          "times_projections": (attention + around) / (mine + around),
                          "times_layer": (attention + around + network) / (mine + around + network)})
    return found


def accounts(seed: int) -> list[dict[str, Any]]:
    """The paper's Figs. 8 and 9 by the plainest accounting, length by length, and how many other formulas would do."""
    found = []
    for reading, search in ((accounting.OFF_CHIP_READING, accounting.OFF_CHIP_SEARCH),
                            (accounting.ON_CHIP_READING, accounting.ON_CHIP_SEARCH)):
        fits = accounting.fits(reading.claim, search, np.random.default_rng(seed))
        claim = reading.claim
        found.append({"where": claim.where, "what": claim.what, "claim": claim.text, "own": reading.own.text,
                      "other": reading.other.text, "saved": {t: reading.saved(t) for t in accounting.LENGTHS},
                      "fits": len(fits.found), "tried": fits.tried, "by_chance": fits.by_chance})
    return found


def equal_cells(design: str) -> bool:
    """Whether a design of this name has as many bit cells as this project, not as many macros alone."""
    return design.endswith(banks_text(BANKS))


def best(rows: Sequence[dict[str, Any]], kind: str, tokens: int, cells: bool, gbs: float = USUAL) -> dict[str, Any]:
    """The quickest variant of a baseline, ``unfused`` or ``KV-stationary``: with equal ``cells``, or with equal macros."""
    return min((row for row in rows if row["design"].startswith(kind) and equal_cells(row["design"]) == cells
                and row["tokens"] == tokens and row["gbs"] == gbs), key=lambda row: row["cycles"])


def verdicts(study: dict[str, Any]) -> list[dict[str, str]]:
    """Each claim beside what the plain accounting and what the designs give, and what it hangs on."""
    tokens = max(row["tokens"] for row in study["times"])
    times, energies, assumed = study["times"], study["energy"], study["assumed"]

    def of(rows: Sequence[dict[str, Any]], **wanted: Any) -> dict[str, Any]:
        return next(row for row in rows if all(row[name] == value for name, value in wanted.items()))

    own = of(energies, design=OURS, tokens=tokens)
    first, second = (best(times, kind, tokens, False) for kind in ("unfused", "KV-stationary"))
    more_first, more_second = (best(times, kind, tokens, True) for kind in ("unfused", "KV-stationary"))
    free = [row for row in assumed if row["tokens"] == tokens]
    waiting = of(assumed, tokens=tokens, assumption=ASSUMED[2][0])["less"]
    spilled = of(energies, design=Unfused().name, tokens=tokens)
    account = {row["where"]: row["saved"] for row in study["accounting"]}
    natural, diagonal = (next(row for row in study["rescales"] if row["schedule"] == name and not row["fused"]
                              and row["keys_per_block"] == PAPERS_TILE) for name in ("natural", "diagonal_first"))
    dram = [of(times, design=name, tokens=tokens, gbs=USUAL)["dram_bytes"] for name in (OURS, Unfused().name)]
    buffer = [of(times, design=name, tokens=tokens, gbs=USUAL)["buffer_bytes"] for name in (OURS, second["design"])]
    return [
        _verdict(SPEED, "-", f"{first['times']:.2f} x the quickest unfused design at {USUAL} GB/s with the same macros, "
                 f"{more_first['times']:.2f} x with the same bit cells; {free[0]['times']:.2f} x "
                 f"where no memory is in the way and nothing overlaps, {free[1]['times']:.2f} x where all does",
                 "whether QK^T, softmax and PV overlap; how fast the memory is that S and P go to; how many tiles a macro holds"),
        _verdict(LATENCY, "-", f"{100 * (1 - 1 / second['times']):.0f} % less than the best KV-stationary design with the same "
                 f"macros, {100 * (1 - 1 / more_second['times']):.0f} % with the same bit cells; {waiting:.0f} % less than one "
                 "that writes K and V anew for every 64 rows and waits, where no memory is in the way",
                 "K and V written for every 64 rows, into macros that cannot work meanwhile"),
        _verdict(ENERGY, "-", f"{spilled['typical']['chip'] / own['typical']['chip']:.2f} x on the chip, "
                 f"{spilled['typical']['total'] / own['typical']['total']:.2f} x with memory, against S and P spilled",
                 "S and P in the memory outside, or not; whether that memory counts"),
        _verdict(OFF_CHIP, _ends(account["Fig. 8"]), f"{100 * (1 - dram[0] / dram[1]):.0f} % against S and P spilled",
                 "one stream of K and V for all engines (ours), or one for each tile (the accounting)"),
        _verdict(ON_CHIP, _ends(account["Fig. 9"]), f"{100 * (1 - buffer[0] / buffer[1]):.0f} % against {second['choice']}",
                 "partial sums of O in the buffer, and how often"),
        _verdict(RESCALES, "-", f"{diagonal['maxima_saved']:.1f} % fewer where every new maximum rescales, "
                 f"{diagonal['integer_saved']:.1f} % with whole powers of two ({natural['maxima']:.2f} and "
                 f"{natural['integer']:.2f} a row in natural order), {study['rescale_source']}", "the model and the text"),
        _verdict(EFFICIENCY, "-", f"{own['typical']['tops_chip']:.1f} typical on the chip ({own['high']['tops_chip']:.1f} to "
                 f"{own['low']['tops_chip']:.1f}), {own['typical']['tops_total']:.1f} with memory",
                 "the cost of an accumulator's access; whether memory counts"),
    ]


def _verdict(claim: Any, account: str, simulated: str, hangs: str) -> dict[str, str]:
    return {"where": claim.where, "what": claim.what, "paper": claim.text, "accounting": account, "here": simulated,
            "hangs": hangs}


def _ends(saved: dict[Any, float]) -> str:
    values = list(saved.values())
    return f"{values[0]:.1f} to {values[-1]:.1f} %"
