"""The planner against the plan, with 1, 4 and 16 engines, and broken on purpose."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.hardware.config import EngineConfig
from scripts.flow.simulator import RunOptions, run_bench
from tb.common.legal import check_limits
from tb.common.mutation import check_fault, mutated_sources
from tb.core.configs import TINY
from tb.planner.model import DECODE, RESIDENT, STREAMED, Call, beats

TOP, FILE, BENCH = "fcim_planner", "rtl/system/fcim_planner.v", "tb.planner.bench_planner"
PATTERNS = 4
SMALL = replace(TINY, max_keys=1024)
SMALLEST = replace(TINY, max_keys=128)


def parameters(cfg: EngineConfig, engines: int, buffer_keys: int) -> dict[str, int]:
    """Of the planner."""
    return {"ENGINES": engines, "KEYS_PER_BLOCK": cfg.keys_per_block, "MAX_KEYS": cfg.max_keys, "BUFFER_KEYS": buffer_keys}


def some_calls(cfg: EngineConfig, engines: int, generator: np.random.Generator, count: int) -> list[Call]:
    """Every mode at its edges, then any."""
    group, step = 4, cfg.rows // 4
    found = [
        Call(RESIDENT, True, group, 1, 0, 1), Call(RESIDENT, False, group, step * engines, 0, 3),
        Call(RESIDENT, True, group, step * engines + 1, 3, 4), Call(RESIDENT, False, group, 5 * step * engines - 2, 5, 3),
        Call(STREAMED, False, group, step * engines * 2 + 3, 40, 2),
        Call(STREAMED, False, 1, 1, 0, 1), Call(DECODE, False, group, 1, 0, 2 * engines + 1, engines),
        Call(DECODE, False, group, step, 700, engines, 1), Call(DECODE, False, 1, 1, 99, 1, 1),
        Call(DECODE, False, 2, 1, 8 * 11, 3, max(engines // 2, 1)), Call(DECODE, False, 2, 1, 8 * 2, engines, min(engines, 4))]
    for _ in range(count):
        mode = int(generator.integers(3))
        group = int(generator.integers(1, cfg.rows + 1))
        step = cfg.rows // group
        tokens = int(generator.integers(1, step + 1 if mode == DECODE else min(step * engines * 3, 200) + 1))
        first = int(generator.integers(0, 300))
        split = 1 << int(generator.integers(engines.bit_length())) if mode == DECODE else 1
        own = mode == RESIDENT and bool(generator.integers(2))
        found.append(Call(mode, own, group, tokens, first, int(generator.integers(1, 5)), split))
    return found


def planned(cfg: EngineConfig, engines: int, calls: list[Call], file: Path) -> dict[str, str]:
    """The environment of a run of these calls."""
    file.write_text(json.dumps([{"pins": call.pins(cfg), "said": beats(cfg, engines, call)} for call in calls]))
    return {"PLANNER_CALLS": str(file)}


@pytest.mark.parametrize("engines", [1, 4])
def test_planner(engines: int, seed: int, generator: np.random.Generator, tmp_path: Path) -> None:
    environment = planned(SMALL, engines, some_calls(SMALL, engines, generator, 12), tmp_path / "calls.json")
    result = run_bench(TOP, BENCH, parameters(SMALL, engines, 256), RunOptions(seed=seed, extra_env=environment))
    assert result.passed == PATTERNS


@pytest.mark.sample(1)
@pytest.mark.parametrize(("cfg", "engines"), [(SMALLEST, 2), (SMALL, 2), (SMALL, 4)])
def test_decodes_of_every_length(cfg: EngineConfig, engines: int, seed: int, tmp_path: Path) -> None:
    """A head of 1, 2, 4 ... blocks up to all that there may be, for one engine and shared by all."""
    calls = [Call(DECODE, False, 4, 1, (cfg.keys_per_block << power) - 1, engines + 1, split) for split in (1, engines)
             for power in range((cfg.max_keys // cfg.keys_per_block).bit_length())]
    environment = planned(cfg, engines, calls, tmp_path / "calls.json")
    result = run_bench(TOP, BENCH, parameters(cfg, engines, 128), RunOptions(seed=seed, extra_env=environment))
    assert result.passed == PATTERNS


ENGINES = ((1, 2, 4, 8, 16), (0, 3, 5, 6, 12, 17, 32))      # legal ones and others


def test_only_legal_numbers_of_engines_elaborate() -> None:
    check_limits(TOP, parameters(SMALL, 1, 256), "ENGINES", *ENGINES)


# ---- faults
DIFFERS = "m_.* beat|has not said all|unexpected|cycle budget"
FAULTS = {
    "first-wave-is-full": ("(now_q || (!later_q && cursor_q == 0)) ?", "now_q ?", DIFFERS),
    "no-bank-is-free": ("assign free[n] = !asked_q && q_room[n];", "assign free[n] = !asked_q;", "has no bank"),
    "asked-for-twice": ("assign free[n] = !asked_q && q_room[n];", "assign free[n] = q_room[n];", "has no bank"),
    "before-its-jobs": ("&& (jobs_taken || call_decode);", ";", "before the store has"),
    "waits-for-what-comes": ("(called < most_q)", "(loaded < most_q)", "waits for blocks that are asked for"),
    "waits-in-silence": ("(called < most_q)", "1'b0", "nobody is told"),
    "last-wave-down": ("call_decode || odd;", "call_decode || !odd;", DIFFERS),
    "does-not-wait-for-blocks": ("(loaded >= most_q)", "(loaded + 1'b1 >= most_q)", "before its blocks"),
    "freed-too-early": ("closed_q & landed;", "closed_q;", "before its tiles"),
    "heads-of-one-tag": ("wire tag       = head_q[0] && resident;", "wire tag       = 1'b0;",
                         f"base is not|{DIFFERS}|freed|waits for blocks|nobody is told"),
    "last-block-forgotten": ("end_q + LAST_KEY;", "end_q;", DIFFERS),
    "shares-of-too-few": ("high      = !few ?", "high      = 1'b1 ?", DIFFERS),
    "merge-all": ("(e[ENGINE_BITS-1:0] >> call_split) == group_q", "1'b1", DIFFERS),
    "down-from-the-first": ("(ascending_q && !skip) ? END : UP;", "!skip ? END : UP;", DIFFERS),
    "first-wave-never-later": ("head_q != 0 && ascending_q && several", "1'b0", DIFFERS),
    "always-second": ("many ? 2'd3 : 2'd1", "2'd1", DIFFERS),
    "later-in-the-first-head": ("head_q != 0 && ascending_q", "ascending_q", DIFFERS),
    "never-turns": ("call_decode || !ascending_q;", "1'b1;", DIFFERS),
}


@pytest.mark.faults
@pytest.mark.sample(6)
@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_found(fault: str, seed: int, generator: np.random.Generator, tmp_path: Path) -> None:
    old, new, message = FAULTS[fault]
    environment = planned(SMALL, 4, some_calls(SMALL, 4, generator, 0), tmp_path / "calls.json")
    check_fault(tmp_path, (FILE, old, new), message, TOP, BENCH, parameters(SMALL, 4, 256),
                RunOptions(sim="icarus", seed=seed, testcase="calls/pattern=both", extra_env=environment))


@pytest.mark.faults
@pytest.mark.parametrize(("old", "new", "message"), [
    ("&& ENGINES != 16)", "&& ENGINES != 17)", "16 refused.*17 taken"), ("ENGINES != 1 &&", "", "1 refused"),
], ids=["most-refused", "one-refused"])
def test_limits_that_are_moved_are_found(old: str, new: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=message):
        check_limits(TOP, parameters(SMALL, 1, 256), "ENGINES", *ENGINES, mutated_sources(tmp_path, FILE, old, new))
