"""Figures that follow from the fixture model's attention on its text, and so from this machine: float32 and the text.

PyTorch rounds float32 as the processor's vector instructions happen to add, so the last digits differ from machine to machine;
and the text is the standard library of the Python that runs, so another Python gives other figures altogether.
"""

from __future__ import annotations

import functools
import platform
from typing import Any

from scripts.figures import text
from scripts.figures.text import exact, form, timed
from scripts.flow.sources import ROOT


@functools.cache
def same_text() -> bool:
    """Whether this is the Python whose figures the pages show."""
    return f"Python {platform.python_version()}," in (ROOT / "README.md").read_text(encoding="utf-8")


def near(value: float, spec: str, within: float) -> str:
    """A figure whose rounding may differ by ``within``; with another text any figure will do."""
    return text.near(value, spec, within) if same_text() else text.loose(value, spec)


class _Value:
    """A value that says in its format how it is compared: ``,`` exactly, ``.2f~0.1`` within 0.1, ``.2f~time``, ``~form``."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __format__(self, spec: str) -> str:
        spec, _, how = spec.partition("~")
        if how == "time" or self.value is None:
            return timed(self.value, spec)
        if how == "form":
            return form(str(self.value))
        if isinstance(self.value, str):
            return self.value
        return near(self.value, spec, float(how)) if how else exact(self.value, spec)


def fill(template: str, **values: Any) -> str:
    """A text with its figures: ``fill("{db:.1f~0.1} dB", db=40.82)``. Strings go in as they are."""
    return template.format_map({name: _Value(value) for name, value in values.items()})
