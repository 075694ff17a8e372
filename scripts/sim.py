#!/usr/bin/env python3
"""Run LLaMA-3 attention through the Verilog engine and score what comes out: the command behind ``make sim``."""

from __future__ import annotations

import argparse
import datetime
import shlex
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from models.attention_tensors import AttentionTensors
from models.bounds import check_floors, check_gap, floors_apply, gap_applies
from models.config import HardwareConfig, config_names, load_config
from models.errors import FcimError, run_cli
from models.metrics import compare_heads
from models.quantise import dequantise, quantise
from models.reference import group_attention, reference_attention
from models.schedules import TileOptions
from models.source import decode_step, load_tensors, tell_first_token
from models.tiling import build_tiles
from scripts.arguments import Parser
from scripts.call import check_call
from scripts.rtl_list import ROOT
from scripts.seeds import choose_seed
from scripts.sim_environment import git_state, tool_versions
from scripts.sim_jobs import GroupJob, GroupOutcome, run_jobs
from scripts.sim_record import HeadRow, PhaseRun, SimRecord
from scripts.sim_report import HeadPicture, head_picture, write_report
from scripts.sim_table import print_table
from scripts.simulate import require_simulator

DEFAULT_TOKENS = 256
DEFAULT_GROUPS = 2          # KV groups simulated when no heads are named: what Icarus does in well under two minutes
FOLDER = ROOT / "build" / "sim"
PREFERRED = ("default", "head64", "tiny")


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = Parser("sim", "Run LLaMA-3 attention through the Verilog engine and score what comes out.", tau=0,
                    schedule="natural", sim="icarus", jobs=2)
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder of the report (default: build/sim)")
    return parser.parse_args(argv)


def choose_config(name: str | None, head_dim: int) -> HardwareConfig:
    """The named configuration, or the shipped one that has the tensors' ``head_dim``.

    Raises:
        FcimError: none has, or the named one has another.
    """
    if name:
        cfg = load_config(name)
        if cfg.head_dim != head_dim:
            raise FcimError(f"the tensors have head_dim {head_dim}, but configuration '{cfg.name}' has {cfg.head_dim}; "
                            "choose another CONFIG or leave it out")
        return cfg
    others = [n for n in config_names() if n not in PREFERRED]
    for candidate in (*PREFERRED, *others):
        cfg = load_config(candidate)
        if cfg.head_dim == head_dim:
            return cfg
    raise FcimError(f"no configuration in config/ has head_dim {head_dim}; write one and name it with CONFIG")


def first_groups(tensors: AttentionTensors, groups: int) -> AttentionTensors:
    """The query heads of the first ``groups`` KV heads."""
    if tensors.k.shape[0] <= groups:
        return tensors
    return tensors.select_heads([i for i, kv in enumerate(tensors.kv_of_head) if kv < groups])


class Phase:
    """One layer's tensors in one phase, with its reference, quantised groups and jobs."""

    def __init__(self, tensors: AttentionTensors, name: str, cfg: HardwareConfig, options: TileOptions) -> None:
        self.tensors, self.name = tensors, name
        self.layer = int(tensors.source.get("layer", 0))
        self.reference = reference_attention(tensors)
        self.jobs: list[GroupJob] = []
        self.rows: list[list[int]] = []
        for group, part in zip(quantise(tensors), tensors.by_group(), strict=True):
            keys = sum(tile.k.shape[0] for tile in build_tiles(cfg, group, **asdict(options)))
            self.rows.append([tensors.heads.index(h) for h in part.heads])
            self.jobs.append(GroupJob(f"layer {self.layer}, KV head {part.kv}, {name}", self.layer, part.kv, name,
                                      list(part.heads), group, keys))

    def head_rows(self, outcomes: list[GroupOutcome]) -> Iterator[HeadRow]:
        """Scores of every head whose output came."""
        for job, rows, outcome in zip(self.jobs, self.rows, outcomes, strict=True):
            if not outcome.output.numel():
                continue
            reference = self.reference[rows]
            q, k, v = dequantise(job.group)
            ideal = compare_heads(group_attention(q, k, v, self.tensors.scale), reference)
            for i, metrics in enumerate(compare_heads(outcome.output, reference)):
                yield HeadRow(job.heads[i], job.name, self.layer, self.name, reference.shape[1], self.tensors.k.shape[1],
                              reference[i].numel(), int(outcome.mismatches[i]), metrics, ideal[i].sqnr_db)

    def picture(self, outcomes: list[GroupOutcome]) -> HeadPicture | None:
        """The first head's attention map beside the error of the engine's output."""
        if not outcomes[0].output.numel():
            return None
        t, head = self.tensors, self.rows[0][0]
        return head_picture(self.jobs[0].heads[0], self.layer, t.q[head], t.k[t.kv_of_head[head]], t.scale,
                            outcomes[0].output[0], self.reference[head])


@contextmanager
def progress_line(total_keys: int, total_runs: int) -> Iterator:
    """A bar on a terminal, a line now and then elsewhere; gives ``advance(keys, runs)``."""
    console = Console(stderr=True)
    if console.is_terminal:
        with Progress(TextColumn("simulating"), BarColumn(), TextColumn("{task.completed:,.0f}/{task.total:,.0f} keys"),
                      TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(), console=console) as bar:
            task = bar.add_task("", total=total_keys)
            yield lambda keys, runs: bar.update(task, completed=keys)
            bar.update(task, completed=total_keys)
        return
    shown = [time.monotonic()]

    def line(keys: int, runs: int) -> None:
        if time.monotonic() - shown[0] > 10:
            shown[0] = time.monotonic()
            print(f"simulated {keys:,} of {total_keys:,} keys, {runs} of {total_runs} runs done", file=sys.stderr, flush=True)

    yield line


