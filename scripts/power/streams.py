"""What every block gets cycle by cycle, as the engine drives it, from the operands of real tiles; many tiles side by side.

A slice of a block stands for the whole: 8 rows of an array, of the lanes those that serve 8 rows. A lane of a stream is one such
slice in one tile. What must come out is known, so a run of gates that differs is found out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from models.hardware.config import MULT_BITS, OUT_BITS, ROW_MAX_BITS, SHIFT_BITS, TAU_BITS, Z_BITS, EngineConfig

if TYPE_CHECKING:       # it loads PyTorch, which those that run the gates do not need
    from scripts.power.operands import Walk

ROWS = 8                # of a slice
BLOCKS = 3              # key blocks of a stream; the first warms up
DIVIDERS = 2
Bits = np.ndarray
"""Bits ``[..., n]``, uint8, low bit first."""


@dataclass(frozen=True)
class Kind:
    """A block that is measured: its module, what one operation is, operands by whose set bits its energy is told.

    ``slice_of``: Verilog parameters of the slice; ``share``: how many slices make the block, which have what is shared in
    common; ``shared``, ``cells``: patterns of the registers that all slices share, and of those that hold cells. Of an array,
    ``enables``: patterns of registers, and the ports that are all set where they take a value, unless their row is not in use;
    ``idle``: a stimulus with only the first rows in use. ``files``: Verilog of the module that is no part of the RTL.
    """

    name: str
    top: str
    operation: str
    slice_of: Callable[[EngineConfig], dict[str, int]]
    share: Callable[[EngineConfig], float]
    stream: Callable[[EngineConfig, Sequence[Walk]], Stream]
    operands: tuple[str, ...]
    shared: str = r"(?!)"
    cells: str = r"(?!)"
    enables: tuple[tuple[str, tuple[str, ...]], ...] = ()
    idle: Callable[[EngineConfig, Mapping[str, np.ndarray], int], dict[str, np.ndarray]] | None = None
    files: tuple[Path, ...] = ()


@dataclass
class Stream:
    """Stimulus of a slice, and what is measured of it.

    ``stimulus``: bits of each port ``[cycles, bits, lanes]``. Window w begins at cycle ``first + w * length`` and has
    ``operations``; ``operands``: mean set bits of each operand in each window ``[windows, lanes]``. ``expected``: for an output
    port the cycles in which it is known and its bits then, ``[n]`` and ``[n, bits, lanes]``. ``valid [windows, lanes]``.
    """

    stimulus: dict[str, np.ndarray]
    first: int
    length: int
    operations: float
    operands: dict[str, np.ndarray]
    expected: dict[str, tuple[np.ndarray, np.ndarray]]
    valid: np.ndarray


def bits(x: np.ndarray | int, width: int) -> Bits:
    """The low bits of whole numbers, two's complement: ``[...]`` to ``[..., width]``."""
    return ((np.asarray(x, dtype=np.int64)[..., None] >> np.arange(width)) & 1).astype(np.uint8)


def ones(x: np.ndarray, width: int) -> np.ndarray:
    """How many of the low bits are set."""
    return bits(x, width).sum(-1)


def _flat(x: np.ndarray, width: int, keep: int = 1) -> Bits:
    """Words behind the first ``keep`` axes as one row of bits, the first word lowest."""
    found = bits(x, width)
    return found.reshape(*found.shape[:keep], -1)


def _side_by_side(streams: Sequence[Stream]) -> Stream:
    """Streams of one lane each, without their lane axis, as one with all."""
    one = streams[0]
    return Stream({port: np.stack([s.stimulus[port] for s in streams], -1) for port in one.stimulus}, one.first, one.length,
                  one.operations, {name: np.stack([s.operands[name] for s in streams], -1) for name in one.operands},
                  {port: (when, np.stack([s.expected[port][1] for s in streams], -1))
                   for port, (when, _) in one.expected.items()},
                  np.stack([s.valid for s in streams], -1))


