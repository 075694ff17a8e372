"""Tiles of every schedule through the Verilog: what the ablation counts is what the hardware's counters say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from models.hardware.config import EngineConfig
from models.hardware.quantise import quantise
from models.hardware.schedules import SCHEDULES, TileOptions
from models.hardware.tile import QuantisedGroup, TileResult
from models.hardware.tiling import build_tiles, tokens_per_tile
from models.tensors.attention_tensors import AttentionTensors
from scripts.flow.simulator import BenchFailed, RunOptions
from scripts.studies.schedules.outputs import run_group
from scripts.studies.schedules.row_max import walk
from scripts.studies.schedules.scores import block_maxima, group_scores
from scripts.studies.schedules.sources import planted_sink
from tb.core.checker import EngineRun
from tb.core.run import run_core

TOKENS = 256
DECODE_TOKENS = 512
# (setting, decode): every schedule in a block of its own and fused; thresholds; decode, where blocks are skipped
CASES = [*((TileOptions(schedule, fused, skip=fused), False) for fused in (False, True) for schedule in SCHEDULES),
         (TileOptions("diagonal_first", True, True, 2), False), (TileOptions("sink_diagonal", True, True, 8), False),
         *((TileOptions(schedule, True, True), True) for schedule in SCHEDULES)]


@dataclass
class Confirmed:
    """One setting: values that differ from the model, and the hardware's counters beside the ablation's own counts."""

    setting: str
    skip: bool
    phase: str
    tokens: int
    mismatches: int
    rescaled_rows: int
    skipped_blocks: int
    cycles: int
    problems: list[str]

    @property
    def ok(self) -> bool:
        """Bits and counters agree."""
        return not self.mismatches and not self.problems

    def as_dict(self) -> dict[str, Any]:
        """Plain dict with the verdict."""
        facts = {"point" if name == "setting" else name: value for name, value in asdict(self).items()}
        return {**facts, "ok": self.ok}


def confirm(cfg: EngineConfig, tensors: AttentionTensors, seed: int, sim: str | None = None,
            schedules: Sequence[str] = SCHEDULES) -> list[Confirmed]:
    """Tiles of the first KV head of ``tensors`` at every case of ``CASES``: the last tile of a prefill of ``TOKENS`` tokens, or
    the decode step of the last of ``DECODE_TOKENS``, with a planted sink.

    Args:
        schedules: those wanted. Cases whose threshold the configuration cannot run are left out.

    Raises:
        FcimError: no simulator.
    """
    first = tensors.select_heads([h for h, kv in enumerate(tensors.kv_of_head) if kv == tensors.kv_of_head[0]])
    prefill = first.first_tokens(min(TOKENS, first.k.shape[1]))
    prefill = prefill.last_queries(min(tokens_per_tile(cfg, first.q.shape[0]), prefill.q.shape[1]))
    decode = planted_sink(first.first_tokens(min(DECODE_TOKENS, first.k.shape[1]))).last_queries(1)
    groups = [quantise(part)[0] for part in (prefill, decode)]
    return [_run(cfg, groups[is_decode], setting, "decode" if is_decode else "prefill", seed, sim)
            for setting, is_decode in CASES if setting.schedule in schedules and setting.tau <= cfg.max_tau()]


def _run(cfg: EngineConfig, group: QuantisedGroup, setting: TileOptions, phase: str, seed: int, sim: str | None) -> Confirmed:
    """One tile through the engine, and the ablation's own counts and output of it."""
    scores = group_scores(cfg, [group])
    maxima = block_maxima(scores, setting.schedule, cfg.keys_per_block)
    moves = walk(cfg, maxima, scores.rows, scores.keys, [(setting.fused, setting.tau)], (0,))
    (counted,), _ = run_group(cfg, scores, setting, moves, 0)
    (tile,) = build_tiles(cfg, group, setting.tau, setting.schedule, setting.fused, setting.skip)
    found = Confirmed(setting.name, setting.skip, phase, group.k.shape[0], 0, 0, 0, 0, [])
    try:
        (run,) = run_core(cfg, [tile], options=RunOptions(sim=sim, seed=seed))
    except BenchFailed as failed:
        return replace(found, problems=["; ".join(str(failed).split("\n")[:2])])
    return replace(found, mismatches=int(run.mismatches.sum()), rescaled_rows=run.counters["rescaled_rows"],
                   skipped_blocks=run.counters.get("skipped_blocks", 0), cycles=run.counters["cycles"],
                   problems=_problems(setting.skip, counted, run))


def _problems(skip: bool, counted: TileResult, run: EngineRun) -> list[str]:
    """Where a run differs from what the ablation counted, which is with skipping."""
    stats = counted.stats
    expected = {"rescaled_rows": stats.rescaled_rows, "rescale_amount": stats.rescale_amount, "zero_blocks": stats.zero_blocks,
                "skipped_blocks": stats.skipped_blocks if skip else 0}
    problems = run.problems + [f"counter {name} is {run.counters.get(name)}, the ablation counts {value}"
                               for name, value in expected.items() if run.counters.get(name) != value]
    return problems if (run.out == counted.out).all() else [*problems, "the output differs from the ablation's"]
