"""The page of functional coverage: per block its cover points with the hits of every bin, what is missing in red."""

from __future__ import annotations

from html import escape
from pathlib import Path

from scripts.flow.coverage.functional import blocks, functional_counts, functional_problems
from scripts.flow.coverage.model import SEPARATOR, CoverGroup, CoverPoint
from scripts.flow.coverage.page_parts import STYLE, bar, count, percent
from scripts.flow.files import write_atomic
from scripts.flow.html import document, tile

NAME = "functional.html"
STYLE_HERE = STYLE + (Path(__file__).parent / "functional.css").read_text(encoding="utf-8")
MATRIX_AXES = 2
SOURCES = {"record": "whole engine", "bench": "bench"}
EXPLAINED = ("A bin is one case of the specification; it is hit when a run meets it, whatever lines of Verilog that runs. Points "
             "of the whole engine are counted from what its ports saw, points of a bench inside the simulator.")


def page_path(out: Path, name: str) -> Path:
    """``out`` itself if it names a page, else the page ``name`` in that folder."""
    return out if out.suffix == ".html" else out / name


def _kind(point: CoverPoint, bin_name: str, hits: int) -> str:
    """Class of a bin: hit, hole, out (not counted) or broken (illegal and hit)."""
    if bin_name in point.reasons:
        return "broken" if hits and point.reasons[bin_name][0] == "illegal" else "out"
    return "" if hits else "hole"


def _title(point: CoverPoint, bin_name: str, hits: int) -> str:
    reason = point.reasons.get(bin_name)
    return escape(f"{bin_name}: {hits:,} hits" + (f"; {reason[0]}: {reason[1]}" if reason else ""), quote=True)


def _bins(point: CoverPoint, hits: dict[str, int]) -> str:
    cells = "".join(f'<span class="bin {_kind(point, name, n)}" title="{_title(point, name, n)}">{escape(name)} '
                    f"<b>{count(n)}</b></span>" for name, n in hits.items())
    return f'<div class="bins">{cells}</div>'


def _matrix(point: CoverPoint, hits: dict[str, int]) -> str:
    (row_label, rows), (column_label, columns) = point.axes
    head = "".join(f'<th class="num">{escape(name)}</th>' for name in columns)
    lines = []
    for row in rows:
        cells = []
        for column in columns:
            name = f"{row}{SEPARATOR}{column}"
            kind = _kind(point, name, hits[name])
            shown = count(hits[name]) if hits[name] or kind != "out" else "\N{EN DASH}"
            cells.append(f'<td class="{kind}" title="{_title(point, name, hits[name])}">{shown}</td>')
        lines.append(f"<tr><th>{escape(row)}</th>{''.join(cells)}</tr>")
    corner = f'<th class="axes">{escape(row_label)} \N{DOWNWARDS ARROW} &nbsp; {escape(column_label)} \N{RIGHTWARDS ARROW}</th>'
    return (f'<div class="scroll"><table class="matrix"><thead><tr>{corner}{head}</tr></thead>'
            f'<tbody>{"".join(lines)}</tbody></table></div>')


def _reasons(point: CoverPoint) -> str:
    grouped: dict[tuple[str, str], list[str]] = {}
    for name, reason in point.reasons.items():
        grouped.setdefault(reason, []).append(name)
    items = "".join(f"<li>{escape('; '.join(names))}: {kind}, {escape(text)}</li>" for (kind, text), names in grouped.items())
    return f'<ul class="why">{items}</ul>' if items else ""


def _point(cov: CoverGroup, name: str) -> str:
    point, hits, score = cov.points[name], cov.hits(name), cov.score([name])
    body = _matrix(point, hits) if len(point.axes) == MATRIX_AXES else _bins(point, hits)
    return (f'<div class="point" id="{escape(name)}"><h3>{escape(name)}<span class="source">{SOURCES[point.source]}</span>'
            f'<span class="of">{score.hit} of {score.goals} {bar(score.percent)}</span></h3><p>{escape(point.shows)}</p>'
            f"{body}{_reasons(point)}</div>")


def _overview(cov: CoverGroup) -> str:
    rows = []
    for block, names in blocks(cov).items():
        score = cov.score(names)
        missing = [f'<a href="#{escape(name)}">{escape(name)}</a>' for name in names if cov.holes(name)]
        rows.append(f'<tr><td class="name"><a href="#{block}">{block}</a></td><td class="num">{len(names)}</td>'
                    f'<td>{bar(score.percent)}</td><td class="num">{percent(score.percent)}</td>'
                    f'<td class="num">{score.hit}/{score.goals}</td>'
                    f'<td class="points">{", ".join(missing)}</td></tr>')
    return ('<section><h2>Blocks</h2><div class="scroll"><table class="overview"><thead><tr><th>block</th>'
            '<th class="num">points</th><th></th><th class="num">bins</th><th></th><th>points with holes</th></tr></thead>'
            f'<tbody>{"".join(rows)}</tbody></table></div><p class="small">{EXPLAINED}</p></section>')


def _holes(cov: CoverGroup) -> str:
    """All that is missing, in one place."""
    items = "".join(f'<dt><a href="#{escape(name)}">{escape(name)}</a></dt><dd>{escape("; ".join(cov.holes(name)))}</dd>'
                    for names in blocks(cov).values() for name in names if cov.holes(name))
    return f'<section><h2>Never hit</h2><dl class="missing">{items}</dl></section>' if items else ""


def _verdict(cov: CoverGroup) -> str:
    problems = functional_problems(cov)
    hit, total, _ = functional_counts(cov)
    if problems:
        items = "".join(f"<li>{escape(problem)}</li>" for problem in problems)
        return f'<div class="verdict fail"><strong>IMPOSSIBLE</strong>what cannot be was seen<ul>{items}</ul></div>'
    if hit == total:
        return '<div class="verdict pass"><strong>COMPLETE</strong>every bin was hit</div>'
    return f'<div class="notice">{total - hit:,} {"bin was" if total - hit == 1 else "bins were"} never hit</div>'


def functional_page(cov: CoverGroup) -> str:
    """The page as HTML."""
    hit, total, left_out = functional_counts(cov)
    whole = sum(not cov.holes(name) for name in cov.points)
    tiles = "".join((
        tile("bins hit", percent(cov.score().percent), f"{hit:,} of {total:,}"),
        tile("points complete", f"{whole:,}", f"of {len(cov.points):,}"),
        tile("bins left out", f"{left_out:,}", "each with its reason"),
        tile("runs", f"{len(cov.files):,}", "left hits")))
    sections = "".join(f'<section id="{block}"><h2>{block}</h2>{"".join(_point(cov, name) for name in names)}</section>'
                       for block, names in blocks(cov).items())
    links = '<div class="links"><a href="index.html">code coverage</a><a href="plan.html">verification plan</a></div>'
    body = (f"<header><h1>Functional coverage</h1><p>cases of the specification that the runs have met</p></header>{links}"
            f'{_verdict(cov)}<div class="tiles">{tiles}</div>{_overview(cov)}{_holes(cov)}{sections}')
    return document("functional coverage", body, STYLE_HERE)


def write_functional_page(out: Path, cov: CoverGroup) -> Path:
    """Write the page to ``out``, a folder (then as functional.html) or a .html file; returns its path.

    Raises:
        FcimError: it cannot be written.
    """
    path = page_path(out, NAME)
    write_atomic(path, functional_page(cov))
    return path
