"""The maxima and the spans of key blocks, in every schedule."""

from __future__ import annotations

from dataclasses import replace

import pytest

from models.hardware.schedules import SCHEDULES, blocks
from scripts.studies.schedules.scores import HIDDEN, block_maxima, block_spans, group_scores, ones_of_blocks
from scripts.studies.schedules.sources import prefill
from tests.studies.samples import CFG, tensors


@pytest.mark.parametrize("keys", [1, 7, 8, 40, 75, 96])
@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("size", [8, 16, 32])
def test_maxima_and_spans_of_every_block(schedule: str, size: int, keys: int) -> None:
    """Through cells of any size: the maxima of the scores in the order of the stream, block by block."""
    cfg = replace(CFG, keys_per_block=size)
    scores = group_scores(cfg, prefill(tensors(4, keys)).groups[0])
    maxima = block_maxima(scores, schedule, size)
    starts, counts = block_spans(schedule, tuple(scores.keys.tolist()), size)
    ones = ones_of_blocks(scores.longest.v, starts, counts)
    for tile, z in enumerate(scores.z):
        want = blocks(schedule, z.shape[1], size)
        got = list(zip(starts[:, tile].tolist(), counts[:, tile].tolist()))
        assert got == want + [(0, 0)] * (len(got) - len(want))
        for block, (first, count) in enumerate(want):
            assert (maxima[block, tile, :z.shape[0]] == z[:, first:first + count].max(1)).all()
            codes = scores.longest.v[first:first + count].long() + 128
            assert ones[block, tile] == sum(int(code).bit_count() for code in codes.flatten())
        assert (maxima[len(want):, tile] == HIDDEN).all() and not ones[len(want):, tile].any()
