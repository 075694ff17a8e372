"""The timeline model at the pace of slow streams, against timelines worked out by hand from the page's table and its counters.

One key per cycle and eight to a block throughout. If nothing is slow, a tile of one row and one key has R 0, its bank readable
at 2, A 2, H 3, C 4, J 9, E 11, X 15, D 27 and its row out in 47 (``test_cycles.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from models.hardware.config import EngineConfig
from models.hardware.pace import EARLY, Pace, Ready
from models.hardware.progress import TIMING_COUNTERS
from models.hardware.timeline import Prediction, handshakes

CFG = EngineConfig("c", rows=16, head_dim=16, bits_per_cycle=8, keys_per_block=8, prob_bits=16, max_keys=64)


def run(shapes: list[tuple[int, int]], cycles: int, pace: Pace, ran: Sequence[Sequence[bool]] | None = None,
        partial: Sequence[bool] | None = None, **stalls: int) -> Prediction:
    """The run of ``shapes``, which has these cycles and stalls and no others."""
    got = handshakes(CFG, shapes, ran=ran, pace=pace, partial=partial)
    assert got.counters == {"cycles": cycles, **{name: stalls.pop(name, 0) for name in TIMING_COUNTERS[1:]}} and not stalls
    return got


def test_slow_rows() -> None:
    """Rows offered in 0 and 7: readable 9. The key stands from 3 on: it waits 6 cycles, and the tile 7 for its second row."""
    got = run([(2, 1)], 57, Pace(q=[0, 7], k=[3], v=[0]), stall_q=6)
    assert got.taken == {"q": [0, 7], "k": [9], "v": [0], "decision": [18], "o": [55, 56], "part": []}


def test_nothing_counts_between_tiles() -> None:
    """The second tile's row comes in 100: its key, there from 20 on, waits in 20 to 48 and in 100 and 101, not in between."""
    got = run([(1, 1), (1, 1)], 2 * 49, Pace(q=[0, 100], k=[0, 20], v=[-7, -6]), stall_q=2 + 29 + 2)
    assert got.taken == {"q": [0, 100], "k": [2, 102], "v": [-7, -6], "decision": [11, 111], "o": [48, 148], "part": []}


def test_a_key_that_is_there_before_the_first_row() -> None:
    """It waits from the first row on, not before."""
    run([(1, 1)], 49, Pace(q=[0], k=[-30], v=[-30]), stall_q=2)


def test_slow_keys() -> None:
    """Readable 2, first key in 12: A 12, all else 10 later. A second key in 20, which the IP-CIM could have taken in H[0] = 13:
    H 21, C 22, J 27, E 29, X 29+2+3 = 34, D 46, out 67."""
    run([(1, 1)], 59, Pace(q=[0], k=[12], v=[0]), stall_k=10)
    got = run([(1, 2)], 68, Pace(q=[0], k=[12, 20], v=[0, 0]), stall_k=10 + 7)
    assert got.taken["k"] == [12, 20] and got.taken["decision"] == [29]


def test_slow_values() -> None:
    """Probabilities are there in 15; a value in 30 completes its block in 31: X 31, out 64."""
    run([(1, 1)], 65, Pace(q=[0], k=[0], v=[30]), stall_q=2, stall_v=31 - 15)


def test_a_block_does_not_wait_for_values_while_the_op_cim_is_busy() -> None:
    """Two tiles: E[1] 12, probabilities in 16, but the OP-CIM is ready in X[0] + 8 = 23. The value, in 25, is complete in 26: the
    block has waited 3 cycles for it; X 26, D 38, out 59."""
    run([(1, 1), (1, 1)], 60, Pace(q=[0, 1], k=[0, 0], v=[0, 25]), stall_q=2, stall_v=26 - 23)


def test_the_ring_of_values() -> None:
    """Three blocks of values fit in. Four tiles of one row and key, as in ``test_short_blocks_back_up_to_the_ip_cim``: the fourth
    value is taken once block 0 is read, from X[0] + 7 + 1 = 23 on, and in its order if the third comes in 25."""
    got = handshakes(CFG, [(1, 1)] * 4)
    assert got.taken["v"] == [0, 1, 2, 23]
    got = handshakes(CFG, [(1, 1)] * 4, pace=Pace(q=[0] * 4, k=[0] * 4, v=[-1, 5, 25, 3]))
    assert got.taken["v"] == [-1, 5, 25, 26]


def test_slow_answers_to_requests() -> None:
    """Valid in 11, ready in 25 for one cycle: E 25, X 29, D 41, out 62. Ready before and not in 11 does not help."""
    for changes in ((25, 26), (3, 11, 25)):
        got = run([(1, 1)], 63, Pace(q=[0], k=[0], v=[0], decision=changes), stall_q=2, stall_decision=14)
        assert got.offered["decision"] == [11] and got.taken["decision"] == [25]


