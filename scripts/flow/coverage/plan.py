"""The verification plan: which features each Verilog module has, which coverpoints show them, which tests check them.

It is written by hand; this module reads it strictly, says where it is not true, and joins it with what the last runs gave.
"""

from __future__ import annotations

import ast
import json
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from models.errors import FcimError
from scripts.flow.coverage.functional import CoverGroup
from scripts.flow.coverage.rules import load_yaml
from scripts.flow.processes import shown
from scripts.flow.proofs import LIST, load_proofs
from scripts.flow.sources import ROOT, rtl_files

REGRESS = "regress:"
PASSED, FAILED, PARTLY, SKIPPED, NOT_RUN = "passed", "failed", "partly run", "skipped", "not run"
VERIFIED, HOLES = "verified", "holes"
PROVEN = "proven"       # a block's state in the report of the proofs
Job = Mapping[str, Any]
_MODULE = re.compile(r"^module\s+(\w+)", re.MULTILINE)


@dataclass(frozen=True)
class Feature:
    """One feature: what must hold (``shows``), the coverpoints that show it was exercised, the tests that check it, and, as
    ``block.property`` or as a whole block, what is proven of it."""

    name: str
    shows: str
    points: tuple[str, ...]
    tests: tuple[str, ...]
    proofs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Block:
    """One Verilog module."""

    module: str
    file: str
    features: tuple[Feature, ...]


@dataclass(frozen=True)
class Plan:
    """The whole plan, blocks in the order of the data's way through the engine."""

    blocks: tuple[Block, ...]

    def tests(self) -> list[str]:
        """Every test that it names, once."""
        return list(dict.fromkeys(test for block in self.blocks for feature in block.features for test in feature.tests))


def _fields(data: Any, keys: Mapping[str, type], where: str, path: Path) -> list[Any]:
    if isinstance(data, dict) and "proofs" in data and "points" in keys:
        keys = {**keys, "proofs": list}
    if not isinstance(data, dict) or set(data) != set(keys):
        raise FcimError(f"{path}: {where} must have the keys {', '.join(keys)} and no others")
    for key, kind in keys.items():
        if not isinstance(data[key], kind) or not data[key]:
            raise FcimError(f"{path}: {where}: {key} must be {'a list' if kind is list else 'a text'} that is not empty")
        if kind is list and key in ("points", "tests", "proofs") and (not all(isinstance(item, str) for item in data[key])
                                                            or len(set(data[key])) < len(data[key])):
            raise FcimError(f"{path}: {where}: {key} must be texts, each once")
    return [data[key] for key in keys]


def _feature(data: Any, where: str, path: Path) -> Feature:
    name = data.get("name") if isinstance(data, dict) else None
    name, shows, points, tests, *proofs = _fields(data, {"name": str, "shows": str, "points": list, "tests": list},
                                                  f"{where}, feature '{name}'", path)
    return Feature(name, shows, tuple(points), tuple(tests), tuple(proofs[0]) if proofs else ())


def load_plan(path: Path) -> Plan:
    """Read a plan.

    Raises:
        FcimError: it cannot be read or has another form than expected; the message says where.
    """
    data = load_yaml(path, "the plan")
    blocks: list[Block] = []
    for entry in _fields(data, {"blocks": list}, "the plan", path)[0]:
        where = f"block '{entry.get('module') if isinstance(entry, dict) else entry}'"
        module, file, features = _fields(entry, {"module": str, "file": str, "features": list}, where, path)
        found = tuple(_feature(feature, where, path) for feature in features)
        if len({feature.name for feature in found}) < len(found) or module in [block.module for block in blocks]:
            raise FcimError(f"{path}: {where} or one of its features is there twice; give each a name of its own")
        blocks.append(Block(module, file, found))
    return Plan(tuple(blocks))


def regression_entries(path: Path) -> set[str]:
    """Names of the regression list's entries; empty if there is no list.

    Raises:
        FcimError: it cannot be read or is not valid YAML.
    """
    if not path.is_file():
        return set()
    entries = load_yaml(path, "the regression's list")
    return {str(entry["name"]) for entry in entries or () if isinstance(entry, dict) and "name" in entry}


def modules() -> dict[str, str]:
    """Every Verilog module of the design and its file, from the project root."""
    return {name: str(path.relative_to(ROOT)) for path in rtl_files() for name in _MODULE.findall(path.read_text())}


@cache
def _functions(path: Path, _changed: int) -> frozenset[str]:
    """Names of the functions of a file, which is read again only if it was changed."""
    return frozenset(n.name for n in ast.parse(path.read_text(encoding="utf-8")).body if isinstance(n, ast.FunctionDef))


def _test_problem(test: str, regression: Path, entries: Collection[str]) -> str | None:
    """What is wrong with a test's name, or None."""
    if test.startswith(REGRESS):
        return None if test.removeprefix(REGRESS) in entries else f"{shown(regression)} has no entry of that name"
    file, _, node = test.partition("::")
    path = ROOT / file
    if not re.fullmatch(r"test_\w+\.py", path.name) or not path.is_file():
        return "there is no such file of tests"
    known = not node or node.partition("[")[0] in _functions(path, path.stat().st_mtime_ns)
    return None if known else "the file has no such test"


