"""The verification plan is true and complete, wrong plans are seen, and its page says what the runs gave."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from models.errors import FcimError
from scripts.flow.coverage.functional import CoverGroup, CoverPoint, read_functional
from scripts.flow.coverage.functional_pages import functional_page, plan_page
from scripts.flow.coverage.plan import (
    FAILED,
    NOT_RUN,
    PASSED,
    Beside,
    Block,
    Feature,
    Mutants,
    Plan,
    jobs_of,
    load_plan,
    plan_problems,
    read_jobs,
    read_mutants,
    read_proofs,
    verdict_of,
)
from scripts.flow.coverage.ranking import rank
from scripts.flow.coverage.report import write_functional_pages
from scripts.flow.proofs import load_proofs
from tb.coverage import INPUTS, coverpoints, new_coverage

PLAN, REGRESSION = INPUTS.plan, INPUTS.regression
POINTS = coverpoints()
NO_JOBS = rank([], {}, {}, {})
DIVIDER = "rtl/normalizer/fcim_divider.v"


@cache
def the_plan() -> Plan:
    return load_plan(PLAN)


def feature(points: tuple[str, ...] = ("divider.reset",), tests: tuple[str, ...] = ("tb/divider/test_divider.py",),
            proofs: tuple[str, ...] = ()) -> Feature:
    return Feature("reset", "It empties the stages.", points, tests, proofs)


def plan_of(*features: Feature, module: str = "fcim_divider", file: str = DIVIDER) -> Plan:
    return Plan((Block(module, file, features),))


def full(points: tuple[CoverPoint, ...] = POINTS) -> CoverGroup:
    """Every bin that counts was hit once."""
    cov = CoverGroup(points)
    for point in points:
        for name in point.goals:
            cov.sample(point.name, name)
    return cov


# ---- the plan itself
def test_the_plan_is_true_and_complete() -> None:
    assert plan_problems(the_plan(), new_coverage(), REGRESSION) == []


def test_every_feature_has_points_and_tests() -> None:
    features = [f for block in the_plan().blocks for f in block.features]
    assert features and all(f.points and f.tests and f.shows.endswith(".") for f in features)


@pytest.mark.parametrize(("plan", "message"), [
    (plan_of(feature(points=("divider.gone",))), "there is no coverpoint 'divider.gone'"),
    (plan_of(feature(tests=("tb/divider/test_gone.py",))), "test_gone.py: there is no such file of tests"),
    (plan_of(feature(tests=("tb/divider/bench_divider.py",))), "bench_divider.py: there is no such file of tests"),
    (plan_of(feature(tests=("tb/divider/test_divider.py::test_gone",))), "the file has no such test"),
    (plan_of(feature(tests=("regress:gone",))), "regression.yaml has no entry of that name"),
    (plan_of(feature(proofs=("fifo.gone",))), "fifo.gone: formal/proofs.yaml has no such block and property"),
    (plan_of(feature(), module="fcim_gone"), f"{DIVIDER} has no module fcim_gone"),
    (plan_of(feature(), file="rtl/divider.v"), "rtl/divider.v has no module fcim_divider"),
    (plan_of(feature()), "module fcim_core (rtl/core/fcim_core.v) is not in the plan"),
    (plan_of(feature()), "the coverpoint 'divider.divisor' of fcim_divider is in no feature"),
])
def test_an_untrue_plan_is_seen(plan: Plan, message: str) -> None:
    assert message in "\n".join(plan_problems(plan, new_coverage(), REGRESSION))


def test_every_proof_belongs_to_a_feature_of_its_block() -> None:
    """Named as a whole or property by property, and nowhere else."""
    named = {(block.module, name) for block in the_plan().blocks for feature in block.features for name in feature.proofs}
    for proof in load_proofs().values():
        mine = {name for module, name in named if module == proof.module}
        assert proof.name in mine or set(proof.statements) <= mine, f"{proof.module}: {sorted(set(proof.statements) - mine)}"
    proofs = {(proof.module, name) for proof in load_proofs().values() for name in (proof.name, *proof.statements)}
    assert named <= proofs


def test_what_is_proven_is_on_the_page() -> None:
    block = Block("fcim_fifo", "rtl/memory/fcim_fifo.v", (feature(proofs=("fifo.order",)),))
    assert "fifo.order" in plan_page(Plan((block,)), full(), [], REGRESSION)


def test_names_of_tests_that_exist_are_no_problem() -> None:
    tests = ("tb/divider/test_divider.py::test_divider", "tb/divider/test_divider.py::test_divider[default]", "regress:heads")
    problems = plan_problems(plan_of(feature(tests=tests)), new_coverage(), REGRESSION)
    assert problems and not [p for p in problems if "'divider.reset'" in p or "test_" in p]


@pytest.mark.parametrize(("old", "new", "message"), [
    ("blocks:", "block:", "the plan must have the keys blocks"),
    ("    features:\n      - name: quotients", "    feature:\n      - name: quotients", "block 'fcim_divider' must have the key"),
    ("        points: [divider.enable, divider.reset]\n", "", "feature 'enable and reset' must have the keys name, shows, po"),
    ("points: [divider.enable, divider.reset]", "points: []", "points must be a list that is not empty"),
    ("points: [divider.enable, divider.reset]", "points: [divider.enable, divider.enable]", "points must be texts, each once"),
    ("name: enable and reset", "name: quotients", "is there twice"), ("blocks:", "blocks: [", "is not valid YAML"),
])
def test_a_malformed_plan_is_one_line(old: str, new: str, message: str, tmp_path: Path) -> None:
    text = PLAN.read_text()
    assert text.count(old) == 1
    path = tmp_path / "plan.yaml"
    path.write_text(text.replace(old, new))
    with pytest.raises(FcimError, match=message) as caught:
        load_plan(path)
    assert "\n" not in str(caught.value)


# ---- joined with results
def job(name: str, status: str, module: str = "tb.workloads.heads") -> dict[str, str]:
    return {"name": name, "module": module, "status": status}


def test_jobs_find_their_tests() -> None:
    jobs = [job("heads", "passed"), job("units", "passed", "tb/divider/test_divider.py"), job("ip", "passed", "tb/ip_cim"),
            job("part", "passed", "tb/divider/test_divider.py::test_divider")]
    assert jobs_of("regress:heads", jobs) == jobs[:1]
    assert jobs_of("tb/divider/test_divider.py", jobs) == [jobs[1], jobs[3]]
    assert jobs_of("tb/divider/test_divider.py::test_divider", jobs) == [jobs[1], jobs[3]]
    assert jobs_of("tb/ip_cim/test_ip_cim.py", jobs) == [jobs[2]]
    assert jobs_of("tb/exp2/test_exp2.py", jobs) == jobs_of("regress:tb", jobs) == []


@pytest.mark.parametrize(("statuses", "verdict"), [
    ([], "not run"), (["not run"], "not run"), (["passed", "passed"], "passed"), (["passed", "not run"], "partly run"),
    (["passed", "failed"], "failed"), (["timeout", "not run"], "failed"), (["passed", "exploded"], "failed"),
])
def test_the_worst_job_decides(statuses: list[str], verdict: str) -> None:
    assert verdict_of([job("heads", status) for status in statuses]) == verdict


def test_a_feature_is_verified_only_if_all_passed_and_nothing_is_missing() -> None:
    plan = the_plan()
    names = {test.removeprefix("regress:") for test in plan.tests()}
    passed = [job(name, "passed", name) for name in sorted(names)]

    def page_of(cov: CoverGroup, jobs: list[dict[str, str]]) -> str:
        return plan_page(plan, cov, jobs, REGRESSION)

    count = sum(len(block.features) for block in plan.blocks)
    page = page_of(full(), passed)
    assert page.count('class="is-verified">verified') == count and "VERIFIED" in page
    holes = full()
    holes.counts["divider.reset"][:] = 0
    page = page_of(holes, passed)
    assert page.count('class="is-verified">verified') == count - 1 and page.count('class="is-holes">holes') == 1
    assert "never hit: items inside" in page
    failed = [*passed, job("heads-short", "timeout", "heads-short")]
    page = page_of(full(), failed)
    named = sum("regress:heads-short" in f.tests for block in plan.blocks for f in block.features)
    assert page.count('class="is-failed">failed') == named > 0 and "FAILED" in page
    assert page_of(full(), []).count('class="is-not-run">not run') == count


def test_an_untrue_plan_fails_its_page() -> None:
    assert "FAILED" not in plan_page(the_plan(), full(), [], REGRESSION)
    page = plan_page(plan_of(feature(tests=("regress:gone",))), full(), [], REGRESSION)
    assert "FAILED" in page and "has no entry of that name" in page


@pytest.mark.parametrize("text", ["{", '{"job": []}', '[{"name": "x"}]', '{"jobs": [1]}'])
def test_a_record_of_something_else_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "regress.json").write_text(text)
    with pytest.raises(FcimError, match="is no record of a regression"):
        read_jobs(tmp_path / "regress.json")
    assert read_jobs(None) == read_jobs(tmp_path / "none.json") == []


def test_proofs_and_faults_are_joined_with_their_blocks(tmp_path: Path) -> None:
    states = [{"name": "fifo", "state": "proven"}, {"name": "o_stage", "state": "false"}]
    (tmp_path / "prove.json").write_text(json.dumps({"blocks": states}))
    row = {"mutants": 9, "by its own bench": 5, "by one above": 1, "equivalent": 1, "alive": 2}
    (tmp_path / "mutate.json").write_text(json.dumps({"rows": [{"module": "fcim_fifo", **row}, {"module": "all", **row}]}))
    beside = Beside(read_proofs(tmp_path / "prove.json"), read_mutants(tmp_path / "mutate.json"))
    assert [beside.proof(name) for name in ("fifo", "fifo.order", "o_stage", "q_loader")] == [PASSED, PASSED, FAILED, NOT_RUN]
    assert beside.mutants["fcim_fifo"] == Mutants(9, 5, 1, 1, 2)

    def page_of(name: str, beside: Beside) -> str:
        block = Block("fcim_fifo", "rtl/memory/fcim_fifo.v", (feature(proofs=(name,)),))
        return plan_page(Plan((block,)), full(), [job("divider", "passed", "tb/divider")], REGRESSION, beside)

    page = page_of("fifo.order", beside)
    assert 'title="passed"></span><span class="small">proof' in page and "1 of 1 made" in page and ">6/8</td>" in page
    assert 'class="is-verified">verified' in page and "which was not run here" not in page
    assert 'class="is-failed">failed' in page_of("o_stage.order", beside), "a proof that fails fails its feature"
    nothing = page_of("fifo.order", Beside())
    assert 'class="is-verified">verified' in nothing and "0 of 1 made" in nothing and "which was not run here" in nothing


@pytest.mark.parametrize("text", [
    "{", "[]", '{"blocks": [1], "rows": [1]}', '{"blocks": [{}], "rows": [{"module": "fcim_fifo"}]}'])
def test_reports_of_something_else_are_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text(text)
    with pytest.raises(FcimError, match="is no report of proofs; delete it, or run: make prove"):
        read_proofs(path)
    with pytest.raises(FcimError, match="is no report of mutants; delete it, or run: make mutate"):
        read_mutants(path)
    assert read_proofs(None) == read_mutants(tmp_path / "none.json") == {}


# ---- pages and numbers of the functional coverage
def test_holes_and_what_cannot_be_are_shown(tmp_path: Path) -> None:
    cov = full()
    assert "COMPLETE" in functional_page(cov, NO_JOBS) and "Never hit" not in functional_page(cov, NO_JOBS)
    assert cov.score().hit == cov.score().goals > 0 and not cov.problems()
    cov.counts["divider.divisor"][0] = 0
    page = functional_page(cov, NO_JOBS)
    assert "1 bin was never hit" in page and "Never hit" in page and page.count('class="bin hole"') == 1
    assert {name: cov.holes(name) for name in cov.points if cov.holes(name)} == {"divider.divisor": ["0"]}
    cov.sample("overlap.tiles", "0, IP-CIM")
    page = functional_page(cov, NO_JOBS)
    assert "IMPOSSIBLE" in page and 'class="broken"' in page and "overlap.tiles: 0, IP-CIM" in "".join(cov.problems())
    cov.save(tmp_path / "data" / "x.cover.json")
    merged = read_functional(tmp_path / "data", new_coverage())
    assert merged is not None and merged.as_dict() == cov.as_dict()
    (tmp_path / "empty").mkdir()
    assert read_functional(tmp_path / "none", new_coverage()) is read_functional(tmp_path / "empty", new_coverage()) is None


def test_pages_stand_alone(tmp_path: Path) -> None:
    (tmp_path / "regress.json").write_text(json.dumps({"jobs": [job("heads", "passed")]}))
    links = write_functional_pages(tmp_path, replace(INPUTS, record=tmp_path / "regress.json"), new_coverage(), NO_JOBS)
    assert links == [("functional coverage", "functional.html"), ("verification plan", "plan.html")]
    for _, name in links:
        text = (tmp_path / name).read_text()
        assert text.startswith("<!DOCTYPE html>") and "http" not in text and "<script" not in text


def test_pages_escape_what_they_show() -> None:
    odd = CoverPoint("toy.<b>", "fcim_divider", "<i>shows</i>", ("<bin>", 'with "quotes"'), ignored={"<bin>": "<why>"})
    page = functional_page(CoverGroup((odd,)), NO_JOBS)
    for tag in ("<b>b", "<i>shows", "<bin>", "<why>"):
        assert tag not in page
    assert "&lt;bin&gt;: ignored, &lt;why&gt;" in page and "with &#34;quotes&#34;: 0 hits" in page
