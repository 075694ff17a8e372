"""Bring a run's tables and figures into the page about schedules (``python -m scripts.ablation.docs``)."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from models.errors import FcimError, run_cli
from scripts.ablation.results import FIGURES
from scripts.ablation.sheet import END, begin
from scripts.arguments import Parser
from scripts.rtl_list import ROOT

PAGE = ROOT / "docs" / "schedules.md"


def tables_of(text: str) -> dict[str, str]:
    """Every marked table of a page by its name, with its marks."""
    pattern = re.compile(rf"{re.escape(begin('NAME')).replace('NAME', '([a-z-]+)')}\n.*?{re.escape(END)}", re.S)
    return {match[1]: match[0] for match in pattern.finditer(text)}


def with_tables(page: str, tables: dict[str, str]) -> str:
    """The page with each of its marked tables replaced by the run's.

    Raises:
        FcimError: the run does not have one of them.
    """
    for name, old in tables_of(page).items():
        if name not in tables:
            raise FcimError(f"the run has no table '{name}'; use the results of a whole run: make ablation")
        page = page.replace(old, tables[name])
    return page


def main(argv: list[str] | None = None) -> int:
    parser = Parser(None, "Bring a run's tables and figures into the page about schedules.")
    parser.add_argument("--run", type=Path, default=ROOT / "build" / "ablation", help="folder of the run's results")
    parser.add_argument("--page", type=Path, default=PAGE, help="the page; figures go to the folder images beside it")
    args = parser.parse_args(argv)
    missing = [path for path in (args.run / "ablation.md", *(args.run / f"{name}.svg" for name in FIGURES), args.page)
               if not path.is_file()]
    if missing:
        raise FcimError(f"{missing[0]} is not there; run: make ablation")
    page = with_tables(args.page.read_text(), tables_of((args.run / "ablation.md").read_text()))
    (args.page.parent / "images").mkdir(exist_ok=True)
    for name in FIGURES:
        shutil.copy(args.run / f"{name}.svg", args.page.parent / "images" / f"ablation_{name}.svg")
    args.page.write_text(page)
    return 0


if __name__ == "__main__":
    run_cli(main)
