"""The floors: area and longest path of every block that must not get worse without somebody's notice.

``syn/floors.yaml`` has them for one library by configuration; ``make synth FLOORS=1`` writes what it found.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import yaml

from models.errors import FcimError
from scripts.flow.files import write_atomic
from scripts.synth.elaborate import TOPS
from scripts.synth.libraries import DEFAULT, FOLDER
from scripts.synth.record import Result

FILE = FOLDER / "floors.yaml"
ALLOWED = 0.02      # how much worse is not worth a word
FIELDS = {"area": "um2", "path": "ps"}
HEADER = f"""# The most that a block may need in {DEFAULT}: area of it alone in um2, longest path with its children in ps.
# make synth fails where a block is more than {ALLOWED:.0%} worse; make synth FLOORS=1 writes this file. Better ones may be
# written without notice, worse ones need a reason in the commit.
"""
Floors = dict[str, dict[str, dict[str, float]]]


def read_floors(path: Path = FILE) -> Floors:
    """Configuration, block, ``area`` and ``path``; empty where there is no file.

    Raises:
        FcimError: the file holds something else.
    """
    if not path.is_file():
        return {}
    try:
        data = yaml.safe_load(path.read_text()) or {}
        return {config: {name: {key: float(block[key]) for key in FIELDS} for name, block in blocks.items()}
                for config, blocks in data.items()}
    except (yaml.YAMLError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise FcimError(f"{path} is not as it should be ({' '.join(str(error).split())}); restore it, or run: make synth FLOORS=1"
                        ) from None


def found(result: Result) -> dict[str, dict[str, float]]:
    """A run's blocks in the form of the floors."""
    return {name: {"area": round(result.own_area(name), 1), "path": round(block.ps)} for name, block in result.blocks.items()}


def worse(result: Result, floors: Floors) -> list[str]:
    """One line for each figure that is worse than its floor; only for the library that the floors are for."""
    if result.chosen.settings.name != DEFAULT:
        return []
    lines = []
    for name, block in found(result).items():
        for key, unit in FIELDS.items():
            floor = floors.get(result.config, {}).get(name, {}).get(key)
            if floor is not None and block[key] > floor * (1 + ALLOWED):
                lines.append(f"{result.config}: {name} has a{'n' if key == 'area' else ''} {key} of {block[key]:,.0f} {unit}, "
                             f"{100 * (block[key] / floor - 1):.1f} % more than its floor of {floor:,.0f}")
    return lines


def write_floors(results: Sequence[Result], path: Path = FILE) -> None:
    """Replace the floors of the blocks that were synthesized; those of blocks that are gone leave with them."""
    floors = read_floors(path)
    for result in results:
        old = floors.get(result.config, {})
        new = found(result)
        floors[result.config] = dict(sorted((new if set(TOPS) <= set(result.tops) else old | new).items()))
    lines = [HEADER]
    for config, blocks in sorted(floors.items()):
        lines.append(f"{config}:\n")
        lines += [f"  {name}: {{area: {block['area']}, path: {block['path']:.0f}}}\n" for name, block in blocks.items()]
    write_atomic(path, "".join(lines))
