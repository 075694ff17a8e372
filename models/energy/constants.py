"""The constants of the energy model: what an event costs at least, usually and at most, and where that is from."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from models.errors import FcimError
from models.place import ROOT

ENERGY_DIR = ROOT / "config" / "energy"
DEFAULT = "28nm"
LEVELS = ("low", "typical", "high")

UNITS: Mapping[str, str] = {
    "inner_pair": "pair", "outer_pair": "pair", "cell_write": "bit", "local_read": "bit", "local_write": "bit", "adder": "bit",
    "shift": "bit", "score_scale": "score", "comparison": "score", "exponential": "score", "weigh": "bit product",
    "division": "element", "buffer_read": "byte", "buffer_write": "byte", "stage_read": "byte", "stage_write": "byte",
    "bus": "bit", "dram": "byte",
}
"""Every constant, and what one of its events is."""

_JOULE = {"fJ": 1e-15, "pJ": 1e-12}
_KEYS = ("unit", *LEVELS, "node", "source", "conversion")


@dataclass(frozen=True)
class Constant:
    """What an event costs.

    Attributes:
        unit: ``fJ/EVENT`` or ``pJ/EVENT``, of ``low``, ``typical`` and ``high``.
        node: the process in nm that the figure holds for.
        source: paper, tool or calculation. conversion: how the figure follows from it.
    """

    unit: str
    low: float
    typical: float
    high: float
    node: int
    source: str
    conversion: str

    def joule(self, level: str) -> float:
        """What an event costs in J.

        Raises:
            FcimError: there is no such level.
        """
        if level not in LEVELS:
            raise FcimError(f"there is no level '{level}' of the energy constants; use {', '.join(LEVELS)}")
        return getattr(self, level) * _JOULE[self.unit[:2]]


@dataclass(frozen=True)
class Constants:
    """A set of constants; ``values`` has every name of :data:`UNITS`."""

    name: str
    values: Mapping[str, Constant]

    def joule(self, constant: str, level: str) -> float:
        """What an event costs in J; see :meth:`Constant.joule`."""
        return self.values[constant].joule(level)

    def fixed(self, constant: str, level: str) -> Constants:
        """The same with one constant that has the value of a level at all of them."""
        one = self.values[constant]
        value = getattr(one, level)
        return replace(self, values={**self.values, constant: replace(one, low=value, typical=value, high=value)})


def energy_names() -> list[str]:
    """Names of the sets in ``config/energy``."""
    return sorted(p.stem for p in ENERGY_DIR.glob("*.yaml"))


def _constant(path: Path, name: str, data: Any) -> Constant:
    """One entry, checked."""
    if not isinstance(data, dict):
        raise FcimError(f"{path}: {name} must hold the keys {', '.join(_KEYS)}; see config/energy/{DEFAULT}.yaml")
    unknown, missing = set(data) - set(_KEYS), set(_KEYS) - set(data)
    if unknown or missing:
        problem = f"has an unknown key '{min(unknown, key=str)}'" if unknown else f"lacks '{min(missing)}'"
        raise FcimError(f"{path}: {name} {problem}; its keys are {', '.join(_KEYS)}")
    legal = [f"{prefix}/{UNITS[name]}" for prefix in _JOULE]
    if data["unit"] not in legal:
        raise FcimError(f"{path}: {name} has the unit {data['unit']!r}; use {' or '.join(legal)}")
    for level in LEVELS:
        value = data[level]
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
            raise FcimError(f"{path}: {name} has {level} = {value!r}; use a number from 0 on")
    if not data["low"] <= data["typical"] <= data["high"]:
        raise FcimError(f"{path}: {name} has low = {data['low']}, typical = {data['typical']}, high = {data['high']}; "
                        "write them in ascending order")
    if isinstance(data["node"], bool) or not isinstance(data["node"], int) or data["node"] < 1:
        raise FcimError(f"{path}: {name} has node = {data['node']!r}; use nm, a whole number")
    for key in ("source", "conversion"):
        if not isinstance(data[key], str) or not data[key].strip():
            raise FcimError(f"{path}: {name} says no {key}; write it in words")
    texts = {key: " ".join(data[key].split()) for key in ("source", "conversion")}
    return Constant(**{**data, **texts})


def load_constants(name: str = DEFAULT) -> Constants:
    """The set called ``name`` in ``config/energy``, or the YAML file at that path.

    Raises:
        FcimError: unknown name, unreadable file, unknown or missing key, or an illegal value.
    """
    path = Path(name) if name.endswith((".yaml", ".yml")) else ENERGY_DIR / f"{name}.yaml"
    if not path.is_file():
        raise FcimError(f"unknown energy constants '{name}'; use one of {', '.join(energy_names())} or a path to a .yaml file")
    try:
        data = yaml.safe_load(path.read_text())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise FcimError(f"{path} is not valid YAML ({' '.join(str(error).split())}); mend the file") from None
    if not isinstance(data, dict):
        raise FcimError(f"{path} must hold an entry for each constant; see config/energy/{DEFAULT}.yaml")
    data.pop("description", None)
    unknown, missing = set(data) - set(UNITS), set(UNITS) - set(data)
    if unknown or missing:
        problem = f"unknown constant '{min(unknown, key=str)}'" if unknown else f"missing constant '{min(missing)}'"
        raise FcimError(f"{path}: {problem}; the constants are {', '.join(sorted(UNITS))}")
    return Constants(path.stem, {constant: _constant(path, constant, data[constant]) for constant in UNITS})
