"""The page of the verification plan: features, their cover points and tests, joined with what the last runs gave."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from models.errors import FcimError
from scripts.flow.coverage.functional_page import page_path
from scripts.flow.coverage.model import CoverGroup
from scripts.flow.coverage.page_parts import STYLE, bar
from scripts.flow.coverage.plan import REGRESS, Block, Feature, Plan, plan_problems, regression_entries
from scripts.flow.files import write_atomic
from scripts.flow.html import document, tile

NAME = "plan.html"
STYLE_HERE = STYLE + (Path(__file__).parent / "plan.css").read_text(encoding="utf-8")
PASSED, FAILED, PARTLY, NOT_RUN = "passed", "failed", "partly run", "not run"
VERIFIED, HOLES = "verified", "holes"
Job = Mapping[str, Any]


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


def jobs_of(test: str, jobs: Sequence[Job]) -> list[Job]:
    """The jobs that ran a test of the plan, or all or part of its file."""
    if test.startswith(REGRESS):
        return [job for job in jobs if job["name"] == test.removeprefix(REGRESS)]

    def ran(module: str) -> bool:
        module = module.rstrip("/")
        return module == test or module.startswith((f"{test}::", f"{test}[")) or test.startswith((f"{module}::", f"{module}/"))

    return [job for job in jobs if ran(str(job["module"]))]


def verdict_of(jobs: Sequence[Job]) -> str:
    """passed, failed, partly run or not run."""
    statuses = Counter(str(job["status"]) for job in jobs)
    if not statuses or set(statuses) == {NOT_RUN}:
        return NOT_RUN
    if set(statuses) - {PASSED, NOT_RUN}:
        return FAILED
    return PARTLY if statuses[NOT_RUN] else PASSED


def feature_verdict(feature: Feature, cov: CoverGroup, tests: Mapping[str, str]) -> str:
    """failed before not run before holes before verified; partly run counts as not run."""
    found = {tests[test] for test in feature.tests}
    if FAILED in found or cov.score(feature.points).illegal:
        return FAILED
    if found != {PASSED}:
        return NOT_RUN
    return HOLES if any(cov.holes(name) for name in feature.points) else VERIFIED


def _class(verdict: str) -> str:
    """Name of the style of a verdict."""
    return f"is-{verdict.replace(' ', '-')}"


def _tests(feature: Feature, tests: Mapping[str, str], runs: Mapping[str, int]) -> str:
    lines = []
    for test in feature.tests:
        jobs = f"{runs[test]} jobs" if runs[test] > 1 else ""
        lines.append(f'<div class="test"><span class="mark {_class(tests[test])}" title="{tests[test]}"></span>'
                     f'<code>{escape(test)}</code><span class="n">{jobs}</span></div>')
    return "".join(lines)


def _points(feature: Feature, cov: CoverGroup) -> str:
    lines = []
    for name in feature.points:
        score = cov.score([name])
        missing = ", ".join(cov.holes(name))
        title = f"never hit: {missing}" if missing else "every bin was hit"
        lines.append(f'<div class="cover" title="{escape(title, quote=True)}">'
                     f'<a href="functional.html#{escape(name)}">{escape(name)}</a>{bar(score.percent)}'
                     f'<span class="n{" red" if missing else ""}">{score.hit}/{score.goals}</span></div>')
    return "".join(lines)


def _block(block: Block, cov: CoverGroup, tests: Mapping[str, str], runs: Mapping[str, int]) -> str:
    rows = []
    for feature in block.features:
        verdict = feature_verdict(feature, cov, tests)
        rows.append(f'<tr class="first"><td class="feature"><span class="{_class(verdict)}">{verdict}</span>'
                    f'<b>{escape(feature.name)}</b><p>{escape(feature.shows)}</p></td><td>{_points(feature, cov)}</td>'
                    f"<td>{_tests(feature, tests, runs)}</td></tr>")
    return (f'<section id="{escape(block.module)}"><h2>{escape(block.module)} <span class="sub">{escape(block.file)}</span></h2>'
            '<div class="scroll"><table class="plan"><thead><tr><th>feature</th><th>cover points</th><th>tests</th></tr></thead>'
            f'<tbody>{"".join(rows)}</tbody></table></div></section>')


def _overview(plan: Plan, cov: CoverGroup, tests: Mapping[str, str]) -> str:
    kinds = (VERIFIED, HOLES, NOT_RUN, FAILED)
    rows = []
    for block in plan.blocks:
        found = Counter(feature_verdict(feature, cov, tests) for feature in block.features)
        names = list(dict.fromkeys(name for feature in block.features for name in feature.points))
        score = cov.score(names)
        cells = "".join(f'<td class="num {_class(kind) if found[kind] else "none"}">{found[kind] or ""}</td>' for kind in kinds)
        rows.append(f'<tr><td class="name"><a href="#{escape(block.module)}">{escape(block.module)}</a></td>'
                    f'<td class="num">{len(block.features)}</td>{cells}<td>{bar(score.percent)}</td>'
                    f'<td class="num">{score.hit}/{score.goals}</td></tr>')
    heads = "".join(f'<th class="num">{kind}</th>' for kind in kinds)
    return ('<section><h2>Blocks</h2><div class="scroll"><table><thead><tr><th>block</th><th class="num">features</th>' + heads
            + f'<th></th><th class="num">bins</th></tr></thead><tbody>{"".join(rows)}</tbody></table></div>'
            '<p class="small">A feature is verified if all its tests passed in the last regression and every bin of its points '
            "was hit. Where the plan names a file of tests, a job that ran part of it counts for it.</p></section>")


def plan_page(plan: Plan, cov: CoverGroup, jobs: Sequence[Job], entries: Collection[str]) -> str:
    """The page as HTML; ``entries`` are the names of the regression's entries."""
    ran = {test: jobs_of(test, jobs) for test in plan.tests()}
    tests = {test: verdict_of(found) for test, found in ran.items()}
    features = [feature for block in plan.blocks for feature in block.features]
    verdicts = Counter(feature_verdict(feature, cov, tests) for feature in features)
    results = Counter(tests.values())
    problems = plan_problems(plan, {name: point.block for name, point in cov.points.items()}, entries)
    wrong = [*problems, *(f"{block.module}: {feature.name}" for block in plan.blocks for feature in block.features
                          if feature_verdict(feature, cov, tests) == FAILED)]
    if wrong:
        items = "".join(f"<li>{escape(item)}</li>" for item in wrong)
        message = f'<div class="verdict fail"><strong>FAILED</strong>to mend: {len(wrong)}<ul>{items}</ul></div>'
    elif verdicts[VERIFIED] == len(features):
        message = '<div class="verdict pass"><strong>VERIFIED</strong>every feature</div>'
    else:
        message = (f'<div class="notice">{verdicts[HOLES]} features have bins that were never hit, {verdicts[NOT_RUN]} have '
                   "tests that the last regression did not run</div>")
    score = cov.score()
    tiles = "".join((
        tile("features verified", f"{verdicts[VERIFIED]}", f"of {len(features)}"),
        tile("tests passed", f"{results[PASSED]}", f"of {len(tests)} that the plan names"),
        tile("bins hit", f"{score.hit:,}", f"of {score.goals:,}"),
        tile("points", f"{len(cov.points)}", f"{sum(not cov.holes(name) for name in cov.points)} complete")))
    links = '<div class="links"><a href="index.html">code coverage</a><a href="functional.html">functional coverage</a></div>'
    blocks = "".join(_block(block, cov, tests, {test: len(found) for test, found in ran.items()}) for block in plan.blocks)
    body = ("<header><h1>Verification plan</h1><p>what each block must do, which cases show it, which tests check it</p></header>"
            f'{links}{message}<div class="tiles">{tiles}</div>{_overview(plan, cov, tests)}{blocks}')
    return document("verification plan", body, STYLE_HERE)


def write_plan_page(out: Path, plan: Plan, cov: CoverGroup, regress_json: Path | None) -> Path:
    """Write the page to ``out``, a folder (then as plan.html) or a .html file; returns its path.

    Args:
        regress_json: the record of the last regression; without one every test counts as not run.

    Raises:
        FcimError: the record is none, or the page cannot be written.
    """
    path = page_path(out, NAME)
    write_atomic(path, plan_page(plan, cov, read_jobs(regress_json), regression_entries()))
    return path