def test_a_skipped_block_may_wait_for_its_answer_or_not() -> None:
    """A tile of 9 keys whose second block is skipped: E[0] 18, J[1] = max(17, 16+1), valid from max(19, 18+8) = 26 on.

    X[0] = 18+8+3 = 29, D = max(29+12, E[1]+2): out 62, unless E[1] is beyond 39: E[1] 50, D 52, out 73.
    """
    pace = Pace(q=[0], k=[0] * 9, v=[0] * 8, decision=(EARLY, 20, 50))
    run([(1, 9)], 74, pace, [[True, False]], stall_q=2, stall_decision=24)
    run([(1, 9)], 63, replace(pace, skips_wait=False), [[True, False]], stall_q=2)
    run([(1, 9)], 74, replace(pace, decision=(10, 19, 50)), [[True, False]], stall_q=2, stall_decision=24)


def test_slow_rows_of_output() -> None:
    """Three rows: readable 4, A 4, E 13, X 17, D 29, rows valid in 50, 51 and 52 if each is taken at once. Ready in 60 and
    from 64 on: the second row is valid in 61, the third in 65."""
    got = run([(3, 1)], 66, Pace(q=[0, 1, 2], k=[0], v=[0], o=(60, 61, 64)), stall_q=4, stall_o=10 + 3)
    assert got.offered["o"] == [50, 61, 65] and got.taken["o"] == [60, 64, 65]


def test_a_waiting_row_stops_the_whole_drain() -> None:
    """Tiles of 1, 16, 1 and 1 rows, one key each; the first row of output, valid in 48, waits until 50.

    Tile 1: R 1..16, readable 18, A 18, H 19, C 20, J 25, E 27, X 31, D 43. Its reads 43 to 47 move, two cycles stand, the other
    eleven follow from 50 to 60: drained 61. Row 0 is valid in 43 + 21 + 2 = 66, the last one in 81.
    Tile 2: bank of Q free from C[0]+2 = 6, row 17, readable 19, A 19, H 20, C 21, J 26, E 28, X max(32, 31+8) = 39; complete in
    51, but tile 1 is read until 60: D 61, out 82.
    Tile 3: bank of Q free from C[1]+2 = 22, row 22, readable 24, A 24 (4 after H[2]), C 26, J 31, judged in 33; room in the
    OP-CIM in X[1]+5 = 36; its bank is drained in 61: E 61, X 65, D 77, out 98.
    """
    pace = Pace(q=[0] * 19, k=[0] * 4, v=[0] * 4, o=(50,))
    got = run([(1, 1), (16, 1), (1, 1), (1, 1)], 99, pace, stall_q=2 + (18 - 3) + 0 + 4, stall_op=3, stall_bank=61 - 36,
              stall_o=2)
    assert got.taken["o"] == [50, *range(66, 82), 82, 98] and got.taken["decision"] == [11, 27, 28, 61]


def test_chunks_of_a_partial_tile() -> None:
    """One chunk a row. Three rows as above: reads from 29 on, a chunk a cycle later. Ready in 30 and from 40 on: chunk 1 is valid
    in 31, taken in 40, in which chunk 2 is read."""
    got = run([(3, 1)], 42, Pace(q=[0, 1, 2], k=[0], v=[0], part=(30, 31, 40)), partial=[True], stall_q=4, stall_o=9)
    assert got.offered["part"] == [30, 31, 41] and got.taken["part"] == [30, 40, 41] and got.taken["o"] == []


def test_a_partial_tile_waits_for_the_rows_before_it() -> None:
    """Tiles of one row and one key each. Tile 0: A 2, X 15, D 27, out in 48. Tile 1, partial: A 3, X 23, complete in 35; read in
    49, taken in 50, its bank is drained in 50. Tile 2: R 6, readable 8, A 8 (4 after H[1]), C 10, J 15, judged in 17; room in
    X[0] + 5 = 20, bank of tile 0 drained in 28: E 28, X 32, complete in 44; D 50 with the chunk, out in 71."""
    got = run([(1, 1)] * 3, 72, Pace(q=[0] * 3, k=[0] * 3, v=[0] * 3), partial=[False, True, False], stall_q=2 + 4, stall_op=3,
              stall_bank=8)
    assert got.taken["o"] == [48, 71] and got.taken["part"] == [50]
    slow = handshakes(CFG, [(1, 1)] * 3, pace=Pace(q=[0] * 3, k=[0] * 3, v=[0] * 3, o=(60,), part=(80,)),
                      partial=[False, True, False])
    assert slow.taken["o"] == [60, 101] and slow.offered["part"] == [62] and slow.taken["part"] == [80]
    assert slow.counters["stall_o"] == 12 + 18


def test_what_does_not_fit_is_refused() -> None:
    """An output that is never ready again, and another number of beats."""
    pace = Pace(q=[0], k=[0], v=[0], o=(3, 47))
    with pytest.raises(ValueError, match="o is not ready from cycle 48 on"):
        handshakes(CFG, [(1, 1)], pace=pace)
    for wrong in ({"q": []}, {"k": [0, 1]}, {"v": []}):
        with pytest.raises(ValueError, match=f"beats of {min(wrong)} were offered, the tiles have 1"):
            handshakes(CFG, [(1, 1)], pace=replace(pace, o=(0,), **wrong))


def test_ready() -> None:
    ready = Ready(Pace([], [], [], o=(4, 6, 9)), "o")
    assert [ready.first(cycle) for cycle in (-5, 3, 4, 5, 6, 8, 9, 100)] == [4, 4, 4, 5, 9, 9, 9, 100]
    assert [Ready(pace, "decision").first(3) for pace in (None, Pace([], [], []))] == [3, 3]
