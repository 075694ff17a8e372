"""The IP-CIM macro: each value of a size meets each value of the two others. Four of the sizes run everything."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.simulate import BenchFailed, run_bench
from tb.common.mutation import mutated_sources

TOP, FILE, BENCH = "fcim_ip_cim", "rtl/ip_cim/fcim_ip_cim.v", "tb.ip_cim.bench_ip_cim"
ROWS, HEAD_DIMS, BITS = (8, 24, 64, 128), (16, 32, 64, 128), (1, 2, 4, 8)
# A Latin square: rows and head_dim give the bits.
SIZES = [(ROWS[i], HEAD_DIMS[j], BITS[(i + j + 3) % 4]) for i in range(4) for j in range(4)]
WHOLE = [(64, 128, 1), (24, 32, 2), (128, 16, 4), (8, 16, 8)]
PARTS = ["streams/pattern=both", "every_bit"]


def run(size: tuple[int, int, int], seed: int, user: int = 5, **arguments: object) -> None:
    rows, head_dim, bits = size
    parameters = {"ROWS": rows, "HEAD_DIM": head_dim, "BITS_PER_CYCLE": bits, "USER_BITS": user}
    run_bench(TOP, arguments.pop("sources", None), BENCH, parameters, seed=seed, extra_env={"IP_BITS_PER_CYCLE": str(bits)}, **arguments)


@pytest.mark.parametrize("user", [1, 40])
@pytest.mark.parametrize("size", WHOLE[-1:], ids=str)
def test_sideband_widths(size: tuple[int, int, int], user: int, seed: int) -> None:
    run(size, seed, user, testcase="streams/pattern=both")


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_ip_cim(size: tuple[int, int, int], seed: int) -> None:
    run(size, seed, testcase=None if size in WHOLE else PARTS)
