"""All coverpoints, collected from the benches, and what this design's coverage is measured against.

Beside this module lie the floors of the coverage numbers and the exclusions from code coverage.
"""

from __future__ import annotations

from importlib import import_module

from scripts.flow.coverage.functional import CoverGroup, CoverPoint
from scripts.flow.coverage.results import Inputs
from scripts.flow.sources import ROOT

BENCHES = ROOT / "tb"
INPUTS = Inputs(data=ROOT / "build" / "coverage" / "data", design=ROOT / "rtl",
                exclusions=BENCHES / "coverage" / "exclusions.yaml", floors=BENCHES / "coverage" / "floors.yaml",
                plan=ROOT / "docs" / "verification_plan.yaml", regression=BENCHES / "workloads" / "regression.yaml",
                proofs=ROOT / "build" / "prove" / "report.json", mutants=ROOT / "build" / "mutate" / "report.json")
ATTRIBUTE = "COVERPOINTS"


def coverage_modules() -> list[str]:
    """Names of the modules that may declare coverpoints: ``tb/<block>/coverage.py``, or all of ``tb/<block>/coverage/``."""
    files = [*BENCHES.glob("*/coverage.py"), *BENCHES.glob("*/coverage/*.py")]
    parts = [file.relative_to(BENCHES.parent).with_suffix("").parts for file in sorted(files)]
    return [".".join(names[:-1] if names[-1] == "__init__" else names) for names in parts]


def coverpoints() -> tuple[CoverPoint, ...]:
    """``COVERPOINTS`` of every module; needs torch, so it is not for the inside of a simulator."""
    return tuple(point for name in coverage_modules() for point in getattr(import_module(name), ATTRIBUTE, ()))


def new_coverage() -> CoverGroup:
    """A group of all coverpoints, without counts.

    Raises:
        ValueError: two coverpoints have the same name.
    """
    return CoverGroup(coverpoints())
