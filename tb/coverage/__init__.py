"""All coverpoints, collected from the benches: whoever adds one to the ``coverage.py`` of its block is done here.

Beside this module lie the floors of the coverage numbers and the exclusions from code coverage.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from scripts.flow.coverage.model import CoverGroup, CoverPoint

BENCHES = Path(__file__).parents[1]
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
