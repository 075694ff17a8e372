"""The site of the code coverage: start page, a page per source file, the tracefile for lcov, the summary for programs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from scripts.flow.coverage.instances import TYPES as INSTANCE_TYPES
from scripts.flow.coverage.instances import InstanceCover
from scripts.flow.coverage.points import USER, CodePoint, describe
from scripts.flow.coverage.ranking import BIN, KINDS, Ranking
from scripts.flow.coverage.results import Results, as_json, percent, short_count
from scripts.flow.coverage.rules import FUNCTIONAL
from scripts.flow.files import write_atomic
from scripts.flow.html import render

TEMPLATES = Path(__file__).parent / "templates"
INDEX, INFO, SUMMARY, SOURCE_FOLDER, RANKING = "index.html", "coverage.info", "coverage.json", "source", "ranking.html"
INSTANCES = "instances.html"
MARKS = ("branch", "expression", "toggle")
TITLE_LINES = 24        # points named in a mark's tooltip
SHARES = (90, 99, 100)  # percent of what all jobs meet, for which the page says how many jobs give it
KIND_NAMES = {"line": "blocks", "branch": "arms", "expr": "rows", "toggle": "edges", BIN: "bins"}
SNIPPET = 40            # characters of source that tell one ?: from another
TOKENS = re.compile(
    r"(?P<c>//.*|/\*.*?\*/)|(?P<k>\b(?:module|endmodule|parameter|localparam|input|output|wire|reg|integer|genvar|assign|always|posedge"
    r"|negedge|begin|end|if|else|for|case|endcase|default|function|endfunction|generate|endgenerate|signed)\b|`\w+)")


def write_site(out: Path, results: Results, links: Iterable[tuple[str, str]], state: Mapping[str, Any],
               root: Path) -> Path:
    """Write all files into ``out``; pages of sources that are no more are removed. Returns the start page.

    Args:
        links: text and address of further pages in ``out``.
        state: what was measured with what, shown as it is.
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
    write_atomic(out / RANKING, ranking_page(results.ranking))
    apart = [("instance by instance", INSTANCES)] if results.instances else []
    if apart:
        write_atomic(out / INSTANCES, instances_page(results.instances))
    else:
        (out / INSTANCES).unlink(missing_ok=True)
    files = [("what each job adds", RANKING), *apart, ("coverage.info (lcov)", INFO), ("coverage.json", SUMMARY)]
    write_atomic(out / INDEX, index_page(results, [*links, *files], state))
    return out / INDEX


# ---- the start page
def index_page(results: Results, links: Iterable[tuple[str, str]], state: Mapping[str, Any]) -> str:
    """The page as HTML: verdict, numbers against their floors, modules, exclusions; arguments as in :func:`write_site`."""
    totals = results.totals()
    types = [name for name in totals if name != FUNCTIONAL]
    files = [{"path": file, "page": source_page_name(file), "tallies": tallies,
              "excluded": sum(value.excluded for value in tallies.values())} for file, tallies in results.files.items()]
    below = [f"{name} coverage is {gap:.2f} points below its floor" for name, gap in results.below().items()]
    folders = [(name, list(group)) for name, group in groupby(files, lambda file: file["path"].rpartition("/")[0])]
    return render(TEMPLATES, "index.html.j2", results=results, totals=totals, types=types, numbers=[*types, FUNCTIONAL],
                  folders=folders,
                  excluded=sum(totals[name].excluded for name in types), wrong=[*below, *results.problems],
                  runs=sorted(results.runs.items()), links_to=list(links), state=state, percent=percent)


# ---- what each job adds
def ranking_page(ranking: Ranking) -> str:
    """The page as HTML: the jobs in the order in which each adds most, then those that add nothing."""
    enough = [(share, *next((number, step.seconds) for number, step in enumerate(ranking.steps, 1) if step.reached >= share))
              for share in SHARES if ranking.steps]
    return render(TEMPLATES, "ranking.html.j2", ranking=ranking, kinds=KINDS, names=KIND_NAMES, enough=enough, percent=percent,
                  seconds=sum(step.own_seconds for step in (*ranking.steps, *ranking.idle)))


# ---- instance by instance
def instances_page(instances: Sequence[InstanceCover]) -> str:
    """The page as HTML: what each instance met by itself, and what others met and it did not."""
    return render(TEMPLATES, "instances.html.j2", instances=instances, types=INSTANCE_TYPES, page=source_page_name,
                  modules=len({instance.file for instance in instances}),
                  complete=sum(not instance.missed for instance in instances))


# ---- a source file
def source_page_name(file: str) -> str:
    """Path of a source file's page, relative to the site."""
    return f"{SOURCE_FOLDER}/{file.replace('/', '.')}.html"


def source_page(file: str, results: Results) -> str:
    """The page as HTML: every line with how often it ran, and what of it was never seen."""
    by_line: dict[int, list[CodePoint]] = {}
    for point in results.points[file]:
        by_line.setdefault(point.line, []).append(point)
    source = results.sources[file]
    reasons = {use.exclusion.number: use.exclusion.reason for use in results.uses}
    return render(TEMPLATES, "source.html.j2", file=file, holes=_hole_list(by_line, source), heads=("line", "run", *MARKS),
                  lines=[_line(number, text, by_line.get(number, ()), reasons, results.ranking)
                         for number, text in enumerate(source, 1)],
                  tallies={name: value for name, value in results.files[file].items() if name != FUNCTIONAL}, percent=percent)


