"""The example of docs/system.md does a layer's attention, on the accelerator that the events' tests build too."""

from __future__ import annotations

import numpy as np

from scripts.flow.simulator import RunOptions
from tb.accelerator.events import run_events


def test_the_example_of_the_page(seed: int, generator: np.random.Generator) -> None:
    result = run_events(generator, RunOptions(sim="icarus", seed=seed), "tb.accelerator.bench_page")
    (line,) = [line for line in result.log.read_text().splitlines() if line.startswith("prefill:")]
    print(line)
