"""What the page about gates says of a record of the regression."""

from __future__ import annotations

from scripts.figures.gates import gates
from scripts.figures.text import plain
from scripts.gate_level import benches, core, proofs
from scripts.gate_level.blocks import BLOCKS


def job(module: str, parameters: dict, **metrics: object) -> dict:
    """A job as the record has it."""
    return {"module": module, "parameters": parameters, "sim": "icarus", "cpu_seconds": 12.3, "metrics": metrics}


def test_blocks_and_the_core_of_a_record() -> None:
    jobs = [job(benches.__name__, {"block": name}, **{"cells": 1234, "flip-flops": 56, "tests passed": 7}) for name in BLOCKS]
    jobs += [job(proofs.__name__, {"block": name}, equal="from the RTL", registers=55) for name in BLOCKS]
    jobs.append(job(core.__name__, {"tiles": 3}, **{"cells": 99_000, "flip-flops": 5_600, "tiles": 6, "cycles": 1_000}))
    pieces = {piece.region: plain(piece.text).splitlines() for piece in gates({"jobs": jobs})}
    assert len(pieces["gates"]) == 2 + len(BLOCKS)
    assert "| `exp2` | LANES 1, PROB_BITS 14 | 1,234 | 56 | 7 | 12 | from the RTL | 55 | 12 |" in pieces["gates"]
    assert pieces["gates-core"][2:] == ["| icarus | 99,000 | 5,600 | 6 | 1,000 | 12 |"]
