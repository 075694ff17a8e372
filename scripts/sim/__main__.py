#!/usr/bin/env python3
"""Run LLaMA-3 attention through the Verilog engine and score what comes out: the command behind ``make sim``."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

from models.errors import run_cli
from models.place import BUILD, FRONT
from scripts.checks import check_call
from scripts.flow.arguments import Parser
from scripts.flow.seeds import choose_seed

DEFAULT_TOKENS = 256
FOLDER = BUILD / "sim"


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = Parser("sim", "Run LLaMA-3 attention through the Verilog engine and score what comes out.", octaves=0,
                    sim="icarus", jobs=2)
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder of the report (default: build/sim)")
    return parser.parse_args(argv)


def repeat_command(args: argparse.Namespace, seed: int) -> str:
    """The ``make`` line that repeats this run."""
    names = ("config", "model" if args.model else "checkpoint", "tensors", "layer", "heads", "text", "tokens")
    given = [(name.upper(), getattr(args, name)) for name in names]
    given += [("TAU", args.tau or None), ("SCHEDULE", args.schedule), ("FUSED", None if args.fused is None else int(args.fused)),
              ("ORDERS", args.orders), ("SKIP", 1 if args.skip else None),
              ("OCTAVES", args.octaves or None)]
    given += [("SIM", args.sim if args.sim != "icarus" else None), ("SEED", seed)]
    return " ".join([f"{FRONT} sim", *(f"{name}={shlex.quote(str(value))}" for name, value in given if value not in (None, ""))])


def main() -> int:
    args = parse_args()
    check_call(args, args.out)
    seed = choose_seed(args.seed)
    tensors = args.tensors or args.model or args.checkpoint or "the fixture model"
    print(f"attention of {tensors} through the Verilog engine in {args.sim}; loading PyTorch and the tensors ...", flush=True)
    from scripts.sim.run import simulate  # late: it takes seconds, in which nothing would be said

    return simulate(args, seed, repeat_command(args, seed), None if args.tensors else DEFAULT_TOKENS)


if __name__ == "__main__":
    run_cli(main)
