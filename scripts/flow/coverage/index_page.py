"""The start page of the coverage site: verdict, numbers against their floors, modules, exclusions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

from scripts.flow.coverage.floors import FUNCTIONAL
from scripts.flow.coverage.page_parts import STYLE, bar, of, percent, source_page_name
from scripts.flow.coverage.results import Results, Tally
from scripts.flow.html import document, facts

EXPLAINED = (
    ("line", "A source line is covered if it was run in any run; its count is that of the busiest block that holds it."),
    ("branch", "Each arm of if, else, case and ?: is one point. An if without else has an arm for the condition being false."),
    ("expression", "Each way in which the operands of a condition decide its value is one point: a && b has three. "
                   "Those of a case item count whenever the case is reached."),
    ("toggle", "Each bit of each signal has two points: it must rise and it must fall. Large memories have none."),
    (FUNCTIONAL, "Bins of the coverpoints: cases of the specification that were seen, whatever lines they ran."),
)
MERGED = ("All runs are added up. Instances of a module and builds with other parameters count as one, so a bit or expression "
          "that only a wide build has is a point too. Verilator counts; Icarus cannot. A point that an exclusion names leaves "
          "the totals only if it was never hit.")


def _tile(name: str, value: Tally | None, results: Results) -> str:
    """One number with its floor."""
    number = value.percent if value else None
    floor = results.floors.values.get(name)
    below = " below" if name in results.below() else ""
    note = of(value) if value and value.total else "nothing collected"
    note += f"; {value.excluded:,} excluded" if value and value.excluded else ""
    limit = "" if floor is None else f'<div class="note{below}">floor {floor:.1f} %{": below" if below else ""}</div>'
    return (f'<div class="tile"><div class="label">{name}</div><div class="value{below}">{percent(number)}</div>{bar(number)}'
            f'<div class="note">{note}</div>{limit}</div>')


def _list(items: Iterable[str]) -> str:
    return "<ul>" + "".join(f"<li>{escape(item)}</li>" for item in items) + "</ul>"


def _verdict(results: Results) -> str:
    below = [f"{name} coverage is {gap:.2f} points below its floor" for name, gap in results.below().items()]
    wrong = [*below, *results.problems]
    if not wrong:
        verdict = '<div class="verdict pass"><strong>PASSED</strong>every number is at or above its floor</div>'
    else:
        verdict = f'<div class="verdict fail"><strong>FAILED</strong>{len(wrong)} to mend{_list(wrong)}</div>'
    return verdict + (f'<div class="notice">Worth a look{_list(results.warnings)}</div>' if results.warnings else "")


def _cells(value: Tally | None) -> str:
    """Bar, percentage and number of holes of one type; nothing where there is nothing to cover."""
    if value is None or value.percent is None:
        return '<td></td><td class="num pct"></td><td class="num left"></td>'
    left = value.total - value.hit
    return (f'<td title="{of(value)}">{bar(value.percent)}</td><td class="num pct">{percent(value.percent)}</td>'
            f'<td class="num left">{f"{left:,} left" if left else ""}</td>')


def _excluded(types: Mapping[str, Tally]) -> str:
    number = sum(v.excluded for v in types.values())
    return f'<td class="num">{f"{number:,}" if number else ""}</td>'


def _modules(results: Results) -> str:
    """A row per file, grouped by folder."""
    names = [name for name in results.totals() if name != FUNCTIONAL]
    heads = "".join(f'<th colspan="3">{name}</th>' for name in names)
    rows, folder = [], None
    for file, types in results.files.items():
        parent, _, base = file.rpartition("/")
        if parent != folder:
            folder = parent
            rows.append(f'<tr class="folder"><td colspan="{2 + 3 * len(names)}">{escape(parent)}</td></tr>')
        rows.append(f'<tr><td class="name"><a href="{escape(source_page_name(file))}">{escape(base)}</a></td>'
                    + "".join(_cells(types.get(name)) for name in names) + _excluded(types) + "</tr>")
    totals = results.totals()
    rows.append('<tr class="total"><td>all</td>' + "".join(_cells(totals[name]) for name in names)
                + _excluded({name: totals[name] for name in names}) + "</tr>")
    return (f'<section><h2>Modules</h2><div class="scroll"><table class="modules"><thead><tr><th>file</th>{heads}'
            f'<th class="num">excluded</th></tr></thead><tbody>{"".join(rows)}</tbody></table></div></section>')


def _exclusions(results: Results) -> str:
    if not results.uses:
        return '<section><h2>Exclusions</h2><p>There are none.</p></section>'
    rows = "".join(
        f'<tr{"" if use.excluded else " class=bad"}><td class="num">{use.exclusion.number}</td>'
        f'<td>{escape(use.exclusion.where())}</td><td>{", ".join(use.exclusion.types)}</td><td class="num">{use.excluded:,}</td>'
        f'<td class="num">{use.hit or ""}</td><td>{escape(use.exclusion.reason)}</td></tr>' for use in results.uses)
    heads = "".join(f'<th{" class=num" if name in ("no.", "excluded", "hit") else ""}>{name}</th>'
                    for name in ("no.", "where", "types", "excluded", "hit", "reason"))
    return ('<section><h2>Exclusions</h2><p class="small">Excluded are points that were never hit; what an entry also speaks of '
            f'but which was hit counts as such.</p><div class="scroll"><table class="reasons"><thead><tr>{heads}</tr></thead>'
            f"<tbody>{rows}</tbody></table></div></section>")


def _runs(results: Results, state: Mapping[str, Any]) -> str:
    runs = sorted(results.runs.items())
    return ('<section><h2>Runs and reading</h2><div class="columns"><div><h3>Runs merged</h3>'
            + facts([("all", f"{sum(results.runs.values()):,}"), *((name, f"{n:,}") for name, n in runs)])
            + f'</div><div><h3>What was measured</h3>{facts(state.items())}</div></div>'
            f'<h3>What the numbers mean</h3>{facts(EXPLAINED)}<p class="small">{MERGED}</p></section>')


def index_page(results: Results, links: Iterable[tuple[str, str]], state: Mapping[str, Any]) -> str:
    """The page as HTML.

    Args:
        links: text and address of pages beside this one.
        state: what was measured with what, shown as it is.
    """
    totals = results.totals()
    names = [*(name for name in totals if name != FUNCTIONAL), FUNCTIONAL]
    anchors = "".join(f'<a href="{escape(address)}">{escape(text)}</a>' for text, address in links)
    runs = sum(results.runs.values())
    body = (f'<header><h1>Coverage</h1><p>{len(results.files)} files, {runs:,} run{"s" if runs != 1 else ""}</p></header>'
            f'<div class="links">{anchors}</div>{_verdict(results)}'
            f'<div class="tiles">{"".join(_tile(name, totals.get(name), results) for name in names)}</div>'
            f"{_modules(results)}{_exclusions(results)}{_runs(results, state)}")
    return document("coverage", body, STYLE)
