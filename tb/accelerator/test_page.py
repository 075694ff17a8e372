"""The example of docs/system.md does a layer's attention, on the accelerator that the events' tests build too."""

from __future__ import annotations

from scripts.flow.simulator import RunOptions, run_bench
from scripts.flow.sources import rtl_files
from tb.accelerator.events import PARAMETERS
from tb.accelerator.run import HARNESS, TOP


def test_the_example_of_the_page(seed: int) -> None:
    result = run_bench(TOP, "tb.accelerator.bench_page", PARAMETERS,
                       RunOptions(sim="icarus", seed=seed, sources=[*rtl_files(), *HARNESS]))
    (line,) = [line for line in result.log.read_text().splitlines() if line.startswith("prefill:")]
    print(line)
