"""Programs of every kind with random operands, and what the golden model makes of them, as a file that the bench reads.

Here is torch, so this runs outside the simulator.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from models.baseline.kv_program import KvConfig, Load, Program, Rows, causal_program
from models.baseline.kv_stationary import Operands, run

KINDS = ("overlapped", "serial", "row blocks", "resident", "chunk", "decode", "random", "corners", "banks")
SPREADS = (0.3, 3.0, 40.0, 700.0)    # of the scaled scores, in octaves; the last one saturates some


@dataclass(frozen=True)
class Case:
    """A program and what it works on."""

    kind: str
    program: Program
    operands: Operands


def draw_operands(cfg: KvConfig, draw: np.random.Generator, q_pos: np.ndarray, k_pos: np.ndarray,
                  spread: float = 0.0) -> Operands:
    """Any bytes and multipliers, and a shift that gives scores of some width."""
    def some(values: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(values)).long()

    rows, keys, d = len(q_pos), len(k_pos), cfg.head_dim
    spread = spread or float(draw.choice(SPREADS))
    shift = round(np.log2(np.sqrt(d) * 5400 * 2.0**30 / (1024 * spread)))
    q, k, v = (draw.integers(-128, 128, (count, d)) for count in (rows, keys, keys))
    for array in (q, k, v):     # some of them at the ends of their range
        extreme = draw.random(len(array)) < 0.1
        array[extreme] = draw.choice([-128, 127], (int(extreme.sum()), d))
    return Operands(some(q), some(q_pos), some(draw.integers(1 << 14, 1 << 16, rows)), some(k), some(v), some(k_pos),
                    some(draw.integers(1 << 14, 1 << 16, keys)), some(draw.integers(0, 16, keys)), shift)


def draw_case(cfg: KvConfig, kind: str, draw: np.random.Generator) -> Case:
    """A program of this kind, small enough for a simulator."""
    if kind == "random":
        return _random_case(cfg, draw)
    if kind == "corners":
        return _corner_case(cfg, draw)
    if kind == "banks":
        return _bank_case(cfg, draw)
    heads = int(draw.integers(1, 5))
    most = min(cfg.max_keys, cfg.banks * cfg.span if kind == "resident" else 4 * cfg.span)
    keys = int(draw.integers(1, most + 1))
    tokens = 1 if kind == "decode" else int(draw.integers(1, min(keys, cfg.max_rows // heads, 40) + 1))
    begin = 0 if kind in ("overlapped", "serial") else keys - tokens
    positions = np.repeat(np.arange(begin, begin + tokens), heads)
    block = int(draw.integers(1, len(positions) + 1)) if kind in ("row blocks", "resident") else 0
    program = causal_program(cfg, positions.tolist(), keys, block, overlap=kind != "serial")
    return Case(kind, program, draw_operands(cfg, draw, positions, np.arange(keys)))


def _random_case(cfg: KvConfig, draw: np.random.Generator) -> Case:
    """Any order of loads and rows that is legal, with waits as loose as they may be; positions in no order."""
    group = cfg.v_tiles * cfg.rows
    n = int(draw.integers(1, min(cfg.max_rows, 24) + 1))
    keys = int(draw.integers(1, min(cfg.max_keys, 5 * cfg.span) + 1))
    loads: list[Load] = []
    rows: list[Rows] = []
    written: dict[int, int] = {}        # the last load of each bank
    read: dict[int, int] = {}           # operations after which each bank is free
    begun: set[int] = set()
    given: set[int] = set()
    met: dict[int, int] = {}            # keys of each row
    for _ in range(int(draw.integers(4, 8 * cfg.banks))):
        bank = int(draw.integers(cfg.banks))
        if bank not in written or draw.random() < 0.4:
            start = group * int(draw.integers(-(-keys // group)))
            count = int(draw.integers(1, min(cfg.span, keys - start) + 1))
            loads.append(Load(bank, start, count, int(draw.integers(read.get(bank, 0), len(rows) + 1))))
            written[bank] = len(loads)
        else:
            more = loads[written[bank] - 1].keys
            fit = [r for r in range(n) if r not in given and met.get(r, 0) + more <= cfg.max_keys]
            if not fit:
                break
            first_row = int(draw.choice(fit))
            same = [r for r in fit if r >= first_row and (r in begun) == (first_row in begun)]
            run_length = next((i for i, r in enumerate(same) if r != first_row + i), len(same))
            count = int(draw.integers(1, run_length + 1))
            last = bool(draw.random() < 0.4)
            rows.append(Rows(bank, first_row, count, first_row not in begun, last,
                             int(draw.integers(written[bank], len(loads) + 1))))
            own = set(range(first_row, first_row + count))
            begun, given = begun | own, given | (own if last else set())
            met |= {row: met.get(row, 0) + more for row in own}
            read[bank] = len(rows)
    top = 2 * cfg.max_keys - 1          # the position that nobody has
    scale = int(draw.choice([2, keys + 1, top]))
    program = Program(tuple(loads), tuple(rows))
    return Case("random", program, draw_operands(cfg, draw, draw.integers(0, scale, n), draw.integers(0, scale, keys)))


def _bank_case(cfg: KvConfig, draw: np.random.Generator) -> Case:
    """Every bank gets keys of its own once; rows meet all banks, in another order."""
    group = cfg.v_tiles * cfg.rows
    n, keys = int(draw.integers(1, 6)), min(cfg.max_keys, cfg.banks * cfg.span)
    loads = []
    for bank in draw.permutation(cfg.banks).tolist():
        start = group * int(draw.integers(keys // group))
        most = min(cfg.span, keys - start, 2 * group, cfg.max_keys // cfg.banks)
        loads.append(Load(bank, start, int(draw.integers(1, most + 1))))
    order = draw.permutation(cfg.banks).tolist()
    rows = [Rows(bank, 0, n, i == 0, i == cfg.banks - 1, 1 + [load.bank for load in loads].index(bank))
            for i, bank in enumerate(order)]
    return Case("banks", Program(tuple(loads), tuple(rows)),
                draw_operands(cfg, draw, draw.integers(keys // 2, keys, n), draw.permutation(keys)))


def _corner_case(cfg: KvConfig, draw: np.random.Generator) -> Case:
    """What others may miss: a bank that holds fewer keys than before, a tile and no more of a span, positions that descend, rows
    that see a tile or nothing, maxima that rise by more than a shift can be, a row again at once, rows that are kept."""
    span, n = cfg.span, 8
    keys = min(2 * span, cfg.max_keys)
    begin = keys - span
    twice = min(span, (cfg.max_keys - 1 - cfg.rows) // 2)       # so that no row meets more than max_keys
    often = min(span - 1, (cfg.max_keys - 1 - twice) // 4)
    loads = (Load(0, 0, span), Load(0, 0, 1, 1), Load(1, begin, twice, 0), Load(0, 0, often, 3), Load(1, 0, cfg.rows, 4))
    rows = (Rows(0, n, n, True, True, 1), Rows(0, 0, n, True, False, 2), Rows(1, 0, n, False, False, 3),
            Rows(1, n - 1, 1, False, False, 3), *(Rows(0, 2, 1, False, False, 4) for _ in range(3)),
            Rows(0, 0, n - 2, False, True, 4),
            Rows(1, n - 2, 1, False, True, 5))
    k_pos = np.arange(keys)[::-1]
    q_pos = np.concatenate([draw.integers(0, keys, 2 * n - 6), [0, keys - 1, keys - cfg.rows - 1] * 2])
    q_pos[n - 1] = keys - 1
    x = draw_operands(cfg, draw, np.maximum(q_pos, 0), k_pos, SPREADS[-1])
    # the last row's scores are 0 with the one key, then 64 octaves more, and stay there: all before that is shifted out
    x.q[n - 1], x.k[0], x.k[begin:] = 0, 0, 0
    x.q[n - 1, 0], x.k[begin:, 0] = 64, 1 << x.shift - 20
    x.q_mult[n - 1], x.k_mult[begin:] = 1 << 15, 1 << 15
    return Case("corners", Program(loads, rows), x)


def write_cases(path: Path, cfg: KvConfig, cases: Iterable[Case]) -> list[dict[str, int]]:
    """Write the programs, their operands and all that the golden model says; its counts of each are returned."""
    arrays: dict[str, np.ndarray] = {}
    described, counts = [], []
    for number, case in enumerate(cases):
        result = run(cfg, case.program, case.operands)
        counts.append(result.counts)
        described.append({"kind": case.kind, "shift": case.operands.shift, "counts": result.counts,
                          "loads": [asdict(load) for load in case.program.loads],
                          "rows": [asdict(op) for op in case.program.rows]})
        arrays |= {f"{name}_{number}": value.numpy() for name, value in vars(case.operands).items() if name != "shift"}
        arrays |= {f"{name}_{number}": value.numpy() for name, value in vars(result).items() if name != "counts"}
    np.savez(path, cases=np.array(json.dumps({"config": asdict(cfg), "cases": described})), **arrays)
    return counts
