"""One simulation from tensors to report: the phases of every layer, their engine runs, the scores, the verdict."""

from __future__ import annotations

import argparse
import datetime
import os
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from models.hardware.config import EngineConfig
from models.hardware.operands import ALL
from models.hardware.orders import Orders, load_orders
from models.hardware.quantise import quantise
from models.hardware.schedules import DEFAULT_OPTIONS, TileOptions
from models.hardware.tiling import build_tiles
from models.hardware.timeline import predict_cycles
from models.quality.bounds import BoundCheck, check_floors, floors_apply, judge_group
from models.quality.reference import reference_attention
from models.tensors.attention_tensors import AttentionTensors, HeadGroup
from models.tensors.fit import choose_config, fit_note, fit_tensors
from models.tensors.source import decode_step, load_tensors, tell_first_token
from scripts.flow.processes import of_its_own, shown
from scripts.flow.simulator import require_simulator
from scripts.flow.tool_versions import git_state, tool_versions
from scripts.sim.figures import HeadPicture, WrongPicture, head_picture
from scripts.sim.jobs import GroupJob, GroupOutcome, run_jobs
from scripts.sim.record import DONE, HeadRow, PhaseRun, SimRecord
from scripts.sim.report import WORK_IN, reported, write_report
from scripts.sim.table import print_table

DEFAULT_GROUPS = 2          # KV groups simulated when no heads are named: what Icarus does in well under two minutes
KEPT = 5                    # folders of failed runs, and of runs with a waveform, that stay


def first_groups(tensors: AttentionTensors, groups: int) -> AttentionTensors:
    """The query heads of the first ``groups`` KV heads."""
    if tensors.k.shape[0] <= groups:
        return tensors
    return tensors.select_heads([i for i, kv in enumerate(tensors.kv_of_head) if kv < groups])


class Phase:
    """One layer's tensors in one phase, with its reference, quantised groups and jobs.

    ``tensors`` fit the configuration; the first ``channels`` of a head are its own. ``orders``: of each KV head, else all are
    as the options say.
    """

    def __init__(self, tensors: AttentionTensors, channels: int, name: str, cfg: EngineConfig, options: TileOptions,
                 orders: Orders | None = None) -> None:
        self.tensors, self.channels, self.name, self.cfg = tensors, channels, name, cfg
        self.layer = int(tensors.source.get("layer", 0))
        self.reference = reference_attention(tensors)[..., :channels]
        self.jobs: list[GroupJob] = []
        self.parts: list[HeadGroup] = []
        for group, part in zip(quantise(tensors), tensors.by_group(), strict=True):
            own = orders.of_head(part.heads[0], options) if orders else options
            tiles = build_tiles(cfg, group, **asdict(own))
            shapes = [(t.q.shape[0], t.k.shape[0]) for t in tiles]
            cycles = predict_cycles(cfg, shapes, [t.fused for t in tiles])["cycles"]
            self.parts.append(part)
            self.jobs.append(GroupJob(f"layer {self.layer}, KV head {part.kv}, {name}", self.layer, part.kv, name,
                                      list(part.heads), group, sum(keys for _, keys in shapes), cycles, own))

    def rows(self, part: HeadGroup) -> list[int]:
        """The group's heads as indices into the tensors'."""
        return [self.tensors.heads.index(head) for head in part.heads]

    def heads(self, outcomes: Sequence[GroupOutcome]) -> Iterator[tuple[HeadRow, tuple[BoundCheck, ...]]]:
        """Scores of every head whose output came, each with the bounds that hold for it."""
        for job, part, outcome in zip(self.jobs, self.parts, outcomes, strict=True):
            if not outcome.output.numel():
                continue
            judged = judge_group(self.cfg, job.options, part, self.tensors.scale, job.group, outcome.output,
                                 self.reference[self.rows(part)], [f"{head} {self.name}" for head in part.heads])
            for i, head in enumerate(judged):
                tokens, keys = self.reference.shape[1], self.tensors.k.shape[1]
                yield HeadRow(job.heads[i], job.name, self.layer, self.name, tokens, keys, tokens * self.channels,
                              int(outcome.mismatches[i]), head.metrics, head.quantised_sqnr_db, head.format_sqnr_db,
                              head.arithmetic_db, head.saturations, head.outside, list(head.causes)), head.checks

    def picture(self, outcomes: Sequence[GroupOutcome]) -> HeadPicture | None:
        """The first head's attention map beside the error of the engine's output."""
        if not outcomes[0].output.numel():
            return None
        t, head = self.tensors, self.rows(self.parts[0])[0]
        return head_picture(self.jobs[0].heads[0], self.layer, t.q[head], t.k[t.kv_of_head[head]], t.scale,
                            outcomes[0].output[0, :, :self.channels], self.reference[head])

    def wrong_pictures(self, outcomes: Sequence[GroupOutcome]) -> Iterator[WrongPicture]:
        """Where the wrong values of each head lie."""
        first = self.tensors.k.shape[1] - self.tensors.q.shape[1]
        for job, outcome in zip(self.jobs, outcomes, strict=True):
            yield from (WrongPicture(f"{name}, {self.name}", first, wrong)
                        for name, wrong in zip(job.heads, outcome.wrong, strict=False) if wrong.any())


