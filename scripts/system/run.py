"""One run from tensors to report: quantise, lay out, simulate, compare, say."""

from __future__ import annotations

import argparse
import base64
import dataclasses
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from models.errors import FcimError
from models.hardware.config import OUT_FRAC
from models.hardware.quantise import quantise
from models.hardware.schedules import TileOptions
from models.quality.metrics import compare_heads, summarise
from models.quality.reference import reference_attention
from models.system.call import Call
from models.system.config import SystemConfig, load_system
from models.system.layout import lay_out
from models.system.plan import estimate
from models.tensors.attention_tensors import AttentionTensors
from models.tensors.fit import fit_note, fit_tensors
from models.tensors.source import load_tensors, tell_first_token
from models.tensors.synthetic import synthetic_tensors
from scripts.flow.files import replaced
from scripts.flow.html import render
from scripts.flow.processes import of_its_own, shown
from scripts.flow.simulator import RunOptions, require_simulator
from scripts.flow.tables import Column, Table
from scripts.flow.tool_versions import git_state, tool_versions
from scripts.system.figures import CLOCK_MHZ, LEAST, Figures, figures_of
from scripts.system.picture import marks_of, read_samples, timeline
from tb.accelerator.run import CallRun, Pace, run_calls

SAMPLES = 240           # of the whole run, about
RATE_CYCLES = 1000      # a memory's rate is so many beats in these
MB = 1e6
TEMPLATES = Path(__file__).parent / "templates"
NAMES = ("report.json", "report.html", "timeline.png")
COLUMNS = (Column("figure", text=True, key=True), Column("value"), Column("note", text=True, rank=1))


