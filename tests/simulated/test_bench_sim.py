"""The benchmark's arithmetic; the benchmark itself is run by hand, since no test depends on speed."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from models.errors import run_cli
from scripts import bench_sim
from scripts.studies import speed
from scripts.studies.speed import Line, head, in_numpy, mac_count, speed_table, spent
from tb.core.configs import TINY


def test_macs_of_a_head(seed: int) -> None:
    """20 tokens in tiles of 16 rows: 16 rows see the 16 keys of their tile, 4 rows all 20; two products of 32 channels."""
    assert mac_count(head(TINY, 20, seed)) == 2 * 32 * (16 * 16 + 4 * 20)


def test_rates_are_of_all_that_was_spent() -> None:
    line = Line("name", 20, cycles=600, macs=9000, simulator=2.5, python=0.5, playing=1.5)
    assert (line.seconds, line.cycles_per_second, line.macs_per_second) == (3.0, 200.0, 3000.0)


def test_other_work_on_the_machine_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every figure is CPU time of the process that spent it: clocks of the wall may say what they like, and nothing is
    the difference of two measurements, which could be negative."""
    def busy(*_: object) -> float:
        raise AssertionError("a clock of the wall was read")

    for clock in ("perf_counter", "monotonic", "time"):
        monkeypatch.setattr(speed.time, clock, busy)
    own = iter([10.0, 10.5])
    children = iter([SimpleNamespace(ru_utime=3.0, ru_stime=1.0), SimpleNamespace(ru_utime=5.0, ru_stime=1.5)])
    monkeypatch.setattr(speed.time, "process_time", lambda: next(own))
    monkeypatch.setattr(speed.resource, "getrusage", lambda _: next(children))
    # the stub's own time is what the simulator's process measured
    stub = SimpleNamespace(ok=True, counters={"cycles": 40}, simulated_seconds=2.0)
    monkeypatch.setattr(speed, "run_core", lambda *_, **__: [stub])
    line = speed.under_cocotb("name", TINY, 20, 1, "verilator", "files")
    assert (line.simulator, line.python, line.playing, line.seconds) == (2.5, 0.5, 2.0, 3.0)
    row = speed_table([line]).lines()[-1]
    assert row.split() == ["name", "20", "40", "3.00", "13", "0.0", "M", "1.0x", "2.50", "2.00", "0.50"]


def test_the_simulators_time_is_counted() -> None:
    """A program that is started and waited for costs something, and it is not this one's."""
    _, cost = spent(lambda: subprocess.run([sys.executable, "-c", "sum(range(10**6))"], check=True))
    assert cost.children > 0 and cost.own >= 0


def test_numpy_line(seed: int) -> None:
    line = in_numpy(TINY, 24, seed)
    assert line.seconds > 0 and line.macs == mac_count(head(TINY, 24, seed)) and np.isfinite(line.macs_per_second)


@pytest.mark.parametrize("tokens", ["0", "-3"])
def test_no_tokens(tokens: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["bench-sim", "--tokens", tokens])
    with pytest.raises(SystemExit) as stop:
        run_cli(bench_sim.main)
    assert stop.value.code == 2 and capsys.readouterr() == ("", f"error: TOKENS = {tokens} is illegal; use 1 or more\n")