@contextmanager
def progress_line(total_keys: int, total_runs: int) -> Iterator:
    """A bar on a terminal, a line now and then elsewhere; gives ``advance(keys, runs)``."""
    console = Console(stderr=True)
    if console.is_terminal:
        with Progress(TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed:,.0f}/{task.total:,.0f} keys"),
                      TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(), console=console) as bar:
            task = bar.add_task("building the simulator", total=total_keys)
            yield lambda keys, runs: bar.update(task, completed=keys, description="simulating" if keys else None)
            bar.update(task, completed=total_keys, description="simulating")
        return
    last = [time.monotonic()]

    def line(keys: int, runs: int) -> None:
        if time.monotonic() - last[0] > 10:
            last[0] = time.monotonic()
            done = f"simulated {keys:,} of {total_keys:,} keys, {runs} of {total_runs} runs done"
            print(done if keys else "building the simulator", file=sys.stderr, flush=True)

    yield line


def add_outcomes(record: SimRecord, phase: Phase, outcomes: Sequence[GroupOutcome]) -> None:
    """Put one phase's runs, heads and bounds into the record."""
    for job, outcome in zip(phase.jobs, outcomes, strict=True):
        problems = [p for p in outcome.problems if not p.startswith("counter ")]     # those are compared by the record
        record.problems += [f"{job.name}: {problem}" for problem in problems]
        record.wrong_values += outcome.wrong_values
        if outcome.counters:
            record.runs.append(PhaseRun(job.name, job.layer, job.kv_head, job.phase, job.heads, outcome.tiles,
                                        outcome.counters["cycles"], outcome.ideal_cycles, outcome.counters, outcome.predicted))
    for head, checks in phase.heads(outcomes):
        record.heads.append(head)
        record.checks += checks


def add_floors(record: SimRecord, cfg: EngineConfig, options: TileOptions, fixture: bool, default_text: bool) -> None:
    """The floors of the fixture model's heads, if it is those that ran."""
    prefill = [h for h in record.heads if h.phase == "prefill"]
    if prefill and floors_apply(fixture=fixture, default_text=default_text, tokens=prefill[0].keys,
                                heads=len({h.name for h in prefill}), cfg=cfg, options=options):
        record.checks += check_floors([h.metrics for h in prefill])


def keep_what_is_wanted(record: SimRecord, folder: Path, out: Path, waves: Path | None) -> None:
    """Moves the folder of a run that failed, or has a waveform, to where it stays; of such folders the newest ``KEPT`` remain."""
    failed = record.verdict_kind == "FAIL"
    if not failed and waves is None:
        return
    place = out.resolve() / "kept" / record.run
    place.parent.mkdir(parents=True, exist_ok=True)
    os.replace(folder, place)
    for old in sorted(place.parent.iterdir())[:-KEPT]:
        shutil.rmtree(old, ignore_errors=True)
    record.kept = shown(place) if failed else ""
    record.waveform = shown(place / waves.resolve().relative_to(folder.resolve())) if waves else ""
    record.problems = [problem.replace(shown(folder.resolve()), shown(place)) for problem in record.problems]


