"""Everything that the report says, as numbers: per file, per type, exclusions, floors, and what is wrong."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from models.errors import FcimError
from scripts.flow.coverage.database import Database, read_folder
from scripts.flow.coverage.functional import Hits
from scripts.flow.coverage.instances import InstanceCover, covers
from scripts.flow.coverage.points import TYPES, USER, CodePoint, file_points
from scripts.flow.coverage.ranking import Ranking, rank
from scripts.flow.coverage.rules import FUNCTIONAL, Floors, Use, apply_exclusions, load_exclusions, load_floors
from scripts.flow.regress.record import JobRecord

SCHEMA = 1
SOURCES = (".v", ".vh", ".sv", ".svh")
MODULES = (".v", ".sv")


@dataclass(frozen=True)
class Inputs:
    """What is measured, and against what.

    Args:
        data: folder of the runs' data.
        design: folder of the Verilog files that count.
        exclusions: YAML file of excluded points.
        floors: YAML file of the numbers' floors.
        plan: YAML file of the verification plan.
        regression: YAML list of the regression's entries, which the plan may name.
        record: record of the regression, for the verification plan's page; without one every test counts as not run.
        proofs, mutants: reports of ``make prove`` and ``make mutate``, for the same page, which does without.
    """

    data: Path
    design: Path
    exclusions: Path
    floors: Path
    plan: Path
    regression: Path
    record: Path | None = None
    proofs: Path | None = None
    mutants: Path | None = None


@dataclass(frozen=True)
class Tally:
    """``hit`` of ``total`` points; ``excluded`` ones are in neither."""

    hit: int = 0
    total: int = 0
    excluded: int = 0

    @property
    def percent(self) -> float | None:
        """0 to 100, None if there is nothing to cover."""
        return 100 * self.hit / self.total if self.total else None

    def __add__(self, other: Tally) -> Tally:
        return Tally(self.hit + other.hit, self.total + other.total, self.excluded + other.excluded)

    def __str__(self) -> str:
        """``12 of 13``; nothing if there is nothing to cover."""
        return f"{self.hit:,} of {self.total:,}" if self.total else ""


def percent(value: float | None) -> str:
    """``99.9 %``, rounded down so that only what is complete says 100; a dash for None."""
    return "\N{EN DASH}" if value is None else f"{math.floor(value * 10 + 1e-9) / 10:.1f} %"


def short_count(number: int) -> str:
    """A count in at most five characters."""
    for limit, size, unit in ((10**4, 1, ""), (10**6, 10**3, "k"), (10**9, 10**6, "M"), (10**12, 10**9, "G")):
        if number < limit:
            return f"{number:,}" if size == 1 else f"{number / size:.3g}{unit}"
    return f"{number:.1e}"


def tally(points: Iterable[CodePoint]) -> Tally:
    """Count points."""
    hit = total = excluded = 0
    for point in points:
        hit += point.hit
        excluded += point.exclusion is not None
        total += point.exclusion is None
    return Tally(hit, total, excluded)


def tallies(points: Sequence[CodePoint]) -> dict[str, Tally]:
    """A tally per type; the type of cover properties only if there are any."""
    names = [*TYPES, *([USER] if any(p.type == USER for p in points) else [])]
    return {name: tally(p for p in points if p.type == name) for name in names}


@dataclass
class Results:
    """The merged coverage of a design.

    ``sources`` and ``points`` per file (relative path); ``files`` tallies per file and type; ``runs`` how many per bench;
    ``functional`` bins of the functional coverage, None if none was collected; ``problems`` fail the report, ``warnings`` do not;
    ``ranking`` which job covers what; ``instances`` what each met by itself, where runs kept them apart.
    """

    sources: dict[str, list[str]]
    points: dict[str, list[CodePoint]]
    uses: list[Use]
    floors: Floors
    runs: Counter[str]
    ranking: Ranking
    functional: Tally | None = None
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    instances: Sequence[InstanceCover] = ()
    files: dict[str, dict[str, Tally]] = field(init=False)

    def __post_init__(self) -> None:
        self.files = {file: tallies(points) for file, points in self.points.items()}

    def totals(self) -> dict[str, Tally]:
        """Tallies over all files, functional coverage last (if there is any)."""
        found: dict[str, Tally] = {name: Tally() for name in TYPES}
        for types in self.files.values():
            for name, value in types.items():
                found[name] = found.get(name, Tally()) + value
        return found | ({FUNCTIONAL: self.functional} if self.functional else {})

    def percents(self) -> dict[str, float | None]:
        """Percentage of each number that has a floor; None where nothing was collected."""
        totals = self.totals()
        return {name: totals[name].percent if name in totals else None for name in self.floors.values}

    def below(self) -> dict[str, float]:
        """Numbers below their floor, and by how many points of percent."""
        return {name: self.floors.values[name] - (percent or 0.0) for name, percent in self.percents().items()
                if (percent or 0.0) < self.floors.values[name]}

    @property
    def ok(self) -> bool:
        """No floor is missed and nothing else is wrong."""
        return not self.problems and not self.below()


def read_sources(design: Path) -> dict[str, list[str]]:
    """The lines of all Verilog files below ``design``, by path relative to its parent.

    Raises:
        FcimError: there is none, or one cannot be read.
    """
    design = design.resolve()
    paths = sorted(p for p in design.rglob("*") if p.suffix in SOURCES and p.is_file())
    if not paths:
        raise FcimError(f"{design} holds no Verilog files; name the folder of the design")
    try:
        texts = {p.relative_to(design.parent).as_posix(): p.read_text(encoding="utf-8") for p in paths}
        return {name: text.removesuffix("\n").split("\n") for name, text in texts.items()}
    except (OSError, UnicodeDecodeError) as error:
        raise FcimError(f"cannot read the design ({error})") from None


def _bench(path: Path) -> str:
    """``bench_divider-0123-4567.dat`` belongs to the bench ``bench_divider``."""
    return path.stem.split("-", 1)[0]


def _check_uses(uses: Sequence[Use], results: Results) -> None:
    for use in uses:
        name = f"exclusion {use.exclusion.number} ({use.exclusion.where()})"
        if not use.excluded and not use.hit:
            results.problems.append(f"{name} matches nothing: mend or remove it")
        elif not use.excluded:
            results.problems.append(f"{name} excludes nothing, for all that it speaks of was hit ({use.hit:,}): remove it")
        elif use.hit:
            results.warnings.append(f"{name} also speaks of points that were hit ({use.hit:,}) and count as such: narrow it")


def _check_data(database: Database, design: Path, results: Results) -> None:
    oldest = min(path.stat().st_mtime for path in database.runs)
    newer = [name for name in results.points if (design.resolve().parent / name).stat().st_mtime > oldest]
    if newer:
        results.warnings.append(f"{newer[0]} was changed after the oldest data were made"
                                + (f" (as were {len(newer) - 1} more files)" if newer[1:] else "") + "; run: make coverage")
    for kind, n in database.unknown.items():
        results.warnings.append(f"{n:,} points of the kind '{kind}' are not understood and left out")
    for name in results.sources:
        if name not in results.points and Path(name).suffix in MODULES:
            results.problems.append(f"{name} is in no run's data: no test builds it")


def _rank(database: Database, jobs: Mapping[str, JobRecord], bins: Mapping[str, Hits]) -> Ranking:
    """Jobs by what they cover; a folder of data that is no job's stands for itself."""
    def named(folder: str) -> str:
        return jobs[folder].id if folder in jobs else folder

    return rank([record.kind for record in database.counts], {named(folder): hits for folder, hits in database.hits.items()},
                {named(folder): {(point, name) for point, found in hits.items() for name in found}
                 for folder, hits in bins.items()},
                {job.id: job.seconds for job in jobs.values()})


