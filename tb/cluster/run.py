"""Runs calls through ``fcim_cluster``, wave by wave as the plan has them, and judges what comes out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from models.hardware.config import EngineConfig
from models.hardware.interface import COUNTERS
from scripts.flow.simulator import USUAL, RunOptions
from tb.cluster.phases import RESIDENT, Phase, by_engine
from tb.core.run import record_runs, tidy
from tb.core.transactions import Record

TOP, BENCH = "fcim_cluster", "tb.cluster.bench_cluster"
# counters that do not depend on when streams are ready
COUNTED = ("keys", "blocks", "zero_blocks", "rescaled_rows", "rescale_amount", "saturations", "ip_bit_ops", "op_bit_ops",
           "skipped_blocks")


@dataclass(frozen=True)
class ClusterRun:
    """One run: what is wrong with it, cycles from each call's first wave to its last row, blocks of K and V that were read."""

    pattern: str
    problems: list[str]
    cycles: int
    k_blocks: int
    v_blocks: int

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


def judge_rows(phases: Sequence[Phase], record: Record, slot: int, name: str) -> list[str]:
    """What is wrong with the rows of an engine, or of the merge unit."""
    if slot < phases[0].engines:
        want = [(p.result.out, p.result.empty) for _, p in by_engine(phases, slot) if not p.tile.partial]
    else:
        want = [(merge.out, merge.empty) for phase in phases for merge in phase.merges]
    rows, nothing = record["o_engine"] == slot, np.zeros(0, dtype=np.int64)
    wanted = {"data": np.concatenate([record["o_data"][:0], *(out.numpy() for out, _ in want)]),
              "empty": np.concatenate([nothing, *(empty.numpy() for _, empty in want)]),
              "last": np.concatenate([nothing, *(np.arange(len(out)) == len(out) - 1 for out, _ in want)])}
    problems = []
    for field, values in wanted.items():
        got = record[f"o_{field}"][rows]
        if got.shape != values.shape:
            return [f"{name}: {len(got)} rows instead of {len(values)}"]
        if differ := int((got != values).sum()):
            problems.append(f"{name}: {differ} of {values.size} of {field} differ")
    return problems


def judge_pulses(phases: Sequence[Phase], record: Record) -> list[str]:
    """What is wrong with ``tile_done`` and ``freed``, and with rows of Q that wait although their bank is free."""
    problems = []
    ends = {slot: record["o_cycle"][(record["o_engine"] == slot) & (record["o_last"] != 0)].tolist()
            for slot in range(phases[0].engines + 1)}
    joined = [part for phase in phases for part in phase.merges]
    for engine in range(phases[0].engines):
        tiles = list(by_engine(phases, engine))
        cycles, _, tags = record["done"][record["done"][:, 1] == engine].T.tolist()
        wanted = [phase.waves[placed.wave]["tag"] for phase, placed in tiles]
        if tags != wanted:
            problems.append(f"engine {engine}: tile_done with tags {tags} instead of {wanted}")
            continue
        whole = iter(ends[engine])
        merged = iter(end for end, merge in zip(ends[phases[0].engines], joined) if engine in merge.parts)
        bank = np.flatnonzero(record["q_engine"] == engine)
        for number, (_, placed) in enumerate(tiles):
            if cycles[number] >= next(merged if placed.tile.partial else whole):
                problems.append(f"engine {engine}: tile {number} is done after its last row of O")
            mine, bank = bank[:len(placed.tile.q)], bank[len(placed.tile.q):]
            taken, offered = record["q_cycle"][mine], record["q_offer"][mine]
            if number > 1 and bool(((taken > offered) & (taken > cycles[number - 2])).any()):
                problems.append(f"engine {engine}: rows of tile {number} wait although tile {number - 2} is done")
    freed = [phase for phase in phases if phase.mode != RESIDENT]
    slots = max(2, phases[0].engines)
    wanted = [sum(load.slot == slot for phase in freed for load in phase.loads) for slot in range(slots)]
    if (got := np.bincount(record["freed"], minlength=slots).tolist()) != wanted:
        problems.append(f"pages freed: {got} instead of {wanted}")
    return problems


def judge(phases: Sequence[Phase], record: Record, pattern: str) -> ClusterRun:
    """What is wrong with a record: rows, counters and pulses of each engine, and how often the buffer was read."""
    problems = ["the error pin is up"] if record["error"] else []
    engines = phases[0].engines
    for slot in range(engines + 1):
        problems += judge_rows(phases, record, slot, f"engine {slot}" if slot < engines else "merge unit")
    for engine in range(engines):
        counters = dict(zip(COUNTERS, record["counters"][engine].tolist(), strict=True))
        for name in COUNTED:
            total = sum(getattr(p.result.stats, name) for _, p in by_engine(phases, engine))
            if counters[name] != total:
                problems.append(f"engine {engine}: {name} is {counters[name]} instead of {total}")
    problems += judge_pulses(phases, record)
    k_blocks, v_blocks = int(record["k_blocks"]), int(record["v_blocks"])
    for name, got, expected in (("K", k_blocks, sum(phase.k_blocks for phase in phases)),
                                ("V", v_blocks, sum(phase.v_blocks for phase in phases))):
        if got != expected:
            problems.append(f"{got} blocks of {name} were read instead of {expected}")
    return ClusterRun(pattern, problems, int(record["cycles"]), k_blocks, v_blocks)


def run_cluster(cfg: EngineConfig, phases: Sequence[Phase], pages: int, patterns: Sequence[str] = ("none",),
                run: RunOptions = USUAL, budget: int | None = None, late: int = 0) -> list[ClusterRun]:
    """Calls through ``fcim_cluster``, one after the other, once per stall pattern.

    Args:
        pages: key blocks that the buffer holds.
        budget: cycles after which a run fails; by default far more than the calls need.
        late: cycles at the start in which no row of O is taken.

    Raises:
        FcimError: no simulator. BenchFailed: the bench itself failed.
    """
    parameters = {**cfg.verilog_parameters(), "ENGINES": phases[0].engines, "BUFFER_KEYS": pages * cfg.keys_per_block}
    streams = {f"{number}.{name}": values for number, phase in enumerate(phases) for name, values in phase.arrays().items()}
    run = replace(run, extra_env={"ENGINE_LATE": str(late), **run.extra_env})
    blocks = sum(len(p.result.ran) for phase in phases for p in phase.placed)
    budget = budget or 10 * blocks * cfg.block_cycles + 20_000
    result, records = record_runs(TOP, BENCH, parameters, streams, patterns, budget, run)
    engines = np.concatenate([phase.arrays()["q_engine"] for phase in phases])
    runs = [judge(phases, {**record, "q_engine": engines}, pattern) for pattern, record in records.items()]
    tidy(result, runs)
    return runs
