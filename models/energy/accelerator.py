"""Events of an attention call of ``fcim_accelerator``: cycles and bytes from the exact model in time, activity from the golden
model's arithmetic, and how often each memory is used from the structure of the RTL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from models.energy.activity import Activity, tile_activity
from models.energy.events import Events
from models.errors import FcimError
from models.hardware.config import MULT_BITS, OPERAND_BITS, V_MULT_BITS, Z_BITS, EngineConfig
from models.hardware.tile import TileResult
from models.system.call import Call, Placed, Shape, tile_jobs
from models.system.config import OUT_BYTES, SystemConfig
from models.system.plan import Prefill
from models.system.timed.bus import Pace
from models.system.timeline import CallPrediction, predict_call

USUAL = Pace(100, 1000, 1000)       # a beat a cycle, the first one 100 cycles after its address
CORRECTED = 2                       # additions of an accumulator's update: the block's sum, and the correction of V's offset


@dataclass
class CallActivity:
    """What the tiles of a call switch.

    Attributes:
        total: of all tiles that were counted.
        heads: how many KV heads that is of ``of_heads``.
        placed: all tiles in the order of the waves, with nothing but which blocks ran, for
            :func:`models.system.timeline.predict_call`; empty where not all heads were counted.
    """

    total: Activity = field(default_factory=Activity)
    heads: int = 0
    of_heads: int = 0
    placed: list[Placed] = field(default_factory=list)


def call_activity(system: SystemConfig, call: Call, heads: Sequence[int] | None = None) -> CallActivity:
    """Count the tiles of a call.

    Args:
        heads: only the tiles of these KV heads, in the places and directions that they have in the whole call; by default all.

    Raises:
        FcimError: the call does not fit the accelerator, or it has no such head.
    """
    every = range(len(call.groups))
    chosen = set(every if heads is None else heads)
    if not chosen or not chosen <= set(every):
        raise FcimError(f"KV heads {sorted(chosen)} are not those of the call; choose from 0 to {len(every) - 1}")
    found = CallActivity(heads=len(chosen), of_heads=len(every))
    for job in tile_jobs(system, call):
        if job.head in chosen:
            activity, ran = tile_activity(system.engine, job.tile)
            found.total += activity
            result = TileResult(torch.empty(0), torch.empty(0), activity.stats, ran)
            found.placed.append(Placed(job.engine, job.head, job.token, job.tile, result))
    if len(chosen) < len(every):
        found.placed.clear()
    return found


def engine_events(cfg: EngineConfig, activity: Activity) -> Events:
    """What happens inside the engines.

    Memories cost by access, whatever is in them: the scores that wait are written and read for all rows, used or not. Logic and
    cells cost by what changes: of rows that are not in use only those that share a pass with one that is.
    """
    stats, dim, acc = activity.stats, cfg.head_dim, cfg.acc_bits
    row = OPERAND_BITS * dim
    scores = cfg.rows * Z_BITS
    waiting_key = row + MULT_BITS + V_MULT_BITS + cfg.pos_bits
    moved = activity.updates * dim * acc
    return Events(
        inner_pairs=activity.inner_pairs, outer_pairs=activity.outer_pairs,
        # a row that is drained is a lane of words that hold a pass
        accumulator_bits_read=moved + stats.rows * cfg.lanes * dim * acc, accumulator_bits_written=moved,
        o_adder_bits=CORRECTED * moved, o_shift_bits=stats.rescaled_rows * dim * acc,
        cell_bits_written=stats.rows * row + activity.run_lane_scores * cfg.prob_bits,
        score_scales=activity.lane_scores, comparisons=activity.lane_scores, exponentials=activity.run_lane_scores,
        weigh_bit_products=activity.run_lane_scores * cfg.prob_bits * V_MULT_BITS,
        sum_adder_bits=activity.run_lane_scores * (cfg.sum_bits + cfg.prob_bits + cfg.count_bits - 1),
        local_bits_read=stats.keys * waiting_key + activity.run_keys * (scores + row),
        local_bits_written=stats.keys * (waiting_key + scores) + activity.run_keys * row)


def loaded_blocks(system: SystemConfig, shape: Shape) -> int:
    """Key blocks that are written into the buffer: once for each KV head, or where they do not fit once for each wave."""
    plan = shape.plan(system)
    if isinstance(plan, Prefill):
        if shape.streamed(system):
            return sum(max(plan.blocks(tile) for tile in wave.tiles.values()) for wave in plan.waves())
        return shape.heads * plan.blocks(plan.tiles - 1)
    return shape.heads * plan.blocks


def system_events(system: SystemConfig, shape: Shape, run: CallPrediction, channels: int | None = None) -> Events:
    """What happens around the engines: memory, buffer, queues, row buses, rows of O.

    Args:
        channels: of a head that are no padding; by default all.

    Raises:
        FcimError: the call does not fit the accelerator.
    """
    cfg, plan = system.engine, shape.plan(system)
    dim, size = cfg.head_dim, cfg.keys_per_block
    tables = size * (MULT_BITS + V_MULT_BITS) // 8      # multipliers of a block, in the words of its keys
    block = size * dim
    out_rows = shape.heads * shape.group * shape.tokens
    parts = 0 if isinstance(plan, Prefill) else sum(bool(part) for part in plan.parts())
    q_rows = out_rows * max(parts, 1)
    read = run.k_blocks * (block + tables) + run.v_blocks * block
    merged = parts * out_rows * dim * cfg.acc_bits
    beats = run.beats_read * system.beat_bytes
    o_bytes = out_rows * dim * OUT_BYTES
    visible = shape.heads * shape.group * (shape.tokens * shape.first + shape.tokens * (shape.tokens + 1) // 2)
    return Events(
        cycles=run.cycles, useful_macs=2 * visible * (channels or dim),
        o_adder_bits=merged, o_shift_bits=merged, divisions=out_rows * dim,
        buffer_read_bytes=read, buffer_written_bytes=loaded_blocks(system, shape) * (2 * block + tables),
        stage_read_bytes=beats + o_bytes, stage_written_bytes=beats + o_bytes,
        bus_bits=8 * (read + q_rows * dim + o_bytes) + merged,
        dram_read_bytes=beats, dram_written_bytes=run.beats_written * system.beat_bytes)


@dataclass(frozen=True)
class AcceleratorRun:
    """A call's events, and what they are made of."""

    events: Events
    activity: CallActivity
    prediction: CallPrediction


def accelerator_run(system: SystemConfig, call: Call, pace: Pace = USUAL, heads: Sequence[int] | None = None,
                    channels: int | None = None) -> AcceleratorRun:
    """Events of a call, the first one after a reset.

    Args:
        pace: what the memory does.
        heads: KV heads whose activity is counted; what the engines do in them stands for all. Cycles and bytes are those of the
            whole call all the same. By default all.
        channels: of a head that are no padding; by default all.

    Raises:
        FcimError: the call does not fit the accelerator, or blocks are skipped where only some heads are counted.
    """
    activity = call_activity(system, call, heads)
    if call.options.skip and activity.heads < activity.of_heads:
        raise FcimError("what is skipped decides when things happen; count all KV heads where tiles skip")
    run = predict_call(system, call.shape, pace, activity.placed or None)
    inside = engine_events(system.engine, activity.total).scaled(activity.of_heads / activity.heads) \
        if activity.heads < activity.of_heads else engine_events(system.engine, activity.total)
    return AcceleratorRun(inside + system_events(system, call.shape, run, channels), activity, run)
