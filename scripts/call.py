"""What make starts: ``python -m scripts.call TARGET --option=value ...`` checks the call, then hands over to the command.

The commands load PyTorch and models, which takes seconds. Whatever can be told to be wrong without them is told before.
"""

from __future__ import annotations

import argparse
import os
import sys

from models.errors import FcimError, run_cli, settle_streams
from models.place import BUILD, PLACE
from scripts.checks import check_call, pytest_arguments
from scripts.flow.arguments import Parser
from scripts.flow.variables import check_may_write

COMMANDS = {
    "sim": "scripts.sim", "system": "scripts.system", "waves": "scripts.sim", "ablation": "scripts.studies.schedules",
    "calibrate": "scripts.studies.schedules.calibrate",
    "perplexity": "scripts.studies.language_model.perplexity", "generate": "scripts.studies.language_model.generate",
    "precision": "scripts.studies.language_model.precision", "bench-attention": "scripts.studies.language_model.bench",
    "capture": "scripts.capture", "bench-sim": "scripts.bench_sim", "efficiency": "scripts.efficiency",
    "head-stats": "scripts.head_stats", "paper": "scripts.paper", "test": "pytest",
}
ON_SIMULATORS = {"sim": ("icarus",), "system": ("verilator",), "waves": ("icarus",), "ablation": ("icarus",),
                 "bench-sim": ("icarus", "verilator")}
WRITE_TO_BUILD = ("sim", "system", "waves", "ablation", "calibrate", "perplexity", "generate", "precision", "bench-sim",
                  "paper")


def short_waves(args: argparse.Namespace) -> list[str]:
    """What ``make waves`` runs unless the call says otherwise, and that it writes waves in a folder of their own."""
    tokens = [] if args.tokens else ["--tokens=16"]
    heads = [] if args.heads or args.checkpoint or args.tensors else ["--heads=0-3"]
    return [*tokens, *heads, "--waves", f"--out={BUILD / 'waves'}"]


def main() -> int:
    """Check, then become the command."""
    settle_streams()
    target, *arguments = sys.argv[1:] or [""]
    if target not in COMMANDS:
        raise FcimError(f"'{target}' is not started this way; use {', '.join(COMMANDS)}")
    args, _ = Parser(target, None).parse_known_args(arguments)
    if target == "test":
        check_may_write(BUILD, None)
        arguments = pytest_arguments(args)
    else:
        check_call(args, BUILD if target in WRITE_TO_BUILD else None)
        if simulators := ("verilator",) if getattr(args, "rtl", False) else ON_SIMULATORS.get(target):
            from scripts.flow.simulator import require_simulator  # late: only simulations need cocotb

            for sim in (getattr(args, "sim", None),) if getattr(args, "sim", None) else simulators:
                require_simulator(sim)
    if target == "waves":
        arguments = [*short_waves(args), *arguments]
    os.chdir(PLACE)
    os.execv(sys.executable, [sys.executable, "-m", COMMANDS[target], *arguments])


if __name__ == "__main__":
    run_cli(main)