def _tokens(line: str) -> Iterator[tuple[str | None, str]]:
    """Pieces of a source line with their style: k for keywords, c for comments, None for all else."""
    at = 0
    for match in TOKENS.finditer(line):
        yield None, line[at:match.start()]
        yield match.lastgroup, match[0]
        at = match.end()
    yield None, line[at:]


def _first(point: CodePoint, ranking: Ranking) -> str:
    """Who met a point first, for a tooltip."""
    return "" if point.first is None else f", first in {ranking.steps[point.first].job}"


def _mark(points: Sequence[CodePoint], ranking: Ranking) -> dict[str, str] | None:
    """``hit/total`` of one type on one line (the total alone if all were hit); what the points are stands in the tooltip."""
    if not points:
        return None
    wanted = [p for p in points if p.exclusion is None]
    hit = sum(p.hit for p in wanted)
    if points[0].type == "toggle":
        names = [f"{len(points) // 2 or 1:,} bits, each must rise and fall"]
    else:
        names = [f"{short_count(p.count)} x {p.label}" + ("" if p.exclusion is None else " (excluded)") + _first(p, ranking)
                 for p in points[:TITLE_LINES]]
    return {"kind": "hole" if hit < len(wanted) else "full" if wanted else "", "title": "\n".join(names),
            "text": "excl." if not wanted else f"{hit:,}/{len(wanted):,}" if hit < len(wanted) else f"{hit:,}"}


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


def _excluded(points: Sequence[CodePoint], source: str, reasons: Mapping[int, str]) -> list[tuple[list[str], str]]:
    """What of a line each exclusion leaves out, and its reason."""
    found = []
    for number in sorted({p.exclusion for p in points if p.exclusion is not None}):
        excluded = [p for p in points if p.exclusion == number]
        texts = [text.removeprefix("never ") for _, text in _sentences(excluded, source)]
        texts += ["line"] if any(p.type == "line" for p in excluded) else []
        found.append((texts, reasons[number]))
    return found


def _line(number: int, text: str, points: Sequence[CodePoint], reasons: Mapping[int, str], ranking: Ranking) -> dict[str, Any]:
    """What the page shows of one source line."""
    run = next((p for p in points if p.type == "line"), None)
    kind = ""
    if run is not None and run.exclusion is None:
        kind = "hit" if run.hit else "miss"
    if kind != "miss" and any(p.hole for p in points):
        kind = "part"
    return {"number": number, "kind": kind, "tokens": _tokens(text),
            "ran": "" if run is None else "excl." if run.exclusion is not None else short_count(run.count),
            "first": "" if run is None else _first(run, ranking).removeprefix(", "),
            "marks": [_mark([p for p in points if p.type == name], ranking) for name in MARKS],
            "holes": _sentences([p for p in points if p.hole], text), "excluded": _excluded(points, text, reasons)}


def _hole_list(by_line: Mapping[int, Sequence[CodePoint]], source: Sequence[str]) -> list[tuple[int, list[str]]]:
    """All lines that lack something other than toggles, which the code itself shows well enough."""
    lines = []
    for number, points in sorted(by_line.items()):
        holes = [p for p in points if p.hole and p.type != "toggle"]
        if holes:
            texts = ["never run"] if any(p.type == "line" for p in holes) else []
            texts += [f"{kind} {text.removeprefix('never ')}" for kind, text in _sentences(holes, source[number - 1])]
            lines.append((number, texts))
    return lines


# ---- lcov
def _branches(points: Sequence[CodePoint]) -> list[str]:
    """``BRDA`` per arm; the decisions of a line are its blocks. An arm of a decision that was never reached has "-"."""
    decisions: dict[tuple[int, int], list[CodePoint]] = {}
    for point in points:
        if point.type == "branch" and point.exclusion is None:
            decisions.setdefault((point.line, point.column), []).append(point)
    text, block, last = [], 0, 0
    for (line, _), arms in sorted(decisions.items()):
        block = block + 1 if line == last else 0
        last = line
        reached = any(arm.hit for arm in arms)
        text += [f"BRDA:{line},{block},{number},{arm.count if reached else '-'}"
                 for number, arm in enumerate(sorted(arms, key=lambda a: a.object, reverse=True))]
    return text


def tracefile(points: Mapping[str, list[CodePoint]], root: Path) -> str:
    """What genhtml and editors read: lines and branches, and nothing else dressed up as branches; no excluded points.

    Files go by absolute paths, so that genhtml finds the sources from any folder.
    """
    text: list[str] = []
    for file, found in points.items():
        lines = [p for p in found if p.type == "line" and p.exclusion is None]
        branches = _branches(found)
        taken = sum(not b.endswith((",0", ",-")) for b in branches)
        text += ["TN:", f"SF:{root / file}", *branches, f"BRF:{len(branches)}", f"BRH:{taken}",
                 *(f"DA:{p.line},{p.count}" for p in lines),
                 f"LF:{len(lines)}", f"LH:{sum(p.hit for p in lines)}", "end_of_record"]
    return "\n".join(text) + "\n"
