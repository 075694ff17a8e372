"""The benchmark's arithmetic; the benchmark itself is run by hand, since no test depends on speed."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from scripts.bench_sim import Line, head, in_numpy, mac_count
from scripts.rtl_list import ROOT
from tb.engine.configs import TINY


def test_macs_of_a_head(seed: int) -> None:
    """20 tokens in tiles of 16 rows: 16 rows see the 16 keys of their tile, 4 rows all 20; two products of 32 channels."""
    assert mac_count(head(TINY, 20, seed)) == 2 * 32 * (16 * 16 + 4 * 20)


def test_rates_and_shares() -> None:
    line = Line("name", 20, cycles=600, macs=9000, seconds=3.0, simulated=1.5, checked=0.5)
    assert (line.cycles_per_second, line.macs_per_second, line.interface) == (200.0, 3000.0, 1.0)
    assert Line("name", 20, 600, 9000, 3.0).interface is None


def test_numpy_line(seed: int) -> None:
    line = in_numpy(TINY, 24, seed)
    assert line.seconds > 0 and line.macs == mac_count(head(TINY, 24, seed)) and np.isfinite(line.macs_per_second)


@pytest.mark.parametrize("tokens", ["0", "-3"])
def test_no_tokens(tokens: str) -> None:
    command = [sys.executable, "-m", "scripts.bench_sim", "--tokens", tokens]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and done.stderr.strip() == f"error: TOKENS = {tokens} is illegal; use 1 or more"