def collect(data: Path, design: Path, exclusions: Path, floors: Path, functional: Tally | None = None,
            jobs: Mapping[str, JobRecord] | None = None, bins: Mapping[str, Hits] | None = None) -> Results:
    """Read, merge, exclude, count.

    Args:
        functional: bins of all runs.
        jobs: of the regression, by the name of the folder of their data.
        bins: bins that count and that each folder's runs met.

    Raises:
        FcimError: any of the inputs is missing, damaged or of another version of the design.
    """
    sources = read_sources(design)
    entries, limits = load_exclusions(exclusions, sources), load_floors(floors)
    database = read_folder(data, design)
    ranking = _rank(database, jobs or {}, bins or {})
    places = zip(database.counts, ranking.first.tolist(), strict=True)
    points = file_points(database, sources, {record: place for record, place in places if place >= 0 and record.kind != "toggle"})
    uses = apply_exclusions(entries, points, sources)
    results = Results(sources, points, uses, limits, Counter(_bench(p) for p in database.runs), ranking, functional,
                      instances=covers(database, sources, points))
    _check_uses(uses, results)
    _check_data(database, design, results)
    return results


def _tally_json(value: Tally) -> dict[str, Any]:
    percent = value.percent
    return {"hit": value.hit, "total": value.total, "excluded": value.excluded,
            "percent": None if percent is None else round(percent, 3)}


def as_json(results: Results, revision: Mapping[str, Any]) -> dict[str, Any]:
    """The summary for programs; ``revision`` says what state of the repository was measured."""
    floors = results.floors.values
    return {
        "schema": SCHEMA, "ok": results.ok, "source": dict(revision), "runs": dict(sorted(results.runs.items())),
        "totals": {name: _tally_json(value) | ({"floor": floors[name]} if name in floors else {})
                   for name, value in results.totals().items()},
        "files": {file: {name: _tally_json(value) for name, value in types.items()} for file, types in results.files.items()},
        "exclusions": [{"file": use.exclusion.file, "where": use.exclusion.where(), "types": list(use.exclusion.types),
                        "reason": use.exclusion.reason, "excluded": use.excluded, "hit": use.hit} for use in results.uses],
        "ranking": results.ranking.as_json(), "instances": [instance.as_json() for instance in results.instances],
        "problems": results.problems, "warnings": results.warnings,
    }
