"""A layer's attention through the accelerator's RTL, from memory to memory: the command behind ``make system``."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence

from models.errors import FcimError, run_cli
from models.place import BUILD, FRONT
from scripts.checks import check_call
from scripts.flow.arguments import Parser
from scripts.flow.seeds import choose_seed

FOLDER = BUILD / "system"
TOKENS, GBS, LATENCY = 512, 51.2, 100
VARIABLES = ("system", "engines", "model", "checkpoint", "tensors", "layer", "text", "geometry", "heads", "tokens", "phase",
             "split", "dram_gbs", "dram_latency", "skip", "octaves", "tau")


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The options.

    Raises:
        FcimError: one is wrong.
    """
    args = Parser("system", "A layer's attention through the accelerator's RTL, from tensors in memory to O in memory.",
                  system="default", phase="prefill", dram_gbs=GBS, dram_latency=LATENCY,
                  out=FOLDER).parse_args(arguments)
    if not args.tensors and not args.tokens:
        args.tokens = TOKENS        # a file has as many as it has
    if args.split and args.phase != "decode":
        raise FcimError("SPLIT goes with PHASE=decode; a prefill shares out tiles, not keys")
    return args


def repeat_command(args: argparse.Namespace, seed: int) -> str:
    """The ``make`` line that repeats this run."""
    names = [name for name in VARIABLES if not (name == "checkpoint" and args.model)]
    given = [(name.upper(), getattr(args, name)) for name in names] + [("FUSED", None if args.fused is None else int(args.fused))]
    shown = [(name, 1 if value is True else value) for name, value in given if value not in (None, "", False)]
    return " ".join([f"{FRONT} system", *(f"{name}={shlex.quote(str(value))}" for name, value in shown), f"SEED={seed}"])


def main() -> int:
    args = parse_args()
    check_call(args, args.out)
    seed = choose_seed(args.seed)
    source = args.tensors or args.model or args.checkpoint or "the fixture model"
    whose = f"synthetic tensors of {args.geometry}" if args.geometry else source
    print(f"attention of {whose} through the accelerator; loading PyTorch and the tensors ...", flush=True)
    from scripts.system.run import run  # late: it takes seconds, in which nothing would be said

    return run(args, seed, repeat_command(args, seed))


if __name__ == "__main__":
    run_cli(main)
