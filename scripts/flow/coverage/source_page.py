"""The page of one source file: every line with how often it ran, and what of it was never seen."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape

from scripts.flow.coverage.floors import FUNCTIONAL
from scripts.flow.coverage.page_parts import STYLE, bar, count, of, percent
from scripts.flow.coverage.points import USER, CodePoint
from scripts.flow.coverage.ranges import describe
from scripts.flow.coverage.results import Results, Tally
from scripts.flow.html import document

MARKS = ("branch", "expression", "toggle")
TITLE_LINES = 24        # points named in a mark's tooltip
SNIPPET = 40            # characters of source that tell one ?: from another
TOKENS = re.compile(
    r"(?P<c>//.*|/\*.*?\*/)|(?P<k>\b(?:module|endmodule|parameter|localparam|input|output|wire|reg|integer|genvar|assign|always|posedge"
    r"|negedge|begin|end|if|else|for|case|endcase|default|function|endfunction|generate|endgenerate|signed)\b|`\w+)")


def _coloured(line: str) -> str:
    """A source line as HTML."""
    text, at = [], 0
    for match in TOKENS.finditer(line):
        text += [escape(line[at:match.start()]), f'<span class="{match.lastgroup}">{escape(match[0])}</span>']
        at = match.end()
    return "".join(text) + escape(line[at:])


def _mark(points: Sequence[CodePoint]) -> str:
    """``hit/total`` of one type on one line (the total alone if all were hit); what the points are stands in the tooltip."""
    if not points:
        return '<td class="m"></td>'
    wanted = [p for p in points if p.exclusion is None]
    hit = sum(p.hit for p in wanted)
    if points[0].type == "toggle":
        names = [f"{len(points) // 2 or 1:,} bits, each must rise and fall"]
    else:
        names = [f"{count(p.count)} x {p.label}" + ("" if p.exclusion is None else " (excluded)") for p in points[:TITLE_LINES]]
    kind = "hole" if hit < len(wanted) else "full" if wanted else ""
    text = "excl." if not wanted else f"{hit:,}/{len(wanted):,}" if hit < len(wanted) else f"{hit:,}"
    return f'<td class="m {kind}" title="{escape(chr(10).join(names), quote=True)}">{text}</td>'


def _condition(point: CodePoint, text: str) -> str:
    """What stands before the ``?`` of a ?:, of which a line may hold several; Verilator's column is that of its first arm."""
    mark = text.rfind("?", 0, point.column) if point.object.startswith("cond_") else -1
    before = text[:mark].rpartition("?")[2].strip() if mark >= 0 else ""
    return before if len(before) <= SNIPPET else f"...{before[-SNIPPET:]}"


def _sentences(points: Sequence[CodePoint], text: str) -> list[tuple[str, str]]:
    """Type and description of each of ``points``, all of the line ``text``."""
    found = []
    for point in points:
        if point.type == "branch":
            condition = _condition(point, text)
            label = f"{point.label.removeprefix('? ')}: {condition} ?" if condition else point.label
            found.append((point.type, f"never {label}"))
        elif point.type in ("expression", USER):
            found.append((point.type, f"never {point.label}"))
    return found + [("toggle", text) for text in describe(p for p in points if p.type == "toggle")]


def _why(points: Sequence[CodePoint], source: str, reasons: dict[int, str]) -> str:
    """The row below a line that lacks something; nothing if it does not."""
    rows = [f"<div><b>{kind}</b> {escape(text)}</div>" for kind, text in _sentences([p for p in points if p.hole], source)]
    for number in sorted({p.exclusion for p in points if p.exclusion is not None}):
        excluded = [p for p in points if p.exclusion == number]
        texts = [text.removeprefix("never ") for _, text in _sentences(excluded, source)]
        texts += ["line"] if any(p.type == "line" for p in excluded) else []
        rows.append(f'<div class="ex"><b>excluded</b> {escape("; ".join(texts))}. {escape(reasons[number])}</div>')
    return f'<tr class="why"><td colspan="5"></td><td>{"".join(rows)}</td></tr>' if rows else ""


def _line(number: int, text: str, points: Sequence[CodePoint], reasons: dict[int, str]) -> str:
    """Table rows of one source line."""
    run = next((p for p in points if p.type == "line"), None)
    kind = ""
    if run is not None and run.exclusion is None:
        kind = "hit" if run.hit else "miss"
    if kind != "miss" and any(p.hole for p in points):
        kind = "part"
    ran = "" if run is None else "excl." if run.exclusion is not None else count(run.count)
    marks = "".join(_mark([p for p in points if p.type == name]) for name in MARKS)
    return (f'<tr id="L{number}" class="{kind}"><td class="no"><a href="#L{number}">{number}</a></td><td class="n">{ran}</td>'
            f'{marks}<td class="src">{_coloured(text)}</td></tr>{_why(points, text, reasons)}')


def _hole_list(by_line: dict[int, list[CodePoint]], source: Sequence[str]) -> str:
    """Links to all lines that lack something other than toggles, which the code itself shows well enough."""
    items = []
    for number, points in sorted(by_line.items()):
        holes = [p for p in points if p.hole and p.type != "toggle"]
        if holes:
            texts = ["never run"] if any(p.type == "line" for p in holes) else []
            texts += [f"{kind} {text.removeprefix('never ')}" for kind, text in _sentences(holes, source[number - 1])]
            items.append(f'<li><a href="#L{number}">line {number}</a> {escape("; ".join(texts))}</li>')
    return f'<section><h2>Never seen, toggles aside</h2><ul class="holes">{"".join(items)}</ul></section>' if items else ""


def _tile(name: str, value: Tally) -> str:
    excluded = f", {value.excluded:,} excluded" if value.excluded else ""
    return (f'<div class="tile"><div class="label">{name}</div><div class="value">{percent(value.percent)}</div>'
            f'{bar(value.percent)}<div class="note">{of(value) or "nothing to cover"}{excluded}</div></div>')


def source_page(file: str, results: Results) -> str:
    """The page as HTML."""
    by_line: dict[int, list[CodePoint]] = {}
    for point in results.points[file]:
        by_line.setdefault(point.line, []).append(point)
    reasons = {use.exclusion.number: use.exclusion.reason for use in results.uses}
    lines = "".join(_line(number, text, by_line.get(number, ()), reasons)
                    for number, text in enumerate(results.sources[file], 1))
    tiles = "".join(_tile(name, value) for name, value in results.files[file].items() if name != FUNCTIONAL)
    heads = "".join(f'<th class="num">{name}</th>' for name in ("line", "run", *MARKS))
    body = (f'<header><h1>{escape(file.rpartition("/")[2])}</h1>'
            f'<p><a href="../index.html">coverage</a> / {escape(file)}</p></header>'
            f'<div class="tiles">{tiles}</div>{_hole_list(by_line, results.sources[file])}'
            f'<section><div class="scroll"><table class="code"><thead><tr>{heads}<th>source</th></tr></thead>'
            f"<tbody>{lines}</tbody></table></div></section>")
    return document(f"coverage of {file}", body, STYLE)


