"""Coverpoints of ``fcim_score_lanes`` and their samplers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tb.common import spec
from tb.common.coverage import ROUNDING, ROUNDING_AXES, BenchCoverGroup, cut_off, digitise, points_of, sampler

point = points_of("fcim_score_lanes")

COVERPOINTS = (
    point("score_lanes.z", "Scaled scores", (
        "masked", "clamped below", "lowest", "negative", "0", "positive", "highest", "clamped above")),
    point("score_lanes.visible", "Why a row sees a key or does not",
          ("row not used", "key before", "at the row's position", "1 after", "2 or more after", "padding")),
    point("score_lanes.rounding", ROUNDING, axes=ROUNDING_AXES),
    point("score_lanes.shift", "Shifts", ("0", "1", "2 to 31", "32 to 62", "63")),
)
GROUP = BenchCoverGroup(COVERPOINTS)


@sampler
def sample_cycle(scores: Sequence[int], mults: Sequence[int], k_mult: int, shift: int, positions: Sequence[int], k_pos: int,
                 used: Sequence[bool], padding: int, z_max: int) -> None:
    """One key in all lanes; ``z_max`` is the largest scaled score."""
    visible = np.array([spec.visible(u, k_pos, pos) for u, pos in zip(used, positions)])
    product = np.array(scores, dtype=np.int64) * np.array(mults) * k_mult
    scaled = [spec.scale(s, mult, k_mult, shift, z_max) for s, mult in zip(scores, mults)]
    z, clamped = (np.array(part) for part in zip(*scaled))
    kinds = np.where(clamped, np.where(z > 0, 7, 1), digitise(z, (spec.Z_MIN, spec.Z_MIN + 1, 0, 1, z_max)) + 2)
    GROUP.sample_array("score_lanes.z", np.where(visible, kinds, 0))
    distance = k_pos - np.array(positions)
    why = 5 if k_pos == padding else np.where(distance < 0, 1, np.minimum(distance, 2) + 2)
    GROUP.sample_array("score_lanes.visible", np.where(np.array(used), why, 0))
    GROUP.sample_array("score_lanes.shift", digitise(np.array([shift]), (0, 1, 2, 32, 63)))
    if shift:
        GROUP.sample_array("score_lanes.rounding", (product >= 0).astype(np.int64), cut_off(product & ((1 << shift) - 1), shift))