def _lane(cfg: EngineConfig, tile: Walk, number: int) -> tuple[np.ndarray, int]:
    """The rows of a slice of a tile as passes meet them ``[passes, BITS_PER_CYCLE]``, and the first of its key blocks; both are
    others for each ``number``."""
    width, slices = cfg.bits_per_cycle, cfg.rows // ROWS
    free = [s for s in range(slices) if (cfg.cycles_per_key - 1) * cfg.lanes + (s + 1) * width <= len(tile.q)]
    begin = free[number % len(free)] * width
    rows = np.arange(cfg.cycles_per_key)[:, None] * cfg.lanes + begin + np.arange(width)
    blocks = len(tile.k) // cfg.keys_per_block
    return rows, (number * 5) % (blocks - BLOCKS + 1)


def of_lanes(one: Callable[[EngineConfig, Walk, np.ndarray, int], Stream]) -> Callable[[EngineConfig, Sequence[Walk]], Stream]:
    """A stream of many tiles from one of a single tile, its rows as passes meet them and the first of its key blocks."""
    return lambda cfg, tiles: _side_by_side([one(cfg, tile, *_lane(cfg, tile, number)) for number, tile in enumerate(tiles)])


def ip_array(cfg: EngineConfig, tile: Walk, rows: np.ndarray, block: int) -> Stream:
    """8 rows of cells are written, then a key follows the other; it is loaded in the last step of the one before."""
    steps, rows = cfg.cycles_per_key, rows.reshape(-1)
    keys = np.arange(block * cfg.keys_per_block, (block + BLOCKS - 1) * cfg.keys_per_block)
    start = ROWS + 1
    cycles = start + steps * len(keys) + 1
    port = {name: np.zeros((cycles, width), np.uint8) for name, width in
            (("q_we", 1), ("q_bank", 1), ("q_row", 3), ("load", 1), ("load_bank", 1), ("step", 1), ("first", 1), ("last", 1))}
    q, k = _flat(tile.q[rows], 8), _flat(tile.k[keys], 8)
    port["q_we"][:ROWS] = 1
    port["q_row"][:ROWS] = bits(np.arange(ROWS), 3)
    port["q_data"] = np.concatenate([q, np.repeat(q[-1:], cycles - ROWS, 0)])
    at = start + steps * np.arange(len(keys))
    port["load"][at - 1] = port["first"][at] = port["last"][at + steps - 1] = 1
    port["step"][start:-1] = 1
    loaded = np.minimum(np.maximum(np.arange(cycles) - start + steps, 0) // steps, len(keys) - 1)
    port["load_data"] = k[loaded]
    k_ones = ones(tile.k[keys] + 128, 8).mean(-1)[1:]
    q_ones = np.full(len(keys) - 1, ones(tile.q[rows] + 128, 8).mean())
    lane = 16 + (cfg.head_dim - 1).bit_length()
    return Stream(port, start + steps, steps, ROWS * cfg.head_dim, {"k": k_ones, "q": q_ones},
                  {"col": (at + steps, _flat(tile.u[np.ix_(rows, keys)].T, lane))}, np.ones(len(keys) - 1, bool))


def _ip_idle(cfg: EngineConfig, stimulus: Mapping[str, np.ndarray], used: int) -> dict[str, np.ndarray]:
    """The other rows are never written."""
    found = dict(stimulus, q_we=stimulus["q_we"].copy())
    found["q_we"][used:] = 0
    return found


def _op_idle(cfg: EngineConfig, stimulus: Mapping[str, np.ndarray], used: int) -> dict[str, np.ndarray]:
    """The other rows have the probability 0, and are not read."""
    number = np.tensordot(stimulus["p_pass"], 1 << np.arange(stimulus["p_pass"].shape[1]), (1, 0))     # of the pass
    row = number[:, None] * cfg.bits_per_cycle + np.arange(cfg.bits_per_cycle)[:, None]
    rows = (np.arange(ROWS) < used).astype(np.uint8)[None, :, None]
    read = (row[:, :1] < used).astype(np.uint8)
    return dict(stimulus, used=np.broadcast_to(rows, stimulus["used"].shape), rd=stimulus["rd"] * read,
                rd_pass=stimulus["rd_pass"] * read,
                p_data=stimulus["p_data"] * np.repeat(row < used, cfg.prob_bits, 1).astype(np.uint8))


def op_array(cfg: EngineConfig, tile: Walk, rows: np.ndarray, block: int) -> Stream:
    """While the slices of a block of V go through, the next block's probabilities are written, and the last slice's sums read."""
    steps, size, columns = cfg.cycles_per_key, cfg.keys_per_block, cfg.columns
    phase = size * steps
    cycles = BLOCKS * phase + 2
    time = np.arange(cycles)
    running = (time >= phase) & (time < BLOCKS * phase)        # the first phase only writes
    now = np.clip(time // phase, 1, BLOCKS - 1)
    place, step = (time % phase) // steps, time % steps
    keys = (block + now)[:, None] * size + np.arange(size)
    port = {"step": running[:, None], "first": (running & (step == 0))[:, None], "last": (running & (step == steps - 1))[:, None],
            "slot": (now & 1)[:, None]}
    v = tile.v[keys[:, :, None], (place[:, None] * columns + np.arange(columns))[:, None, :]] + 128     # [cycles, key, column]
    port["v_data"] = _flat(v, 8)
    writing = time < BLOCKS * phase
    target = np.where(time < phase, 1, now + 1)
    port["p_we"], port["p_slot"] = writing[:, None], (target & 1)[:, None]
    port["p_key"], port["p_pass"] = bits(place, (size - 1).bit_length()), bits(step, max(1, (steps - 1).bit_length()))
    written = (block + target % BLOCKS) * size + place          # in the last phase something, so that it costs what it does
    port["p_data"] = _flat(tile.weights[rows[step], written[:, None]], cfg.prob_bits)
    reading = (time >= phase + steps) & (time < BLOCKS * phase + steps)
    port["rd"], port["rd_pass"] = reading[:, None], port["p_pass"]
    port["used"] = np.ones((cycles, ROWS), np.uint8)
    read_at = np.flatnonzero(reading & (time < cycles - 1))
    slices = (read_at - phase) // steps - 1                      # read there, counted from the first
    channel = (slices % size)[:, None] * columns + np.arange(columns)
    sums = tile.sums[(block + 1 + slices // size)[:, None, None], rows[read_at % steps][:, None, :], channel[:, :, None]]
    lane = cfg.prob_bits + 8 + (size - 1).bit_length()
    windows = np.arange((BLOCKS - 1) * size)
    of_block, of_slice = block + 1 + windows // size, windows % size
    keys = of_block[:, None] * size + np.arange(size)
    v_used = tile.v[keys[:, :, None], (of_slice[:, None] * columns + np.arange(columns))[:, None, :]] + 128
    set_in_p = ones(tile.weights[rows.reshape(-1)], cfg.prob_bits).mean(0)
    operands = {"v": ones(v_used, 8).mean((1, 2)), "p": set_in_p[keys].mean(1)}
    # what is written in a block's time is not its own; windows of channels that are padding count nothing
    valid = ((of_slice + 1) * columns <= tile.channels) & (windows >= 1)
    return Stream({name: np.asarray(x, np.uint8) for name, x in port.items()}, phase, steps, ROWS * columns * size, operands,
                  {"rd_data": (read_at + 1, _flat(sums, lane))}, valid)


def _in_turn(cfg: EngineConfig, rows: np.ndarray, block: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For every cycle of the softmax: the key, its block, the rows ``[cycles, BITS_PER_CYCLE]``."""
    keys = np.repeat(np.arange(block * cfg.keys_per_block, (block + BLOCKS) * cfg.keys_per_block), cfg.cycles_per_key)
    return keys, keys // cfg.keys_per_block, np.tile(rows, (BLOCKS * cfg.keys_per_block, 1))


def _softmax(cfg: EngineConfig, stimulus: dict[str, np.ndarray], operands: dict[str, np.ndarray], latency: int,
             outputs: dict[str, np.ndarray]) -> Stream:
    """A window is a key; the first warms up, and the last cycles only end what was begun."""
    steps, cycles = cfg.cycles_per_key, len(next(iter(stimulus.values())))
    warm = -(-latency // steps)
    windows = cycles // steps - warm
    means = {name: x.reshape(-1, steps, x.shape[1]).mean((1, 2))[:windows] for name, x in operands.items()}
    when = np.arange(cycles - latency)
    return Stream(stimulus, latency, steps, ROWS, means, {name: (when + latency, x[when]) for name, x in outputs.items()},
                  np.ones(windows, bool))


def _score_lanes(cfg: EngineConfig, tile: Walk, rows: np.ndarray, block: int) -> Stream:
    """A key goes by all rows, pass by pass, then the next."""
    keys, _, lanes = _in_turn(cfg, rows, block)
    dim_bits = 8 + (cfg.head_dim - 1).bit_length()
    u, z = tile.u[lanes, keys[:, None]], tile.z[lanes, keys[:, None]]
    entries = np.concatenate([bits(tile.q[lanes].sum(-1), dim_bits), bits(tile.q_mult[lanes], MULT_BITS),
                              bits(tile.q_pos[lanes], cfg.pos_bits)], -1).reshape(len(keys), -1)
    port = {"u": _flat(u, 8 + dim_bits), "ksum": bits((tile.k[keys] + 128).sum(-1), dim_bits),
            "k_pos": bits(tile.k_pos[keys], cfg.pos_bits), "k_mult": bits(tile.k_mult[keys], MULT_BITS),
            "used": np.ones(lanes.shape, np.uint8), "entries": entries,
            "shift": bits(np.full(len(keys), tile.score_shift), SHIFT_BITS)}
    return _softmax(cfg, port, {"u": ones(u, 8 + dim_bits), "z": ones(z, Z_BITS)}, 3, {"z": _flat(z, Z_BITS)})


def _exp2(cfg: EngineConfig, tile: Walk, rows: np.ndarray, block: int) -> Stream:
    """The same with scaled scores and the running maxima of their block."""
    keys, blocks, lanes = _in_turn(cfg, rows, block)
    z, p = tile.z[lanes, keys[:, None]], tile.p[lanes, keys[:, None]]
    port = {"z": _flat(z, Z_BITS), "row_max": _flat(tile.row_max[blocks[:, None], lanes], ROW_MAX_BITS),
            "tau": bits(np.full(len(keys), tile.tau), TAU_BITS)}
    return _softmax(cfg, port, {"z": ones(z, Z_BITS), "p": ones(p, cfg.prob_bits)}, 1, {"p": _flat(p, cfg.prob_bits)})


def _acc_update(cfg: EngineConfig, tile: Walk, rows: np.ndarray, block: int) -> Stream:
    """Slice by slice of a block, in each pass by pass: 8 rows of all its columns."""
    steps, size, columns = cfg.cycles_per_key, cfg.keys_per_block, cfg.columns
    time = np.arange(BLOCKS * size * steps)
    blocks, lanes = block + time // (size * steps), rows[time % steps]
    channel = (time // steps % size)[:, None] * columns + np.arange(columns)
    where = (blocks[:, None, None], lanes[:, None, :], channel[:, :, None])         # column, then lane
    u, acc = tile.sums[where], tile.before[where]
    keys = blocks[:, None] * size + np.arange(size)
    psum = tile.weights[lanes[:, :, None], keys[:, None, :]].sum(-1)
    lane, width = cfg.prob_bits + 8 + (size - 1).bit_length(), cfg.acc_bits
    port = {"acc": _flat(acc, width), "clear": (blocks == 0)[:, None].astype(np.uint8),
            "shift": _flat(tile.shift[blocks[:, None], lanes], SHIFT_BITS), "u": _flat(u, lane),
            "psum": _flat(psum, cfg.prob_bits + (size - 1).bit_length())}
    windows = BLOCKS * size - 1
    operands = {name: ones(x, wide).mean((1, 2)).reshape(-1, steps).mean(1)[1:]
                for name, x, wide in (("u", u, lane), ("acc", acc, width))}
    place = (np.arange(windows) + 1) % size
    return Stream(port, steps, steps, ROWS * columns, operands, {"result": (time, _flat(tile.after[where], width))},
                  (place + 1) * columns <= tile.channels)


def _divider(cfg: EngineConfig, tile: Walk, rows: np.ndarray, block: int) -> Stream:
    """Rows one after the other, :data:`DIVIDERS` channels a cycle, without those that are padding."""
    per_row, latency = tile.channels // DIVIDERS, OUT_BITS + 2
    length = min(16, per_row)
    time = np.arange(ROWS * cfg.head_dim // DIVIDERS)
    row = (rows[0, 0] + time // per_row)[:, None] % len(tile.q)
    channel = (time % per_row)[:, None] * DIVIDERS + np.arange(DIVIDERS)
    acc, out = tile.after[-1][row, channel], tile.out[row, channel]
    on = np.ones((len(time), 1), np.uint8)
    port = {"rst_n": (time > 0)[:, None].astype(np.uint8), "enable": on, "in_valid": on, "in_acc": _flat(acc, cfg.acc_bits),
            "in_sum": bits(tile.row_sum[row[:, 0]], cfg.sum_bits)}
    windows = len(time) // length - 4                   # without two at each end, where the pipeline is not full
    operands = {name: ones(np.abs(x), width).mean(1)[2 * length:(2 + windows) * length].reshape(windows, length).mean(1)
                for name, x, width in (("acc", acc, cfg.acc_bits), ("quotient", out, OUT_BITS))}
    when = np.arange(1, len(time) - latency)
    return Stream(port, 2 * length + latency // 2, length, length * DIVIDERS, operands,
                  {"out_quotient": (when + latency, _flat(out[when], OUT_BITS))}, np.ones(windows, bool))


def _width(cfg: EngineConfig) -> dict[str, int]:
    return {"LANES": cfg.bits_per_cycle}


def _slices(cfg: EngineConfig) -> float:
    return cfg.rows / ROWS


def _log(number: int) -> int:
    return (number - 1).bit_length()


KINDS = {kind.name: kind for kind in (
    Kind("ip_array", "fcim_ip_array", "MAC of the IP-CIM",
         lambda cfg: {"ROWS": ROWS, "HEAD_DIM": cfg.head_dim, "BITS_PER_CYCLE": cfg.bits_per_cycle}, _slices,
         of_lanes(ip_array), ("k", "q"), r"(?!.*(g_row\[|used[01]_q|chosen[01]_q|live_q|groups_q))", r".*bank[01]_q",
         ((r".*acc_(sum|carry)_q", ("step",)), (r".*\.(sum|carry)_q", ("step", "last")),
          (r"live_q", ("step", "last")), (r"(key|bank|groups|chosen[01])_q", ("load",)), (r"used[01]_q", ("q_we",)),
          (r"(planes|next|ops|left|plane)_q", ("step",)), (r"col_", ("step", "last"))), _ip_idle),
    Kind("op_array", "fcim_op_array", "product of the OP-CIM",
         lambda cfg: {"ROWS": ROWS, "COLUMNS": cfg.columns, "BITS_PER_CYCLE": cfg.bits_per_cycle,
                      "KEYS_PER_BLOCK": cfg.keys_per_block, "PROB_BITS": cfg.prob_bits}, _slices, of_lanes(op_array),
         ("v", "p"), r"(?!.*g_pass\[|.*rd_q|.*live_q)", r".*slot[01]_q",
         ((r".*\.(usum|carry)_q", ("step",)), (r".*hold_(carry_)?q", ("step", "last")),
          (r"live_q", ("step", "last")), (r"rd_q", ("rd",)), (r".*\.v_q", ("step", "first")),
          (r".*\.(planes|next)_q", ("step",)), (r"ops_q", ("step",))), _op_idle),
    Kind("score_lanes", "fcim_score_lanes", "scaled score",
         lambda cfg: {**_width(cfg), "HEAD_DIM": cfg.head_dim, "POS_BITS": cfg.pos_bits}, _slices, of_lanes(_score_lanes),
         ("u", "z")),
    Kind("exp2", "fcim_exp2", "exponential", lambda cfg: {**_width(cfg), "PROB_BITS": cfg.prob_bits}, _slices, of_lanes(_exp2),
         ("z", "p")),
    Kind("acc_update", "fcim_acc_update", "accumulator update",
         lambda cfg: {**_width(cfg), "COLUMNS": cfg.columns, "ACC_BITS": cfg.acc_bits,
                      "OP_LANE": cfg.prob_bits + 8 + _log(cfg.keys_per_block),
                      "BSUM_BITS": cfg.prob_bits + _log(cfg.keys_per_block)},
         _slices, of_lanes(_acc_update), ("u", "acc")),
    Kind("divider", "fcim_divider", "division",
         lambda cfg: {"LANES": DIVIDERS, "ACC_BITS": cfg.acc_bits, "SUM_BITS": cfg.sum_bits},
         lambda cfg: max(1.0, cfg.head_dim / cfg.cycles_per_key / DIVIDERS),
         of_lanes(_divider), ("acc", "quotient"), r".*div_q"),
)}
"""What is measured, by the names that TOP= takes."""
