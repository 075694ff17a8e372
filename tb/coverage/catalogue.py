"""All cover points. They are written from docs/engine.md; docs/verification_plan.yaml says which test hits them."""

from __future__ import annotations

from scripts.flow.coverage.model import Coverage, Point
from tb.coverage.catalogue_attention import ATTENTION_POINTS
from tb.coverage.catalogue_data import DATA_POINTS
from tb.coverage.catalogue_decisions import DECISION_POINTS
from tb.coverage.catalogue_flow import FLOW_POINTS
from tb.coverage.catalogue_unit import UNIT_POINTS

POINTS: tuple[Point, ...] = (*ATTENTION_POINTS, *DATA_POINTS, *DECISION_POINTS, *FLOW_POINTS, *UNIT_POINTS)


def new_coverage() -> Coverage:
    """No hits of any point yet."""
    names = [point.name for point in POINTS]
    assert len(set(names)) == len(names), "a cover point is there twice"
    return Coverage(POINTS)
