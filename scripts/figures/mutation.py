"""The table of what the benches notice: the last report of ``make mutate``."""

from __future__ import annotations

from scripts.figures.machine import fill
from scripts.figures.pages import Piece
from scripts.figures.reports import Data
from scripts.figures.text import exact, table

PAGE = "docs/mutation.md"


def _side(entry: Data, sign: str) -> str:
    """The lines before (``-``) or after (``+``) a fault, as one."""
    return " ".join(line[2:].strip() for line in entry["difference"] if line[0] == sign)


def mutation(data: Data) -> list[Piece]:
    """A row per module, and the faults that no bench has noticed and nobody has judged."""
    total = data["rows"][-1]
    caption = fill(
        "`{command}`: {tried:} mutants of the {made:,} in {modules:} modules, and {invalid:} that the simulator does not take. "
        "{score:} of those that are not equivalent are noticed.", command=data["command"], tried=total["mutants"],
        made=data["made"], modules=data["modules"], invalid=data["invalid"], score=data["facts"]["score"])
    counts = [[f"`{row['module']}`" if row is not total else "all", *(exact(row[name]) for name in list(row)[1:])]
              for row in data["rows"]]
    parts = [caption, table(list(total), counts)]
    if data["alive"]:
        alive = [f"* `{entry['file']}`, {entry['operator']}: `{_side(entry, '-')}` becomes `{_side(entry, '+')}`"
                 for entry in data["alive"]]
        parts.append("Not noticed and not judged:\n\n" + "\n".join(alive))
    return [Piece(PAGE, "\n\n".join(parts), "mutation")]
