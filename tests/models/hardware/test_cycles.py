"""The timeline model against timelines worked out by hand from the table of docs/cycles.md."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from models.hardware.config import EngineConfig, load_config
from models.hardware.golden import run_tile
from models.hardware.interface import COUNTERS
from models.hardware.progress import TIMING_COUNTERS
from models.hardware.tile import TileJob
from models.hardware.timeline import predict, predict_cycles, row_cycles

STALLS = TIMING_COUNTERS[1:]


def cfg(bits_per_cycle: int) -> EngineConfig:
    return EngineConfig("c", rows=16, head_dim=16, bits_per_cycle=bits_per_cycle, keys_per_block=8, prob_bits=16, max_keys=64)


def check(bits_per_cycle: int, shapes: list[tuple[int, int]], cycles: int, fused: list[bool] | None = None,
          ran: list[list[bool]] | None = None, **stalls: int) -> None:
    got = predict_cycles(cfg(bits_per_cycle), shapes, fused, ran)
    assert got == {"cycles": cycles, **{name: stalls.pop(name, 0) for name in STALLS}} and not stalls


def test_one_row_one_key() -> None:
    """CPK 1: R 0, bank readable 2, A 2, H 3, C 4, J 4+1+4 = 9, E 9+1+1 = 11, X 11+1+3 = 15, D 15+8+1+3 = 27, out 27+21 = 48."""
    check(8, [(1, 1)], 49, stall_q=2)


def test_one_row_one_key_bit_serial() -> None:
    """CPK 8: A 2, H 10, C 11, J 11+8+4 = 23, E 23+8+1 = 32, X 32+8+3 = 43, D 43+64+8+3 = 118, out 118+21+7 = 146."""
    check(1, [(1, 1)], 147, stall_q=2)


def test_two_blocks() -> None:
    """CPK 4, 16 rows, 16 keys.

    R 0..15, A[k] = 17 + 4k, H[k] = 21 + 4k, C[k] = 22 + 4k; C[7] = 50: J[0] = 58, E[0] = 63, X[0] = 63+32+3 = 98;
    C[15] = 82: J[1] = 90, E[1] = max(95, 63+32) = 95, X[1] = max(95+35, 98+32) = 130; D = 130+32+4+3 = 169;
    row 15 out 169+60+24 = 253.
    """
    check(2, [(16, 16)], 254, stall_q=17)


def test_a_ragged_block_ends_early() -> None:
    """With 9 keys: C[8] = 54, J[1] = max(62, 58+4), E[1] = max(67, 95), X[1] = max(95+4+3, 98+32) = 130: block 0 is the limit."""
    check(2, [(16, 9)], 254, stall_q=17)


def test_two_blocks_that_are_judged_as_one() -> None:
    """As two blocks above, fused: J[0] = C[15]+8 = 90, E[0] 95, X[0] 130; J[1] = max(90, 90+4) = 94, E[1] = max(99, 95+32) = 127,
    X[1] = max(127+35, 130+32) = 162; D = 162+39 = 201; row 15 out 285. One block alone waits for nothing."""
    check(2, [(16, 16)], 286, fused=[True], stall_q=17)
    check(2, [(1, 1)], predict_cycles(cfg(2), [(1, 1)])["cycles"], fused=[True], stall_q=2)


def test_skipped_blocks() -> None:
    """CPK 4, 16 rows, C[k] = 22 + 4k: E[0] 63 and X[0] 98 if block 0 runs, and the tile drains from 98+39 = 137 or later.

    Block 1 skipped at E[1] = max(90+5, 63+32) = 95: D 137, out 137+84. Blocks 1 to 3 skipped, the last one at
    E[3] = C[31]+8+5 = 159: D = 159+2 = 161. Block 0 skipped at 63: E[1] 95, X[1] = 95+35 = 130, as if it had run.
    Blocks 0 to 2 skipped: E[3] 159, X 194, D 233.
    """
    check(2, [(16, 16)], 222, ran=[[True, False]], stall_q=17)
    check(2, [(16, 32)], 246, ran=[[True, False, False, False]], stall_q=17)
    check(2, [(16, 16)], 254, ran=[[False, True]], stall_q=17)
    check(2, [(16, 32)], 233 + 85, ran=[[False, False, False, True]], stall_q=17)


def test_a_skipped_block_takes_one_cycle_and_no_room() -> None:
    """CPK 1, tiles of 8, 9 and 1 keys and one row; of the second tile only the first block runs.

    Tile 0: C 4..11, J[0] 16, E[0] 18, X[0] 29, D 41, drained 42. Tile 1: A 10..18, H 11..19, C 12..20; J[1] = C[15]+5 = 24,
    E[1] = max(26, 18+8) = 26, X[1] = max(37, 37) = 37; J[2] = max(25, 25) = 25, E[2] = max(27, 26+8) = 34, skipped with no
    regard to X[0]+5 = 34 or banks; D = max(37+12, 36, 42) = 49, drained 50. Tile 2: bank of Q free from C[7]+2 = 13, row 13,
    readable 15, A = H[16] = 19, H 20, C max(21, E[0]+1) = 21; J[3] = 26, E[3]: from max(28, 34+1) = 35 on, room X[0]+5 = 34,
    bank 42: 42, X = max(46, 45) = 46, D 58, out 79.
    """
    check(8, [(1, 8), (1, 9), (1, 1)], 80, ran=[[True], [True, False], [True]], stall_q=2, stall_bank=42 - 35)


def test_tiles_of_one_key_wait_for_the_accumulators() -> None:
    """CPK 1, three tiles of one row and one key: the OP-CIM takes 8 cycles for each, and the third needs the first's bank.

    Tile 0: A 2, H 3, C 4, J 9, E 11, X 15, D 27, drained 28; its bank of Q is free from 4+1+1 = 6.
    Tile 1: row 1, readable 3, A 3, H 4, C 5, J max(10, 9+1) = 10, E max(12, 11+1) = 12, X max(12+4, 15+8) = 23,
    D max(35, 28) = 35. Tile 2: row 6, readable 8, A 8, H 9, C 10, J 15, judged at 17, room in the OP-CIM at X[0]+8-3 = 20,
    bank at 28: E 28, X max(32, 31) = 32, D 44, out 65. Q stalls: 2 cycles before tile 0, none, and from H[1] = 4 to 8.
    """
    check(8, [(1, 1)] * 3, 66, stall_q=2 + 0 + 4, stall_op=20 - 17, stall_bank=28 - 20)


def test_short_blocks_back_up_to_the_ip_cim() -> None:
    """CPK 1, four tiles of one key in turn; as above, and then the fourth.

    Tile 3: bank of Q free from C[1]+2 = 7, row max(7, 6+1) = 7, readable 9, A 9, H 10, C = max(11, 11, E[0]+1 = 12) = 12,
    J 17, E max(19, 28+1, X[1]+5 = 28, tile 1 drained 36) = 36, X max(40, 40) = 40, D 52, out 73.
    Before E it waits for nothing but its bank: the start of block 2 frees the unit at 29, from then to 36.
    """
    check(8, [(1, 1)] * 4, 74, stall_q=2 + 0 + 4 + 0, stall_softmax=12 - 11, stall_op=3, stall_bank=8 + 7)


def test_a_fourth_block_waits_for_a_score_buffer() -> None:
    """CPK 1: a tile of 8 keys, four of 1 key, one row each; block b's first column waits for E[b-3].

    Tile 0: A 2..9, C 4..11, J[0] 16, E[0] 18, X[0] 29, D 41, drained 42. Tile 1: row 1, A 10, H 11, C 12, J[1] 17,
    E[1] max(19, 26) = 26, X[1] max(30, 37) = 37, D 49, drained 50. Tile 2: bank of Q free from 13, row 13, readable 15, A 15,
    H 16, C 17, J[2] 22, E[1]+1 = 27, room X[0]+5 = 34, bank 42: E[2] 42, X[2] 46, D 58, drained 59.
    Tile 3: bank of Q free from 14, row 14, readable 16, A 16, H 17, C max(18, E[0]+1 = 19) = 19, J[3] max(24, E[0]+8 = 26) = 26,
    E[2]+1 = 43, room X[1]+5 = 42, bank 50: E[3] 50, X[3] 54, D 66. Tile 4: bank of Q free from 19, row 19, readable 21, A 21,
    H 22, C max(23, E[1]+1 = 27) = 27, J[4] 32, E[3]+1 = 51, room X[2]+5 = 51, bank 59: E[4] 59, X[4] 63, D 75, out 96.
    """
    check(8, [(1, 8), (1, 1), (1, 1), (1, 1), (1, 1)], 97, stall_q=2 + 0 + (15 - 11) + 0 + (21 - 17),
          stall_softmax=(19 - 18) + (27 - 23), stall_op=34 - 27, stall_bank=(42 - 34) + (50 - 43) + (59 - 51))


@pytest.mark.parametrize("bits_per_cycle", [1, 2, 4, 8])
def test_a_long_stream_has_no_bubble(bits_per_cycle: int) -> None:
    """Once it runs, each further block costs exactly its keys."""
    config = cfg(bits_per_cycle)
    runs = [predict_cycles(config, [(16, 8 * blocks)])["cycles"] for blocks in range(1, 8)]
    assert {b - a for a, b in zip(runs, runs[1:])} == {config.block_cycles}


@pytest.mark.parametrize("bits_per_cycle", [1, 2, 4, 8])
def test_full_tiles_follow_each_other_without_a_bubble(bits_per_cycle: int) -> None:
    """A tile more costs its keys: its Q came and the tile before is drained meanwhile."""
    config = cfg(bits_per_cycle)
    runs = [predict_cycles(config, [(16, 64)] * tiles)["cycles"] for tiles in range(1, 6)]
    assert {b - a for a, b in zip(runs, runs[1:])} == {64 * config.cycles_per_key}


def tiles(config: EngineConfig) -> list[TileJob]:
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
        "ip_bit_ops": 18 * 16, "op_bit_ops": 18 * 16 * 7, "skipped_blocks": 0,
        "partial_rows": 0}
    assert {name: got[name] for name in ("cycles", *STALLS)} == predict_cycles(config, [(3, 10), (2, 8)])
    assert got["stall_k"] == got["stall_o"] == got["stall_decision"] == 0


def test_counts_of_partial_tiles() -> None:
    """Their rows are counted apart, and are no bytes of O."""
    config = cfg(2)
    whole = predict(config, tiles(config))
    got = predict(config, [replace(job, partial=index == 0) for index, job in enumerate(tiles(config))])
    assert {name: got[name] for name in ("o_bytes", "partial_rows", "tiles", "q_bytes")} == {
        "o_bytes": 2 * 32, "partial_rows": 3, "tiles": 2, "q_bytes": 5 * 16}
    assert all(got[name] == whole[name] for name in COUNTERS if name not in ("o_bytes", "partial_rows", *TIMING_COUNTERS))


def test_counts_of_skipped_blocks() -> None:
    """Of the first tile no row sees the ragged second block: its two values stay away."""
    config = cfg(2)
    jobs = [replace(job, skip=True) for job in tiles(config)]
    jobs[0].k_pos[8:] = config.padding_pos
    got = predict(config, jobs)
    assert {name: got[name] for name in ("blocks", "zero_blocks", "skipped_blocks", "v_bytes", "op_busy", "op_bit_ops")} == {
        "blocks": 3, "zero_blocks": 1, "skipped_blocks": 1, "v_bytes": 16 * 16, "op_busy": 2 * 32, "op_bit_ops": 16 * 16 * 7}
    timed = predict_cycles(config, [(3, 10), (2, 8)], None, [[True, False], [True]])
    assert {name: got[name] for name in ("cycles", *STALLS)} == timed


def test_every_counter_is_predicted() -> None:
    config = cfg(1)
    assert sorted(predict(config, tiles(config))) == sorted(COUNTERS)
    assert set(COUNTERS) > set(TIMING_COUNTERS) and len(COUNTERS) == len(set(COUNTERS)) == 26


def test_results_that_are_known_are_not_computed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    config = cfg(4)
    jobs = tiles(config)
    want = predict(config, jobs)
    results = [run_tile(config, job) for job in jobs]
    monkeypatch.setattr("models.hardware.timeline.run_tile", None)
    assert predict(config, jobs, results) == want


def test_no_engine_beats_the_bound(seed: int) -> None:
    """On random shapes: never fewer cycles than the keys need, and more keys or tiles never take less time."""
    generator = np.random.default_rng([seed, 11])
    for name in ("tiny", "default"):
        config = load_config(name)
        for _ in range(20):
            shapes = [(int(generator.integers(1, config.rows + 1)), int(generator.integers(1, 60))) for _ in range(5)]
            fused = [bool(f) for f in generator.integers(0, 2, 5)]
            cycles = predict_cycles(config, shapes)["cycles"]
            assert predict_cycles(config, shapes, fused)["cycles"] >= cycles
            assert cycles > config.cycles_per_key * sum(keys for _, keys in shapes)
            assert predict_cycles(config, shapes[:4])["cycles"] < cycles
            assert predict_cycles(config, [(shapes[0][0], shapes[0][1] + config.keys_per_block), *shapes[1:]])["cycles"] >= cycles


def test_rows_in_use_over_the_cycles_of_the_arrays() -> None:
    """16 keys of 3 rows and 9 of 5, a cycle in 4 per key; the second block of the first does not run."""
    shapes, ran = [(3, 16), (5, 9)], [[True, False], [True, True]]
    assert row_cycles(cfg(2), shapes, ran) == {"ip": (3 * 16 + 5 * 9) * 4, "op": (3 * 1 + 5 * 2) * 32}
    assert row_cycles(cfg(2), shapes)["op"] == (3 * 2 + 5 * 2) * 32


def test_rows_in_use_are_those_of_the_counters_where_all_tiles_have_as_many() -> None:
    config = cfg(1)
    jobs = [tiles(config)[0]] * 2
    counters = predict(config, jobs)
    assert row_cycles(config, [(3, 10)] * 2) == {"ip": 3 * counters["ip_busy"], "op": 3 * counters["op_busy"]}
