"""The schedule model against schedules worked out by hand from the table of docs/engine.md."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from models.config import HardwareConfig, load_config
from models.cycles import COUNTERS, TIMING_COUNTERS, predict, schedule
from models.golden import run_tile
from models.tile import TileJob

STALLS = ("stall_softmax", "stall_q", "stall_op", "stall_v", "stall_bank")


def cfg(bits_per_cycle: int) -> HardwareConfig:
    return HardwareConfig("c", rows=16, head_dim=16, bits_per_cycle=bits_per_cycle, keys_per_block=8, prob_bits=16, max_keys=64)


def check(bits_per_cycle: int, shapes: list[tuple[int, int]], cycles: int, **stalls: int) -> None:
    got = schedule(cfg(bits_per_cycle), shapes)
    assert got == {"cycles": cycles, **{name: stalls.pop(name, 0) for name in STALLS}} and not stalls


def test_one_row_one_key() -> None:
    """CPK 1: R 0, bank readable 2, A 2, H 3, C 4, E 4+1+3 = 8, X 8+1+3 = 12, D 12+8+1+3 = 24, out 24+20 = 44."""
    check(8, [(1, 1)], 45, stall_q=2)


def test_one_row_one_key_bit_serial() -> None:
    """CPK 8: A 2, H 10, C 11, E 11+8+3 = 22, X 22+8+3 = 33, D 33+64+8+3 = 108, out 108+20+7 = 135."""
    check(1, [(1, 1)], 136, stall_q=2)


def test_two_blocks() -> None:
    """CPK 4, 16 rows, 16 keys.

    R 0..15, A[k] = 17 + 4k, H[k] = 21 + 4k, C[k] = 22 + 4k; C[7] = 50: E[0] = 57, X[0] = 57+32+3 = 92; C[15] = 82:
    E[1] = max(89, 57+32) = 89, X[1] = max(89+35, 92+32) = 124; D = 124+32+4+3 = 163; row 15 out 163+60+23 = 246.
    """
    check(2, [(16, 16)], 247, stall_q=17)


def test_a_ragged_block_ends_early() -> None:
    """As before with 9 keys: C[8] = 54, E[1] = max(61, 89) = 89, X[1] = max(89+4+3, 92+32) = 124: block 0 is the limit."""
    check(2, [(16, 9)], 247, stall_q=17)


def test_tiles_of_one_key_wait_for_the_accumulators() -> None:
    """CPK 1, three tiles of one row and one key: the OP-CIM takes 8 cycles for each, and the third needs the first's bank.

    Tile 0: A 2, H 3, C 4, E 8, X 12, D 24, drained 25; its bank of Q is free from 4+1+1 = 6.
    Tile 1: row 1, readable 3, A 3, H 4, C 5, E max(9, 8+1) = 9, X max(9+4, 12+8) = 20, D max(32, 25) = 32.
    Tile 2: row 6, readable 8, A 8, H 9, C 10, scaled at 14, room in the OP-CIM at X[0]+8-3 = 17, bank at 25: E 25,
    X max(29, 28) = 29, D 41, out 61. Q stalls: 2 cycles before tile 0, none, and from H[1] = 4 to 8.
    """
    check(8, [(1, 1)] * 3, 62, stall_q=2 + 0 + 4, stall_op=17 - 14, stall_bank=25 - 17)


def test_short_blocks_back_up_to_the_ip_cim() -> None:
    """CPK 1, four tiles of one key in turn; as above, and then the fourth.

    Tile 3: bank of Q free from C[1]+2 = 7, row max(7, 6+1) = 7, readable 9, A 9, H 10, C = max(11, 11, E[1]+1 = 10) = 11,
    E max(15, 25+1, X[1]+5 = 25, tile 1 drained 33) = 33, X max(37, 37) = 37, D 49, out 69.
    Before E it waits for nothing but its bank: the start of block 2 frees the unit at 26, from then to 33.
    """
    check(8, [(1, 1)] * 4, 70, stall_q=2 + 0 + 4 + 0, stall_op=3, stall_bank=8 + 7)


def test_a_third_block_waits_for_a_score_buffer() -> None:
    """CPK 1: tiles of 8, 1, 1, and 1 keys and one row; block b's first column waits for E[b-2].

    Tile 0: A 2..9, C 4..11, E[0] 15, X[0] 26, D 38, drained 39. Tile 1: row 1, A 10, H 11, C 12, E[1] max(16, 23) = 23,
    X[1] max(27, 34) = 34, D 46, drained 47. Tile 2: bank of Q free from 13, row 13, readable 15, A 15, H 16,
    C max(17, E[0]+1 = 16) = 17, scaled 21, E[1]+1 = 24, room X[0]+5 = 31, bank 39: E[2] 39, X[2] 43, D 55, drained 56.
    Tile 3: bank of Q free from 14, row 14, readable 16, A 16, H 17, C max(18, E[1]+1 = 24) = 24, scaled 28, E[2]+1 = 40,
    room X[1]+5 = 39, bank 47: E[3] 47, X[3] 51, D 63, out 83.
    """
    check(8, [(1, 8), (1, 1), (1, 1), (1, 1)], 84, stall_q=2 + 0 + (15 - 11) + 0, stall_softmax=24 - 18, stall_op=31 - 24,
          stall_bank=(39 - 31) + (47 - 40))


@pytest.mark.parametrize("bits_per_cycle", [1, 2, 4, 8])
def test_a_long_stream_has_no_bubble(bits_per_cycle: int) -> None:
    """Once it runs, each further block costs exactly its keys."""
    config = cfg(bits_per_cycle)
    runs = [schedule(config, [(16, 8 * blocks)])["cycles"] for blocks in range(1, 8)]
    assert {b - a for a, b in zip(runs, runs[1:])} == {config.block_cycles}


@pytest.mark.parametrize("bits_per_cycle", [1, 2, 4, 8])
def test_full_tiles_follow_each_other_without_a_bubble(bits_per_cycle: int) -> None:
    """A tile more costs its keys: its Q came and the tile before is drained meanwhile."""
    config = cfg(bits_per_cycle)
    runs = [schedule(config, [(16, 64)] * tiles)["cycles"] for tiles in range(1, 6)]
    assert {b - a for a, b in zip(runs, runs[1:])} == {64 * config.cycles_per_key}


def tiles(config: HardwareConfig) -> list[TileJob]:
    """One tile of 3 rows and 10 keys, one of 2 rows and 8 keys; every row sees every key; v = -1, k = 0."""
    return [TileJob(q=torch.ones(rows, 16, dtype=torch.int8), q_pos=torch.full((rows,), keys), q_mult=torch.full((rows,), 1),
                    k=torch.zeros(keys, 16, dtype=torch.int8), v=torch.full((keys, 16), -1, dtype=torch.int8),
                    k_pos=torch.arange(keys), k_mult=torch.full((keys,), 1), shift=0)
            for rows, keys in ((3, 10), (2, 8))]


def test_counts_that_follow_from_the_shapes() -> None:
    """16 elements of 8 bits: k + 128 = 128 has one bit set, v + 128 = 127 has seven."""
    config = cfg(2)
    got = predict(config, tiles(config))
    assert {name: got[name] for name in COUNTERS if name not in TIMING_COUNTERS} == {
        "tiles": 2, "keys": 18, "blocks": 3, "q_bytes": 5 * 16, "k_bytes": 18 * 16, "v_bytes": 18 * 16, "o_bytes": 5 * 32,
        "ip_busy": 18 * 4, "op_busy": 3 * 32, "zero_blocks": 0, "rescaled_rows": 0, "rescale_amount": 0, "saturations": 0,
        "ip_bit_ops": 18 * 16, "op_bit_ops": 18 * 16 * 7}
    assert {name: got[name] for name in ("cycles", *STALLS)} == schedule(config, [(3, 10), (2, 8)])
    assert got["stall_k"] == got["stall_o"] == 0


def test_every_counter_is_predicted() -> None:
    config = cfg(1)
    assert sorted(predict(config, tiles(config))) == sorted(COUNTERS)
    assert set(COUNTERS) > TIMING_COUNTERS and len(COUNTERS) == len(set(COUNTERS)) == 23


def test_results_that_are_known_are_not_computed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    config = cfg(4)
    jobs = tiles(config)
    want = predict(config, jobs)
    results = [run_tile(config, job) for job in jobs]
    monkeypatch.setattr("models.cycles.run_tile", None)
    assert predict(config, jobs, results) == want


def test_no_engine_beats_the_bound(seed: int) -> None:
    """On random shapes: never fewer cycles than the keys need, and more keys or tiles never take less time."""
    generator = np.random.default_rng([seed, 11])
    for name in ("tiny", "default"):
        config = load_config(name)
        for _ in range(20):
            shapes = [(int(generator.integers(1, config.rows + 1)), int(generator.integers(1, 60))) for _ in range(5)]
            cycles = schedule(config, shapes)["cycles"]
            assert cycles > config.cycles_per_key * sum(keys for _, keys in shapes)
            assert schedule(config, shapes[:4])["cycles"] < cycles
            assert schedule(config, [(shapes[0][0], shapes[0][1] + config.keys_per_block), *shapes[1:]])["cycles"] >= cycles
