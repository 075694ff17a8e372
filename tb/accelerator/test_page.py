"""The example of docs/system.md runs as it stands, and does a layer's attention."""

from __future__ import annotations

from dataclasses import replace

from models.system.config import load_system
from scripts.flow.simulator import RunOptions, run_bench
from scripts.flow.sources import rtl_files
from tb.accelerator.run import HARNESS, TOP

# as test_calls builds it with a call at a time, which is built once for both; the example needs less memory
MEMORY = {"WORDS": 8192, "RANGES": 2}


def test_the_example_of_the_page(seed: int) -> None:
    options = replace(RunOptions(seed=seed), sources=[*rtl_files(), *HARNESS])
    result = run_bench(TOP, "tb.accelerator.bench_page", {**load_system("tiny").verilog_parameters(), **MEMORY}, options)
    (line,) = [line for line in result.log.read_text().splitlines() if line.startswith("prefill:")]
    print(line)
