"""The order of the keys: permutations of full runs with the ragged one last, and what each schedule puts first."""

from __future__ import annotations

import pytest
import torch

from models.errors import FcimError
from models.hardware.schedules import (
    DEFAULT_OPTIONS,
    SCHEDULES,
    TileOptions,
    block_span,
    blocks,
    check_octaves,
    check_schedule,
    key_order,
)

SIZES = (8, 16, 32, 64)


def by_the_page(schedule: str, n: int, size: int) -> list[int]:
    """The order once more, key by key, from the definition in docs/schedules.md."""
    if schedule == "natural":
        return list(range(n))
    if schedule == "diagonal_ascending":
        diagonal = list(range(n))[-size:]
        return diagonal + [key for key in range(n) if key not in diagonal]
    runs, stop = [], n
    while stop > 0:
        runs.append(list(range(max(0, stop - size), stop)))
        stop -= size
    if schedule == "diagonal_first" or n <= size:
        return sum(runs, [])
    sink = list(range(min(size, n - size)))
    rest = [[key for key in run if key not in sink] for run in runs[1:]]
    return sum([runs[0], sink, *rest], [])


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_every_length(schedule: str, size: int) -> None:
    """A permutation; the engine's cut into blocks is the schedule's; runs ascend; what comes first is what the name says."""
    for n in [*range(1, 4 * size + 4), 1000, 1024]:
        order, runs = key_order(schedule, n, size), blocks(schedule, n, size)
        assert order.dtype == torch.int64 and sorted(order.tolist()) == list(range(n))
        cut = [order[start:start + size].tolist() for start in range(0, n, size)]
        assert cut == [list(range(start, start + count)) for start, count in runs]
        assert order.tolist() == by_the_page(schedule, n, size)
        assert all(count == size for _, count in runs[:-1]) and 1 <= runs[-1][1] <= size
        if schedule != "natural":
            assert runs[0] == (max(0, n - size), min(n, size))
        if schedule in ("sink_diagonal", "diagonal_ascending") and n > size:
            assert runs[1] == (0, min(size, n - size))


@pytest.mark.parametrize(("schedule", "n", "want"), [
    ("natural", 19, [(0, 8), (8, 8), (16, 3)]),
    ("diagonal_first", 19, [(11, 8), (3, 8), (0, 3)]),
    ("sink_diagonal", 7, [(0, 7)]),
    ("sink_diagonal", 8, [(0, 8)]),
    ("sink_diagonal", 9, [(1, 8), (0, 1)]),
    ("sink_diagonal", 16, [(8, 8), (0, 8)]),
    ("sink_diagonal", 17, [(9, 8), (0, 8), (8, 1)]),
    ("sink_diagonal", 24, [(16, 8), (0, 8), (8, 8)]),
    ("sink_diagonal", 35, [(27, 8), (0, 8), (19, 8), (11, 8), (8, 3)]),
    ("diagonal_ascending", 8, [(0, 8)]),
    ("diagonal_ascending", 9, [(1, 8), (0, 1)]),
    ("diagonal_ascending", 16, [(8, 8), (0, 8)]),
    ("diagonal_ascending", 35, [(27, 8), (0, 8), (8, 8), (16, 8), (24, 3)])])
def test_blocks_by_hand(schedule: str, n: int, want: list[tuple[int, int]]) -> None:
    assert blocks(schedule, n, 8) == want


@pytest.mark.parametrize("use", [check_schedule, lambda name: blocks(name, 9, 8), lambda name: key_order(name, 9, 8)])
def test_an_unknown_name_is_refused(use: object) -> None:
    with pytest.raises(FcimError, match="^unknown schedule 'Natural'; use one of natural, diagonal_first, sink_diagonal, "
                                            "diagonal_ascending$"):
        use("Natural")
    assert check_schedule("natural") == "natural"


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("size", [8, 16])
def test_spans_of_many_tiles_are_the_blocks(schedule: str, size: int) -> None:
    """Block by block, for all lengths that have it at once."""
    for block in range(6):
        keys = torch.arange(block * size + 1, 7 * size)
        starts, counts = block_span(schedule, block, keys, size)
        wanted = [blocks(schedule, n, size)[block] for n in keys.tolist()]
        assert list(zip(starts.tolist(), counts.tolist(), strict=True)) == wanted


def test_octaves_are_what_a_tile_can_carry() -> None:
    assert [check_octaves(octaves) for octaves in (0, 1, 31)] == [0, 1, 31]
    for octaves in (-1, 32):
        with pytest.raises(FcimError, match=f"^OCTAVES = {octaves} is illegal; use 0 .* to 31$"):
            check_octaves(octaves)


def test_only_skipping_below_octaves_can_change_results() -> None:
    """And only that is in the name of the options."""
    assert [TileOptions(skip=skip, octaves=octaves).lossy for skip in (False, True) for octaves in (0, 9)] == [
        False, False, False, True]
    assert TileOptions(skip=True).name == TileOptions(octaves=9).name == "natural"
    assert TileOptions("diagonal_ascending", True, True, 1, 9).name == "diagonal_ascending + fused, tau 1, skipping below 2^-9"


def test_what_is_taken_where_nobody_chooses() -> None:
    """The order of docs/schedules.md, exact and without a threshold; a tile of which nothing is said is the plainest."""
    assert TileOptions("sink_diagonal", fused=True, skip=False, tau=0, octaves=0) == DEFAULT_OPTIONS
    assert TileOptions() == TileOptions("natural", fused=False, skip=False, tau=0, octaves=0)


def test_what_somebody_chose() -> None:
    """Also where it is 0 or False; the rest stays."""
    assert DEFAULT_OPTIONS.given(schedule=None, fused=None, tau=None) == DEFAULT_OPTIONS
    assert DEFAULT_OPTIONS.given(fused=False, tau=0) == TileOptions("sink_diagonal")
    assert DEFAULT_OPTIONS.given(schedule="natural", tau=3, skip=True) == TileOptions("natural", True, True, 3)
