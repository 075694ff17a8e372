"""docs/report_schema.md as a set of keys, to hold a report against."""

from __future__ import annotations

import re
from typing import Any

from scripts.flow.sources import ROOT


def documented_keys(section: str) -> set[str]:
    """Keys in the first column of the table under a heading of the documentation."""
    text = (ROOT / "docs" / "report_schema.md").read_text()
    body = re.search(rf"^## `?{re.escape(section)}`?.*?\n(.*?)(?=^## |\Z)", text, re.S | re.M)
    assert body, section
    return set(re.findall(r"^\| `(\w+)`", body.group(1), re.M))


def check_schema(report: dict[str, Any]) -> None:
    """The report has the documented keys and no others, at every level that the documentation describes."""
    assert set(report) == documented_keys("report.json")
    levels = {"totals": [report["totals"]], "config": [report["config"]], "git": [report["git"]],
              "causes": [cause for head in report["heads"] for cause in head["causes"]]}
    for name in ("heads", "runs", "checks", "wrong_values"):
        levels[name] = report[name]
    for section, entries in levels.items():
        for entry in entries:
            assert set(entry) == documented_keys(section), section
    headings = set(re.findall(r"^## `(\w+)`", (ROOT / "docs" / "report_schema.md").read_text(), re.M))
    assert headings == set(levels), "a section that no report has, or the other way round"
