"""What make starts: ``python -m scripts.call TARGET --option=value ...`` checks the call, then hands over to the command.

The commands load PyTorch and models, which takes seconds. Whatever can be told to be wrong without them is told before.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from models.errors import FcimError, run_cli, settle_streams
from models.hardware.config import HardwareConfig, load_config
from models.values import parse_wholes
from scripts.flow.arguments import Parser
from scripts.flow.variables import ROOT, check_may_write

COMMANDS = {
    "sim": "scripts.sim", "waves": "scripts.sim", "ablation": "scripts.studies.schedules",
    "perplexity": "scripts.studies.language_model.perplexity", "generate": "scripts.studies.language_model.generate",
    "precision": "scripts.studies.language_model.precision", "bench-attention": "scripts.studies.language_model.bench",
    "capture": "scripts.capture", "bench-sim": "scripts.bench_sim", "efficiency": "scripts.efficiency",
    "head-stats": "scripts.head_stats", "test": "pytest",
}
ON_SIMULATORS = {"sim": ("icarus",), "waves": ("icarus",), "ablation": ("icarus",), "bench-sim": ("icarus", "verilator")}
WRITE_TO_BUILD = ("sim", "waves", "ablation", "perplexity", "generate", "precision", "bench-sim")


def check_call(args: argparse.Namespace, out: Path | None = None) -> None:
    """What can be wrong in the options of a command that are also variables of make, told without PyTorch.

    Args:
        args: the parsed options; those that the command does not have are not missed.
        out: the folder that the command writes to, unless ``args.out`` says so.

    Raises:
        FcimError: the first mistake, in one line.
    """
    given = vars(args)
    cfg = load_config(given["config"]) if given.get("config") else None
    if cfg is not None:
        _check_with(cfg, given)
    if given.get("checkpoint") and given.get("tensors"):
        raise FcimError("CHECKPOINT and TENSORS are both given; give one of them")
    for name in ("layer", "text"):
        if given.get("tensors") and given.get(name):
            raise FcimError(f"{name.upper()} goes with CHECKPOINT; a TENSORS file holds one layer of one text")
    if out is not None and given.get("out") in (None, out):
        check_may_write(out, None)


def _check_with(cfg: HardwareConfig, given: dict[str, object]) -> None:
    """The options whose limits come from the configuration."""
    from dataclasses import replace

    if isinstance(given.get("tau"), int):
        cfg.check_tau(given["tau"])
    for size in parse_wholes(given["keys_per_block"], "KEYS_PER_BLOCK", 1) if given.get("keys_per_block") else ():
        replace(cfg, keys_per_block=size)


def main() -> int:
    """Check, then become the command."""
    settle_streams()
    target, *arguments = sys.argv[1:] or [""]
    if target not in COMMANDS:
        raise FcimError(f"'{target}' is not started this way; use {', '.join(COMMANDS)}")
    args, _ = Parser(target, None).parse_known_args(arguments)
    if target == "test":
        from scripts.find_tests import pytest_arguments

        check_may_write(ROOT / "build", None)
        arguments = pytest_arguments(args)
    else:
        check_call(args, ROOT / "build" if target in WRITE_TO_BUILD else None)
        if simulators := ON_SIMULATORS.get(target):
            from scripts.flow.simulator import require_simulator  # late: only simulations need cocotb

            for sim in (getattr(args, "sim", None),) if getattr(args, "sim", None) else simulators:
                require_simulator(sim)
    os.chdir(ROOT)
    os.execv(sys.executable, [sys.executable, "-m", COMMANDS[target], *arguments])


if __name__ == "__main__":
    run_cli(main)