def call_of(args: argparse.Namespace, system: SystemConfig, tensors: AttentionTensors) -> Call:
    """The call that the options ask for."""
    options = TileOptions(fused=args.fused is None or args.fused, skip=bool(args.skip), tau=args.tau or 0,
                          octaves=args.octaves or 0)
    options.check(system.engine)
    groups = quantise(tensors)
    if args.phase == "prefill":
        return Call(groups, options, own_start=len(groups[0].k) <= system.buffer_keys)
    split = args.split or max(1 << i for i in range(system.engines.bit_length())
                              if 1 << i <= max(1, system.engines // len(groups)))
    return Call(groups, options, split=split)


def rate_of(system: SystemConfig, gbs: float) -> int:
    """Beats in RATE_CYCLES cycles of a memory that moves ``gbs`` 10^9 bytes a second, reads and writes together.

    Raises:
        FcimError: that is less than the simulated memory can be told.
    """
    rate = round(gbs * 1000 / CLOCK_MHZ / system.beat_bytes * RATE_CYCLES)
    if rate < 1:
        raise FcimError(f"DRAM_GBS = {gbs} is too slow to simulate with beats of {system.beat_bytes} bytes; use 0.1 or more")
    return min(rate, 2 * RATE_CYCLES)


def estimated_cycles(system: SystemConfig, call: Call) -> int:
    """About how long the run takes, from the plan alone."""
    if call.split is None:
        return estimate(call.prefill(system), call.own_start).cycles
    return -(-call.keys // call.split) * system.engine.cycles_per_key * -(-len(call.groups) * call.split // system.engines)


def table_of(figures: Figures, run: CallRun, system: SystemConfig, sqnr: tuple[float, float],
             seconds: Mapping[str, float]) -> list[tuple[str, str, str]]:
    """What a reader wants to know: name, value, note."""
    waited = system.engines * figures.cycles
    apart = seconds["all"] - seconds["build"]
    return [
        ("wrong outputs or counters", f"{len(run.problems)}", "; ".join(run.problems)[:120]),
        ("SQNR, mean and worst head", f"{sqnr[0]:.1f}, {sqnr[1]:.1f} dB", "against float attention of the same tensors"),
        ("cycles", f"{figures.cycles:,}", f"{figures.milliseconds:.3f} ms at {CLOCK_MHZ} MHz"),
        ("of the MACs' roof", f"{100 * figures.roof:.1f} %", "products that causality leaves, of all that macros could do"),
        ("memory", f"{figures.dram_gbs:.1f} GB/s",
         f"{figures.dram_read / MB:.2f} MB read, {figures.dram_written / MB:.2f} MB written"),
        *((f"bytes, {place}", f"{traffic.moved / MB:.2f} MB", f"{traffic.times:.3f} times the least possible")
          for place, traffic in figures.traffic.items()),
        *((f"engines wait: {cause}", f"{100 * cycles / waited:.2f} %", "of all engines' cycles")
          for cause, cycles in figures.waits.items()),
        ("time", f"{apart:.1f} s", f"the build apart; simulation {seconds['simulation']:.1f} s, models meanwhile "
         f"{seconds['golden']:.1f} s"),
    ]


def write_report(out: Path, values: dict[str, Any], picture: bytes) -> tuple[Path, Path]:
    """``report.json``, ``report.html`` and the picture by itself, all or none; gives the first two."""
    traffic = values["figures"]["traffic"]
    page = {key: value for key, value in values.items() if key != "figures"} | {
        "traffic": [(place, traffic[place], least) for place, least in LEAST.items()]}
    with replaced(out, NAMES) as folder:
        (folder / NAMES[0]).write_text(json.dumps(values, indent=1) + "\n")
        (folder / NAMES[2]).write_bytes(picture)
        (folder / NAMES[1]).write_text(render(TEMPLATES, "system.html.j2", picture=base64.b64encode(picture).decode(), **page))
    return out / NAMES[0], out / NAMES[1]


def tensors_of(args: argparse.Namespace, seed: int) -> AttentionTensors:
    """The layer that the options name.

    Raises:
        FcimError: the model, the text or the layer cannot be used, or there are several layers.
    """
    if args.geometry:
        return synthetic_tensors(args.geometry, args.tokens, seed, 1 if args.phase == "decode" else None, args.heads)
    layers = load_tensors(args.checkpoint, args.tensors, args.layer, None, args.text, args.tokens)
    if len(layers) != 1:
        raise FcimError("make system runs one layer; give one LAYER")
    tell_first_token(layers[0].source)
    return layers[0]


def run(args: argparse.Namespace, seed: int, command: str) -> int:
    """Everything after the options; gives the exit code.

    Raises:
        FcimError: anything the user can get wrong, in one line.
    """
    torch.set_num_threads(2)
    clock = time.monotonic()
    require_simulator("verilator")
    system = load_system(args.system)
    if args.engines:
        system = system.with_engines(args.engines)
    rate = rate_of(system, args.dram_gbs)
    layer = tensors_of(args, seed)
    head_dim = layer.q.shape[-1]
    if note := fit_note(head_dim, system.engine):
        print(note, flush=True)
    tensors = fit_tensors(layer, system.engine)
    if args.phase == "decode":
        tensors = tensors.last_queries(1)
    call = call_of(args, system, tensors)
    lay_out(system, call, 0, 0)     # whether it fits, before anything takes long
    cycles = estimated_cycles(system, call)
    print(f"system {system.name}: {system.engines} engines {system.engine.name}, {len(call.groups)} KV heads "
          f"of {call.group} query heads, {call.tokens} tokens, {call.keys} keys; "
          f"about {cycles:,} cycles; building and simulating ...", flush=True)
    with of_its_own(args.out / "runs") as folder:
        samples = folder / "samples.hex"
        options = RunOptions(sim="verilator", seed=seed, repeat=command)
        done = run_calls(system, [call], Pace(args.dram_latency, rate, RATE_CYCLES), run=options, by_block=system.engines > 1,
                         sample_cycles=max(16, cycles // SAMPLES), samples=samples)[0]
        drawn = read_samples(samples, system.engines, done.cycles + done.cycles // 20)
    figures = figures_of(system, call, done)
    sqnr = judge(call, done.outs[0], tensors, min(head_dim, system.engine.head_dim))
    verdict = "FAIL" if done.problems else "PASS"
    source = str(layer.source.get("model") or layer.source["file"])
    what = f"geometry {args.geometry}, synthetic tensors" if args.geometry else source
    title = (f"{what}: {args.phase}, {call.keys:,} keys, {len(call.groups)} KV heads of {call.group} query heads; "
             f"{figures.cycles:,} cycles, {verdict}")
    picture = timeline(system, drawn, title, min(rate / RATE_CYCLES, 2), marks_of(system, call))
    seconds = {name: round(value, 1) for name, value in {**done.seconds, "all": time.monotonic() - clock}.items()}
    rows = table_of(figures, done, system, sqnr, seconds)
    table = Table(COLUMNS, f"attention of a layer, {args.phase}" + (", synthetic tensors" if args.geometry else ""))
    for row in rows:
        table.add(*row)
    table.show()
    values = {"verdict": verdict, "command": command, "seed": seed, "rows": rows, "problems": done.problems,
              "system": {**dataclasses.asdict(system)}, "source": dict(layer.source), "synthetic": bool(args.geometry),
              "phase": args.phase, "keys": call.keys, "dram": {"GB/s": args.dram_gbs, "latency": args.dram_latency},
              "seconds": seconds, "versions": tool_versions("verilator"), "git": git_state(),
              "figures": {**dataclasses.asdict(figures), "sqnr_db": sqnr, "counters": done.counters}}
    paths = write_report(args.out, values, picture)
    print(f"{verdict}; report: {' and '.join(shown(path.resolve()) for path in paths)}; repeat with: {command}")
    return 1 if done.problems else 0


def judge(call: Call, out: np.ndarray, tensors: AttentionTensors, channels: int) -> tuple[float, float]:
    """SQNR in dB of the mean and of the worst head of what the accelerator gave, against float attention."""
    scales = torch.cat([group.v_scale.expand(call.group, -1) for group in call.groups])
    heads = compare_heads((torch.from_numpy(out.astype(np.float64)) * scales[:, None].double() / (1 << OUT_FRAC))[..., :channels],
                          reference_attention(tensors)[..., :channels])
    summary = summarise(heads)
    return summary.mean.sqnr_db, summary.worst.sqnr_db
