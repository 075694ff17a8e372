"""What ``LIB=`` may name: a library that comes with the project, or any Liberty file. ``syn/libraries.yaml`` has the settings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import yaml

from models.errors import FcimError
from scripts.flow.gates.cells import Cell, Library, load
from scripts.flow.gates.fanout import buffer_cell
from scripts.flow.gates.timing import Conditions
from scripts.flow.sources import ROOT

FOLDER = ROOT / "syn"
DEFAULT = "asap7"
OTHERS = {"slew": 50.0, "load": 10.0}       # of a library without settings, in ps and fF


@dataclass(frozen=True)
class Settings:
    """What is not in a Liberty file; the keys of ``syn/libraries.yaml``. ``bit`` is None where a macro's area is not known."""

    name: str
    pattern: str = "*"
    file: Path | None = None
    what: str = ""
    licence: str = ""
    get: str = ""
    node: int | None = None
    nand2: str = ""
    dont_use: tuple[str, ...] = ()
    buffer: str = ""
    slew: float = OTHERS["slew"]
    load: float = OTHERS["load"]
    bit: float | None = None


@dataclass(frozen=True)
class Chosen:
    """A library to synthesize to: its file, its cells, its settings."""

    file: Path
    cells: Library
    settings: Settings

    @property
    def conditions(self) -> Conditions:
        """What timing assumes at ports and of the clock."""
        return Conditions(self.settings.slew, self.settings.load)

    @property
    def gate(self) -> float | None:
        """The area of one gate equivalent in um2, None where it is not known which cell that is."""
        cell = self.cells.cells.get(self.settings.nand2)
        return cell.area if cell else None

    @property
    def buffer(self) -> Cell:
        """The cell that trees of buffers are made of.

        Raises:
            FcimError: the library has none.
        """
        cell = buffer_cell(self.cells, self.settings.buffer if self.settings.buffer in self.cells.cells else "")
        if cell is None:
            raise FcimError(f"{self.file} has no buffer; give a Liberty file of a complete library")
        return cell

    def dont_use(self) -> list[str]:
        """The cells of the file that synthesis may not choose."""
        return [name for name in self.cells.cells if excluded(name, self.settings.dont_use)]


def all_settings() -> dict[str, Settings]:
    """The libraries that ``syn/libraries.yaml`` knows, by name."""
    def read(name: str, data: dict[str, Any]) -> Settings:
        file = FOLDER / data.pop("file") if "file" in data else None
        return Settings(name=name, file=file, dont_use=tuple(data.pop("dont_use", ())), **data)

    return {name: read(name, data) for name, data in yaml.safe_load((FOLDER / "libraries.yaml").read_text()).items()}


def excluded(cell: str, dont_use: Sequence[str]) -> bool:
    """Whether a pattern names the cell."""
    return any(fnmatchcase(cell, pattern) for pattern in dont_use)


def choose(given: str) -> Chosen:
    """The library that ``LIB=given`` names.

    Raises:
        FcimError: no such library or file, one that does not come along, a file that is no Liberty or has no flip-flops.
    """
    known = all_settings()
    settings = known.get(given)
    if settings is not None and settings.file is None:
        raise FcimError(f"LIB = {given}: {settings.get}")
    if settings is None and not Path(given).is_file():
        here = ", ".join(name for name, found in known.items() if found.file)
        raise FcimError(f"LIB = '{given}' is neither a library ({here}) nor a file; give the path of a Liberty file")
    file = (settings.file if settings and settings.file else Path(given)).resolve()
    cells = load(file)
    if settings is None:
        settings = next((s for s in known.values() if fnmatchcase(cells.name, s.pattern)), Settings(Path(given).stem))
    if not any(cell.clock and not cell.latch and not excluded(name, settings.dont_use) for name, cell in cells.cells.items()):
        raise FcimError(f"LIB = {given}: no flip-flop is in the file; give a Liberty file of a complete library")
    return Chosen(file, cells, settings)