def add_outcomes(record: SimRecord, phase: Phase, outcomes: list[GroupOutcome]) -> None:
    """Put one phase's runs and heads into the record."""
    for job, outcome in zip(phase.jobs, outcomes, strict=True):
        problems = [p for p in outcome.problems if not p.startswith("counter ")]     # those are compared by the record
        record.problems += [f"{job.name}: {problem}" for problem in problems]
        if outcome.counters:
            record.runs.append(PhaseRun(job.name, job.layer, job.kv_head, job.phase, job.heads, outcome.tiles,
                                        outcome.counters["cycles"], outcome.ideal_cycles, outcome.counters, outcome.predicted))
    record.heads += list(phase.head_rows(outcomes))


def add_checks(record: SimRecord, cfg: HardwareConfig, fixture: bool, tokens: int) -> None:
    """The accuracy bounds that apply to this run."""
    if gap_applies(cfg.prob_bits, record.tau):
        record.checks += check_gap([f"{h.name} {h.phase}" for h in record.heads], [h.metrics.sqnr_db for h in record.heads],
                                   [h.quantised_sqnr_db for h in record.heads])
    prefill = [h.metrics for h in record.heads if h.phase == "prefill"]
    if prefill and floors_apply(fixture, tokens, "prefill") and record.tau == 0:
        record.checks += check_floors(prefill)


def repeat_command(args: argparse.Namespace, seed: int) -> str:
    """The ``make`` line that repeats this run."""
    names = ("config", "checkpoint", "tensors", "layer", "heads", "text", "tokens")
    given = [(name.upper(), getattr(args, name)) for name in names]
    given += [("TAU", args.tau or None), ("SCHEDULE", args.schedule if args.schedule != "natural" else None),
              ("FUSED", 1 if args.fused else None), ("SKIP", 1 if args.skip else None)]
    given += [("SIM", args.sim if args.sim != "icarus" else None), ("SEED", seed)]
    return " ".join(["make sim", *(f"{name}={shlex.quote(str(value))}" for name, value in given if value not in (None, ""))])


def shown(path: Path) -> str:
    """A path as the user would type it from the project root."""
    path = path.resolve()
    return str(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path)


def main() -> int:
    args = parse_args()
    check_call(args, args.out)
    require_simulator(args.sim)
    started, clock = datetime.datetime.now(datetime.UTC), time.monotonic()
    seed = choose_seed(args.seed)
    fixture = not args.checkpoint and not args.tensors
    tokens = args.tokens or (None if args.tensors else DEFAULT_TOKENS)
    layers = load_tensors(args.checkpoint, args.tensors, args.layer, args.heads, args.text, tokens)
    tell_first_token(layers[0].source)
    if not args.heads:
        layers = [first_groups(t, DEFAULT_GROUPS) for t in layers]
    cfg = choose_config(args.config, layers[0].q.shape[-1])
    options = TileOptions(args.schedule, args.fused, args.skip, args.tau).check(cfg)
    command = repeat_command(args, seed)
    phases = []
    for tensors in layers:
        if tensors.q.shape[1] > 1:
            phases.append(Phase(tensors, "prefill", cfg, options))
        phases.append(Phase(decode_step(tensors), "decode", cfg, options))
    # long runs first, so that both workers end at about the same time
    jobs = sorted((job for phase in phases for job in phase.jobs), key=lambda job: -job.keys)
    total = sum(job.keys for job in jobs)
    rate = "Icarus" if args.sim == "icarus" else args.sim
    print(f"configuration {cfg.name}: {cfg.rows} rows, head_dim {cfg.head_dim}, {cfg.keys_per_block} keys per block; "
          f"{len(jobs)} engine runs, {total:,} keys, {total * cfg.cycles_per_key:,} cycles in {rate}; seed {seed}", flush=True)
    with progress_line(total, len(jobs)) as advance:
        done = run_jobs(jobs, cfg, options, args.sim, seed, args.waves, command, args.out / "work", args.jobs, advance)
    by_name = dict(zip((job.name for job in jobs), done, strict=True))

    record = SimRecord(command=command, seed=seed, simulator=args.sim, config={"name": cfg.name, **cfg.verilog_parameters()},
                       **asdict(options), smooth_k=True, source=dict(layers[0].source),
                       versions=tool_versions(args.sim), git=git_state(), started=started.isoformat(timespec="seconds"))
    pictures = []
    for phase in phases:
        outcomes = [by_name[job.name] for job in phase.jobs]
        add_outcomes(record, phase, outcomes)
        if phase.name == "prefill" and (picture := phase.picture(outcomes)) is not None:
            pictures.append(picture)
    add_checks(record, cfg, fixture, layers[0].q.shape[1])
    record.wall_seconds = round(time.monotonic() - clock, 1)
    json_path, html_path = write_report(record, pictures, args.out)
    print_table(record)
    print(f"report: {shown(json_path)} and {shown(html_path)}; repeat with: {command}")
    if args.waves:
        waves = sorted((ROOT / "build" / "rtl").rglob("*.fst"), key=lambda p: p.stat().st_mtime)
        print(f"waveform: {shown(waves[-1])}" if waves else "no waveform was written")
    return 0 if record.passed else 1


if __name__ == "__main__":
    torch.set_num_threads(2)
    run_cli(main)