def load_layers(args: argparse.Namespace, default_tokens: int | None) -> tuple[list[AttentionTensors], EngineConfig, int, str]:
    """The layers' tensors as the configuration takes them, the configuration, channels of a head, and what was done to fit.

    Raises:
        FcimError: anything the user can get wrong about them.
    """
    fixture = not args.checkpoint and not args.tensors
    layers = load_tensors(args.checkpoint, args.tensors, args.layer, args.heads, args.text, args.tokens or default_tokens)
    tell_first_token(layers[0].source)
    if not args.heads:
        layers = [first_groups(t, DEFAULT_GROUPS) for t in layers]
    head_dim = layers[0].q.shape[-1]
    cfg = choose_config(args.config, head_dim, cut=fixture)
    return [fit_tensors(t, cfg) for t in layers], cfg, min(head_dim, cfg.head_dim), fit_note(head_dim, cfg)


def simulate(args: argparse.Namespace, seed: int, command: str, default_tokens: int | None) -> int:
    """Everything after the options; gives the exit code.

    Raises:
        FcimError: anything the user can get wrong, in one line.
    """
    torch.set_num_threads(2)
    require_simulator(args.sim)
    started, clock = datetime.datetime.now(datetime.UTC), time.monotonic()
    run = f"{started:%Y%m%d-%H%M%S}-{os.getpid()}"
    options = DEFAULT_OPTIONS.given(schedule=args.schedule, fused=args.fused, skip=args.skip, tau=args.tau, octaves=args.octaves)
    record = SimRecord(command=command, seed=seed, simulator=args.sim, config={}, **asdict(options), orders=args.orders or "",
                       **asdict(ALL), source={}, run=run, started=started.isoformat(timespec="seconds"))
    with reported(record, args.out), of_its_own(args.out / WORK_IN) as folder:
        orders = load_orders(args.orders) if args.orders else None
        layers, cfg, channels, record.fit = load_layers(args, default_tokens)
        options.check(cfg)
        if orders:
            orders.check(cfg)
        if record.fit:
            print(record.fit, flush=True)
        phases = []
        for tensors in layers:
            if tensors.q.shape[1] > 1:
                phases.append(Phase(tensors, channels, "prefill", cfg, options, orders))
            phases.append(Phase(decode_step(tensors), channels, "decode", cfg, options, orders))
        # long runs first, so that both workers end at about the same time
        jobs = sorted((job for phase in phases for job in phase.jobs), key=lambda job: -job.keys)
        keys, cycles = sum(job.keys for job in jobs), sum(job.cycles for job in jobs)
        print(f"configuration {cfg.name}: {cfg.rows} rows, head_dim {cfg.head_dim}, {cfg.keys_per_block} keys per block; "
              f"{len(jobs)} engine runs, {keys:,} keys, {'at most ' if args.skip else ''}{cycles:,} cycles predicted; "
              f"seed {seed}", flush=True)
        record.config, record.source = asdict(cfg), dict(layers[0].source)
        record.versions, record.git = tool_versions(args.sim), git_state()
        with progress_line(keys, len(jobs)) as advance:
            done = run_jobs(jobs, cfg, args.sim, seed, args.waves, command, folder, args.jobs, advance)
        by_name = dict(zip((job.name for job in jobs), done, strict=True))
        pictures, wrong = [], []
        for phase in phases:
            outcomes = [by_name[job.name] for job in phase.jobs]
            add_outcomes(record, phase, outcomes)
            wrong += phase.wrong_pictures(outcomes)
            if phase.name == "prefill" and (picture := phase.picture(outcomes)) is not None:
                pictures.append(picture)
        if not orders:
            add_floors(record, cfg, options, not args.checkpoint and not args.tensors, not args.text)
        record.wall_seconds, record.state = round(time.monotonic() - clock, 1), DONE
        keep_what_is_wanted(record, folder, args.out, next((outcome.waves for outcome in done if outcome.waves), None))
        json_path, html_path = write_report(record, pictures, args.out, wrong)
    print_table(record)
    print(f"report: {shown(json_path.resolve())} and {shown(html_path.resolve())}; repeat with: {command}")
    if args.waves:
        print(f"waveform: {record.waveform or 'none was written'}")
    return record.exit_code
