"""``make bench-sim``: how fast the simulators run the default engine, and where the time goes; see :mod:`scripts.studies.speed`.

Run it on one core: ``make bench-sim`` does.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict

import torch

from models.errors import run_cli
from models.hardware.config import load_config
from models.place import BUILD, FRONT, PLACE
from scripts.flow.arguments import Parser
from scripts.flow.files import write_atomic
from scripts.flow.processes import locked, of_its_own
from scripts.flow.seeds import choose_seed
from scripts.flow.simulator import BUILD_ARGS, FASTEST_ARGS, require_simulator
from scripts.flow.tool_versions import git_state, tool_versions
from scripts.studies.speed import FULL, SHORT, Line, alone, in_numpy, speed_table, under_cocotb

RESULT = BUILD / "bench-sim" / "bench-sim.json"


def main() -> int:
    """Measure, print, write ``bench-sim.json``."""
    args = Parser("bench-sim", "How fast the simulators run the default engine.", tokens=FULL).parse_args()
    torch.set_num_threads(1)
    for sim in ("icarus", "verilator"):
        require_simulator(sim)
    cfg, seed = load_config("default"), choose_seed(args.seed)
    short = min(SHORT, args.tokens)
    steps: list[Callable[[], Line]] = [
        lambda: under_cocotb("Icarus, Python drives", cfg, short, seed, "icarus", "python"),
        lambda: under_cocotb("Icarus, streams from files", cfg, short, seed, "icarus", "files"),
        lambda: under_cocotb("Verilator, Python drives", cfg, min(4 * short, args.tokens), seed, "verilator", "python"),
        lambda: under_cocotb("Verilator, streams from files", cfg, args.tokens, seed, "verilator", "files"),
        lambda: under_cocotb("Verilator, fastest settings", cfg, args.tokens, seed, "verilator", "files", FASTEST_ARGS),
        lambda: alone("Verilator without cocotb", cfg, args.tokens, seed),
        lambda: in_numpy(cfg, args.tokens, seed),
    ]
    lines = []
    said = "wait for its end: two at a time would measure each other"
    with locked(RESULT.parent, "bench-sim", said), of_its_own(RESULT.parent):
        for step in steps:
            lines.append(step())
            print(f"{lines[-1].name}: {lines[-1].seconds:.2f} CPU s", flush=True)
    speed_table(lines).show()
    record = {"command": f"{FRONT} bench-sim TOKENS={args.tokens}", "seed": seed, "config": cfg.verilog_parameters(),
              "git": git_state(), "versions": tool_versions("verilator"), "settings": {"verilator": BUILD_ARGS["verilator"],
              "fastest": list(FASTEST_ARGS)},
              "lines": [{**asdict(line), "seconds": line.seconds, "macs_per_second": line.macs_per_second} for line in lines]}
    write_atomic(RESULT, json.dumps(record, indent=2) + "\n")
    print(f"record: {RESULT.relative_to(PLACE)}")
    return 0


if __name__ == "__main__":
    run_cli(main)
