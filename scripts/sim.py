#!/usr/bin/env python3
"""Run LLaMA-3 attention through the Verilog engine and score what comes out: the command behind ``make sim``."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

from models.errors import FcimError, run_cli
from scripts.rtl_list import ROOT
from scripts.seeds import choose_seed

DEFAULT_TOKENS = 256
FOLDER = ROOT / "build" / "sim"


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", help="configuration of config/ or a .yaml file (default: the one with the head_dim)")
    parser.add_argument("--checkpoint", help="folder of a LLaMA checkpoint (default: the fixture model)")
    parser.add_argument("--tensors", help="file with q, k, v instead of a checkpoint")
    parser.add_argument("--layer", help="layers, for example 3 or 0-2 (default: the middle one)")
    parser.add_argument("--heads", help="query heads, for example 0-3,8 (default: those of the first two KV heads)")
    parser.add_argument("--text", help="text file (default: held-out text that every machine has)")
    parser.add_argument("--tokens", help=f"how many tokens (default: {DEFAULT_TOKENS}, or all of a file of tensors)")
    parser.add_argument("--tau", type=int, default=0, help="lazy rescale threshold in log2 units (default: 0)")
    parser.add_argument("--schedule", default="natural", help="order of the keys (default: natural)")
    parser.add_argument("--fused", action="store_true", help="take the first reference over the first two key blocks")
    parser.add_argument("--skip", action="store_true", help="skip key blocks whose probabilities are all 0")
    parser.add_argument("--sim", default="icarus", help="icarus (default) or verilator")
    parser.add_argument("--seed", type=int, help="seed of all random numbers (default: drawn and printed)")
    parser.add_argument("--waves", action="store_true", help="write a waveform of the first run")
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder of the report (default: build/sim)")
    parser.add_argument("--jobs", type=int, default=2, help="engine runs at a time (default: 2)")
    return parser.parse_args()


def repeat_command(args: argparse.Namespace, seed: int) -> str:
    """The ``make`` line that repeats this run."""
    names = ("config", "checkpoint", "tensors", "layer", "heads", "text", "tokens")
    given = [(name.upper(), getattr(args, name)) for name in names]
    given += [("TAU", args.tau or None), ("SCHEDULE", args.schedule if args.schedule != "natural" else None),
              ("FUSED", 1 if args.fused else None), ("SKIP", 1 if args.skip else None)]
    given += [("SIM", args.sim if args.sim != "icarus" else None), ("SEED", seed)]
    return " ".join(["make sim", *(f"{name}={shlex.quote(str(value))}" for name, value in given if value not in (None, ""))])


def main() -> int:
    args = parse_args()
    if args.jobs < 1:
        raise FcimError(f"JOBS = {args.jobs} is illegal; use 1 or more")
    seed = choose_seed(args.seed)
    tensors = args.tensors or args.checkpoint or "the fixture model"
    print(f"attention of {tensors} through the Verilog engine in {args.sim}; loading PyTorch and the tensors ...", flush=True)
    from scripts.sim_run import simulate  # late: it takes seconds, in which nothing would be said

    return simulate(args, seed, repeat_command(args, seed), None if args.tensors else DEFAULT_TOKENS)


if __name__ == "__main__":
    run_cli(main)
