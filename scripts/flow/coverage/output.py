"""Writes the report: the site, the tracefile for lcov and the summary for programs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from scripts.flow.coverage.index_page import index_page
from scripts.flow.coverage.lcov import tracefile
from scripts.flow.coverage.page_parts import SOURCE_FOLDER, source_page_name
from scripts.flow.coverage.results import Results, as_json
from scripts.flow.coverage.source_page import source_page
from scripts.flow.files import write_atomic

INDEX, INFO, SUMMARY = "index.html", "coverage.info", "coverage.json"


def write_site(out: Path, results: Results, links: Iterable[tuple[str, str]], state: Mapping[str, Any],
               root: Path) -> Path:
    """Write all files into ``out``; pages of sources that are no more are removed. Returns the start page.

    Args:
        links: text and address of further pages in ``out``.
        state: what was measured with what.
        root: the folder from which the files' paths count.

    Raises:
        FcimError: ``out`` cannot be written.
    """
    pages = {out / source_page_name(file): source_page(file, results) for file in results.points}
    for path, text in pages.items():
        write_atomic(path, text)
    for path in (out / SOURCE_FOLDER).glob("*.html"):
        if path not in pages:
            path.unlink()
    write_atomic(out / INFO, tracefile(results.points, root))
    write_atomic(out / SUMMARY, json.dumps(as_json(results, state), indent=1) + "\n")
    files = [("coverage.info (lcov)", INFO), ("coverage.json", SUMMARY)]
    write_atomic(out / INDEX, index_page(results, [*links, *files], state))
    return out / INDEX
