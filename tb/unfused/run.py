"""From operands and plans to a verdict: golden results, the file for the bench, the run."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from models.baseline.unfused import Operands, Result, attention, rows_of, run_program
from models.baseline.unfused_program import Operation, Plan, UnfusedConfig, write_program
from models.place import BUILD
from scripts.flow.simulator import USUAL, BenchResult, RunOptions, run_bench
from tb.unfused.cases import Case, save_cases

TOP, BENCH = "fcim_unfused", "tb.unfused.bench_unfused"
KINDS = ("prefill", "chunk", "decode", "any")       # of positions
MOST_KEYS, MOST_ROWS = 360, 24


def draw_operands(generator: np.random.Generator, head_dim: int, positions: np.ndarray, keys: int,
                  shift: int | None = None) -> Operands:
    """Any operands: rows at ``positions`` int64 [R] and ``keys`` keys; scores of any size where no shift is given."""
    q, k, v = (torch.from_numpy(generator.integers(-128, 128, (count, head_dim)).astype(np.int8))
               for count in (len(positions), keys, keys))
    q_mult, k_mult = (torch.from_numpy(generator.integers(1 << 12, 1 << 16, count)) for count in (len(positions), keys))
    return Operands(q, q_mult, torch.from_numpy(positions), k, v, k_mult, torch.from_numpy(generator.integers(0, 16, keys)),
                    int(generator.integers(27, 42)) if shift is None else shift)


def draw_positions(generator: np.random.Generator, kind: str, rows: int, keys: int) -> np.ndarray:
    """Positions of rows, int64 [rows].

    Args:
        kind: "prefill", groups of rows from key 0 on; "chunk", the last ones of the keys; "decode", all at the last key;
            "any", in no order, some beyond the keys.
    """
    if kind == "decode":
        return np.full(rows, keys - 1)
    if kind == "any":
        return generator.integers(0, keys + 5, rows)
    group = int(generator.integers(1, 5))
    first = 0 if kind == "prefill" else max(0, keys - -(-rows // group))
    return np.minimum(first + np.arange(rows) // group, keys - 1)


def draw_plan(generator: np.random.Generator, cfg: UnfusedConfig) -> Plan:
    """Any plan."""
    flags = generator.integers(0, 2, 4).astype(bool).tolist()
    return Plan(block=int(generator.integers(1, min(40, cfg.slots // 2) + 1)), serial=flags[0], ahead=flags[1], resident=flags[2],
                banks=int(generator.choice([0, 0, 1, cfg.banks // 2])), trim=flags[3],
                softmax_keys=int(generator.choice([0, 0, cfg.lanes, 3 * cfg.lanes])))


def golden(cfg: UnfusedConfig, program: Sequence[Operation], x: Operands) -> Result:
    """What a program gives, which is attention.

    Raises:
        AssertionError: it is not: the program or the model is wrong.
    """
    result = run_program(cfg, program, x)
    assert torch.equal(rows_of(cfg, result, len(x.q)), attention(x)[0]), "the program does not do attention"
    assert len(result.out) == len(x.q) * cfg.parts
    return result


def case_of(program: Sequence[Operation], x: Operands, result: Result) -> Case:
    """What the bench needs."""
    operands = {name: getattr(x, name) for name in ("q", "q_mult", "positions", "k", "v", "k_mult", "v_mult")}
    memories = {name: values for kind in ("s", "p", "o")
                for name, values in zip((kind, f"{kind}_there"), getattr(result, kind), strict=True)}
    return Case(program, {name: values.numpy() for name, values in operands.items()}, torch.stack(result.out).numpy(),
                np.array(result.empty), result.counters, {name: values.numpy() for name, values in memories.items()})


def planned(cfg: UnfusedConfig, plan: Plan, x: Operands) -> tuple[Case, Result]:
    """A case by a plan, and all that the model says of it."""
    program = write_program(cfg, plan, x.numpy_positions, x.keys, x.shift)
    result = golden(cfg, program, x)
    return case_of(program, x, result), result


def draw_config(generator: np.random.Generator) -> UnfusedConfig:
    """Any hardware that simulates in seconds."""
    def choice(*values: int) -> int:
        return int(generator.choice(values))

    head_dim, port = choice(16, 32, 64), choice(4, 8, 16, 64, 256)
    rows = choice(*[size for size in (8, 16, 32, 64) if size <= head_dim])
    macros = choice(*[count for count in (1, 2, 4, 8, 16, 32) if count * rows * head_dim <= 8192])
    return UnfusedConfig(macros, rows, head_dim, choice(1, 2, 4, 8), choice(*[n for n in (2, 4, 8, 32, 128) if n <= port // 2]),
                         port, choice(32, 64, 128), choice(2, 4, 8))


def random_cases(cfg: UnfusedConfig, generator: np.random.Generator, kinds: Sequence[str] = KINDS) -> list[Case]:
    """A case of each kind by any plan; rows of a decode see many keys, a span at least, and so drive all macros."""
    cases, most_keys = [], min(3 * cfg.qk_span, MOST_KEYS)
    for kind in kinds:
        drawn, rows = (int(generator.integers(1, most + 1)) for most in (most_keys, MOST_ROWS))
        keys = max(most_keys, cfg.qk_span) if kind == "decode" else drawn
        x = draw_operands(generator, cfg.head_dim, draw_positions(generator, kind, rows, keys), keys)
        cases.append(planned(cfg, draw_plan(generator, cfg), x)[0])
    return cases


def run_cases(cfg: UnfusedConfig, cases: Sequence[Case], patterns: Sequence[str] = ("none",),
              options: RunOptions = USUAL) -> tuple[BenchResult, dict[tuple[int, str], int]]:
    """The cases through the RTL: the cycles of each under each pattern.

    Raises:
        BenchFailed: something differs from the models.
    """
    place = Path(os.environ.get("FCIM_RUNS") or BUILD)
    place.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place, prefix="unfused-") as folder:
        file, cycles = Path(folder) / "cases.npz", Path(folder) / "cycles.txt"
        save_cases(file, cases)
        environment = {"UNFUSED_CASES": str(file), "UNFUSED_COUNT": str(len(cases)), "UNFUSED_PATTERNS": ",".join(patterns),
                       "UNFUSED_CYCLES": str(cycles), **options.extra_env}
        result = run_bench(TOP, BENCH, cfg.verilog_parameters, replace(options, extra_env=environment))
        lines = [line.split() for line in cycles.read_text().splitlines()]
    found = {(int(number), pattern): int(count) for number, pattern, count in lines}
    assert result.passed == len(found) == len(cases) * len(patterns), "a case did not run"
    return result, found
