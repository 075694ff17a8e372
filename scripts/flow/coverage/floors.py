"""Floors of the coverage numbers: percentages below which the report fails, and which are only ever raised."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from models.errors import FcimError
from scripts.flow.coverage.points import TYPES
from scripts.flow.files import write_atomic

FUNCTIONAL = "functional"
NAMES = (*TYPES, FUNCTIONAL)
MARGIN = "margin"


@dataclass(frozen=True)
class Floors:
    """``values`` percent per name; ``margin`` what an update leaves between a number and its floor."""

    values: Mapping[str, float]
    margin: float = 0.0

    def raised(self, percents: Mapping[str, float | None]) -> dict[str, float]:
        """Floors that may be higher, rounded down to a tenth: ``{name: new floor}``."""
        found = {}
        for name, percent in percents.items():
            if name in self.values and percent is not None:
                new = math.floor((percent - self.margin) * 10 + 1e-6) / 10
                if new > self.values[name]:
                    found[name] = new
        return found


def load_floors(path: Path) -> Floors:
    """Floors of a YAML mapping that has a number for each of :data:`NAMES`, and perhaps ``margin``.

    Raises:
        FcimError: the file is missing or not understood, or a number is missing or none of a percentage.
    """
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise FcimError(f"cannot read the floors {path} ({error.strerror or error})") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise FcimError(f"{path} is no valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(data, dict):
        raise FcimError(f"{path} must hold one percentage for each of {', '.join(NAMES)}")
    for name in data:
        if name not in (*NAMES, MARGIN):
            raise FcimError(f"{path}: unknown name '{name}'; known are {', '.join((*NAMES, MARGIN))}")
    for name in NAMES:
        if name not in data:
            raise FcimError(f"{path}: '{name}' is missing; 0 means no floor")
    for name, value in data.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 100:
            raise FcimError(f"{path}: {name} is {value!r}; give a percentage from 0 to 100")
    return Floors({name: float(data[name]) for name in NAMES}, float(data.get(MARGIN, 0)))


def write_floors(path: Path, new: Mapping[str, float]) -> None:
    """Put the values of ``new`` into the file and leave everything else in it as it is.

    Raises:
        FcimError: a value's line is not found, or the file cannot be written.
    """
    text = path.read_text(encoding="utf-8")
    for name, value in new.items():
        text, found = re.subn(rf"^({name}\s*:\s*)[\d.]+", rf"\g<1>{value:.1f}", text, flags=re.MULTILINE)
        if found != 1:
            raise FcimError(f"{path}: cannot find the line of '{name}'; write it as '{name}: 90.0'")
    write_atomic(path, text)