def plan_problems(plan: Plan, group: CoverGroup, regression: Path) -> list[str]:
    """Where the plan is not true or not complete, one line each.

    Args:
        group: has every coverpoint.
        regression: the list of the regression's entries.
    """
    problems, design, entries = [], modules(), regression_entries(regression)
    proven = {name for proof in load_proofs().values() for name in (proof.name, *proof.statements)}
    planned = {block.module: block.file for block in plan.blocks}
    problems += [f"module {name} ({file}) is not in the plan" for name, file in design.items() if name not in planned]
    used: set[str] = set()
    for block in plan.blocks:
        if design.get(block.module) != block.file:
            problems.append(f"{block.file} has no module {block.module}")
        for feature in block.features:
            where = f"{block.module}, '{feature.name}'"
            problems += [f"{where}: there is no coverpoint '{name}'" for name in feature.points if name not in group.points]
            problems += [f"{where}: {name}: {shown(LIST)} has no such block and property" for name in feature.proofs
                         if name not in proven]
            used |= set(feature.points)
            for test in feature.tests:
                problem = _test_problem(test, regression, entries)
                if problem:
                    problems.append(f"{where}: {test}: {problem}")
    problems += [f"the coverpoint '{name}' of {point.block} is in no feature" for name, point in group.points.items()
                 if name not in used]
    return problems


# ---- joined with what the last runs gave
def read_jobs(path: Path | None) -> list[Job]:
    """The jobs of a regression's record; none if ``path`` is None or there is no such file.

    Raises:
        FcimError: the file is no record of a regression.
    """
    if path is None or not path.is_file():
        return []
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        data = None
    jobs = data.get("jobs") if isinstance(data, dict) else data
    keys = {"name", "module", "status"}
    if not isinstance(jobs, list) or not all(isinstance(job, dict) and keys <= job.keys() for job in jobs):
        raise FcimError(f"{path} is no record of a regression; run: make regress")
    return jobs


@dataclass(frozen=True)
class Mutants:
    """What ``make mutate`` last found of a module: faults that the simulator takes, how many of these its own benches noticed,
    how many those of the modules around it, how many nothing can notice, and how many are alive."""

    mutants: int
    own: int
    above: int
    equivalent: int
    alive: int


@dataclass(frozen=True)
class Beside:
    """What other commands last gave: the state of each proven block by its name in the list of proofs, mutants by module."""

    proofs: Mapping[str, str] = field(default_factory=dict)
    mutants: Mapping[str, Mutants] = field(default_factory=dict)

    def proof(self, name: str) -> str:
        """passed, failed or not run, of ``block`` or ``block.property``; a block is proven with all of its properties or not."""
        state = self.proofs.get(name.partition(".")[0])
        return NOT_RUN if state is None else PASSED if state == PROVEN else FAILED


NOTHING = Beside()


def _report(path: Path | None, what: str, key: str, command: str) -> list[Mapping[str, Any]]:
    """The dictionaries below ``key`` of a report; none where it was not made."""
    if path is None or not path.is_file():
        return []
    try:
        data = json.loads(path.read_text(encoding="utf-8"))[key]
        return [dict(row) for row in data]
    except (OSError, ValueError, KeyError, TypeError):
        raise FcimError(f"{path} is no report of {what}; delete it, or run: {command}") from None


def read_proofs(path: Path | None) -> dict[str, str]:
    """The state of each block that ``make prove`` last tried; none if ``path`` is None or there is no such file.

    Raises:
        FcimError: the file is no report of proofs.
    """
    try:
        return {str(row["name"]): str(row["state"]) for row in _report(path, "proofs", "blocks", "make prove")}
    except KeyError:
        raise FcimError(f"{path} is no report of proofs; delete it, or run: make prove") from None


def read_mutants(path: Path | None) -> dict[str, Mutants]:
    """What ``make mutate`` last found, by module; none if ``path`` is None or there is no such file.

    Raises:
        FcimError: the file is no report of mutants.
    """
    names = ("mutants", "by its own bench", "by one above", "equivalent", "alive")
    try:
        return {str(row["module"]): Mutants(*(int(row[name]) for name in names))
                for row in _report(path, "mutants", "rows", "make mutate")}
    except (KeyError, ValueError):
        raise FcimError(f"{path} is no report of mutants; delete it, or run: make mutate") from None


def jobs_of(test: str, jobs: Sequence[Job]) -> list[Job]:
    """The jobs that ran a test of the plan, or all or part of its file."""
    if test.startswith(REGRESS):
        return [job for job in jobs if job["name"] == test.removeprefix(REGRESS)]

    def ran(module: str) -> bool:
        module = module.rstrip("/")
        return module == test or module.startswith((f"{test}::", f"{test}[")) or test.startswith((f"{module}::", f"{module}/"))

    return [job for job in jobs if ran(str(job["module"]))]


def verdict_of(jobs: Sequence[Job]) -> str:
    """passed, failed, partly run or not run; a job that could not run here counts as not run."""
    statuses = Counter(NOT_RUN if job["status"] == SKIPPED else str(job["status"]) for job in jobs)
    if not statuses or set(statuses) == {NOT_RUN}:
        return NOT_RUN
    if set(statuses) - {PASSED, NOT_RUN}:
        return FAILED
    return PARTLY if statuses[NOT_RUN] else PASSED


def feature_verdict(feature: Feature, group: CoverGroup, tests: Mapping[str, str], beside: Beside = NOTHING) -> str:
    """failed before not run before holes before verified; partly run counts as not run. A proof that was not run does not."""
    found = {tests[test] for test in feature.tests}
    if FAILED in found | {beside.proof(name) for name in feature.proofs} or group.score(feature.points).illegal:
        return FAILED
    if found != {PASSED}:
        return NOT_RUN
    return HOLES if any(group.holes(name) for name in feature.points) else VERIFIED
