"""Pages of the functional coverage and of the verification plan: what the runs have met, what is missing in red."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from scripts.flow.coverage.functional import CoverGroup, CoverPoint
from scripts.flow.coverage.plan import (
    FAILED,
    HOLES,
    NOT_RUN,
    NOTHING,
    PARTLY,
    PASSED,
    VERIFIED,
    Beside,
    Feature,
    Job,
    Plan,
    feature_verdict,
    jobs_of,
    plan_problems,
    verdict_of,
)
from scripts.flow.coverage.ranking import Ranking
from scripts.flow.coverage.results import percent, short_count
from scripts.flow.html import render

TEMPLATES = Path(__file__).parent / "templates"
FUNCTIONAL_PAGE, PLAN_PAGE = "functional.html", "plan.html"
SOURCES = {"record": "whole engine", "bench": "bench"}
STYLES = {verdict: f"is-{verdict.replace(' ', '-')}" for verdict in (VERIFIED, HOLES, PASSED, PARTLY, NOT_RUN, FAILED)}


# ---- functional coverage
def _bin(point: CoverPoint, name: str, hits: int, ranking: Ranking) -> dict[str, Any]:
    """What the page shows of a bin; ``kind`` is empty (hit), hole, out (no goal) or broken (illegal and hit)."""
    reason, place = point.reasons.get(name), ranking.bins.get((point.name, name))
    title = f"{name}: {hits:,} hits" + (f"; {reason[0]}: {reason[1]}" if reason else "")
    title += "" if place is None else f"; first by {ranking.steps[place].job}"
    kind = "broken" if reason and hits and reason[0] == "illegal" else "out" if reason else "" if hits else "hole"
    return {"name": name, "hits": hits, "count": short_count(hits), "kind": kind, "title": title}


def _point(group: CoverGroup, name: str, ranking: Ranking) -> dict[str, Any]:
    """What the page shows of a coverpoint."""
    point = group.point(name)
    reasons: dict[tuple[str, str], list[str]] = {}
    for bin_name, reason in point.reasons.items():
        reasons.setdefault(reason, []).append(bin_name)
    bins = [_bin(point, bin_name, hits, ranking) for bin_name, hits in group.hits(name).items()]
    return {"name": name, "shows": point.shows, "source": SOURCES[point.source], "axes": point.axes, "score": group.score([name]),
            "holes": group.holes(name), "bins": bins, "reasons": reasons}


def functional_page(group: CoverGroup, ranking: Ranking) -> str:
    """The page as HTML: per block its coverpoints with the hits of every bin, and the job that hit it first."""
    blocks = [{"name": block, "score": group.score(names), "points": [_point(group, name, ranking) for name in names]}
              for block, names in group.by_block().items()]
    return render(TEMPLATES, "functional.html.j2", group=group, blocks=blocks, score=group.score(), problems=group.problems(),
                  complete=sum(not point["holes"] for block in blocks for point in block["points"]), percent=percent)


# ---- verification plan
def plan_page(plan: Plan, group: CoverGroup, jobs: Sequence[Job], regression: Path, beside: Beside = NOTHING) -> str:
    """The page as HTML: features, their coverpoints, tests and proofs, joined with what the last runs gave.

    Args:
        jobs: of the last regression.
        regression: the list of the regression's entries.
        beside: of the last proofs and mutants.
    """
    ran = {test: jobs_of(test, jobs) for test in plan.tests()}
    tests = {test: verdict_of(found) for test, found in ran.items()}

    def shown(feature: Feature) -> dict[str, Any]:
        return {"name": feature.name, "shows": feature.shows, "points": feature.points, "tests": feature.tests,
                "proofs": [(name, beside.proof(name)) for name in feature.proofs],
                "verdict": feature_verdict(feature, group, tests, beside)}

    blocks = []
    for block in plan.blocks:
        features = [shown(feature) for feature in block.features]
        names = list(dict.fromkeys(name for feature in block.features for name in feature.points))
        blocks.append({"module": block.module, "file": block.file, "features": features, "score": group.score(names),
                       "verdicts": Counter(feature["verdict"] for feature in features),
                       "mutants": beside.mutants.get(block.module)})
    failed = [f"{block['module']}: {feature['name']}" for block in blocks for feature in block["features"]
              if feature["verdict"] == FAILED]
    proofs = {name for block in plan.blocks for feature in block.features for name in feature.proofs}
    points = {name: {"score": group.score([name]), "holes": group.holes(name)} for name in group.points}
    return render(TEMPLATES, "plan.html.j2", blocks=blocks, wrong=[*plan_problems(plan, group, regression), *failed],
                  verdicts=sum((block["verdicts"] for block in blocks), Counter()), score=group.score(), points=points,
                  features=sum(len(block.features) for block in plan.blocks), kinds=(VERIFIED, HOLES, NOT_RUN, FAILED),
                  tests={test: {"verdict": verdict, "jobs": len(ran[test])} for test, verdict in tests.items()}, styles=STYLES,
                  passed=sum(verdict == PASSED for verdict in tests.values()), mutants=beside.mutants.get("all"),
                  proven=sum(beside.proof(name) == PASSED for name in proofs), proofs=len(proofs),
                  complete=sum(not point["holes"] for point in points.values()))
