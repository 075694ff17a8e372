"""The regression runner from end to end, on a workload whose jobs do what the list says."""

from __future__ import annotations

import html
import json
import os
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from models.errors import FcimError
from scripts.flow.processes import locked
from scripts.flow.regress.command import BASES, find_rerun
from scripts.flow.regress.page import alike, number, render_page
from scripts.flow.regress.record import JobRecord, Record, load_record
from scripts.flow.regress.reports import render_junit
from scripts.flow.sources import ROOT
from tests.commands.report_schema import documented_keys
from tests.flow.junit_schema import violations
from tests.flow.regress_lists import WORKLOAD, by_id, entry, load, regress, write_list

SEED = 77
FAILURES = {
    "fail": "out[3] is 5, the model says 6", "silent": "failed without a message",
    "nothing": "nothing ran: the outcome counts no tests",
    "raise": "ValueError: no such thing", "assert": "row 7 differs", "mistake": "the tile does not fit",
    "exit": "SystemExit: the workload ended its process (0)",
    "wrong": "run() of tests.flow.regress_workload returned str, not an Outcome",
    "vanish": "the job's process ended with exit code 0 and left no result",
    "crash": "the job's process ended with signal 11 (SIGSEGV) and left no result",
    "late": "the job's process ended with exit code 3 after its tests",
}


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, int]:
    """A list with jobs of every kind, after a run: the list, what was printed, the exit code."""
    path = write_list(tmp_path_factory.mktemp("mixed"), entry("good", "pass", iterations=2), entry("bad", *FAILURES),
                      entry("pairs", "pass", "differ", "no_digest", simulators=["icarus", "verilator"]),
                      entry("kept", "environment", "files"), entry("nightly", "fail", tags=["nightly"]))
    done = regress(path, "--seed", str(SEED), MAKEFLAGS="j", SIM="abacus")
    assert done.stderr == ""
    return path, done.stdout, done.returncode


def test_all_passed(tmp_path: Path) -> None:
    path = write_list(tmp_path, entry("good", "pass", iterations=3))
    done = regress(path)
    assert done.returncode == 0, done.stdout + done.stderr
    record = load(path)
    assert record["passed"] and record["state"] == "finished" and record["totals"]["tests"] == 6
    assert "PASS: 3 of 3 jobs passed" in done.stdout and f"seed {record['seed']}" in done.stdout
    assert len({job["seed"] for job in record["jobs"]}) == 3
    assert all(set(job) == documented_keys("The record of make regress") for job in record["jobs"])
    assert by_id(record)["good[do=pass]#1@icarus"]["metrics"]["seed"] == record["jobs"][1]["seed"]


def test_a_job_that_cannot_run_here_neither_passes_nor_fails(tmp_path: Path) -> None:
    """It is named with its reason on the terminal, in the record, the XML and the page; alone it makes no regression pass."""
    path = write_list(tmp_path, entry("good", "pass"), entry("real", "skip", iterations=2))
    done = regress(path)
    assert done.returncode == 0 and "PASS: 1 of 3 jobs passed, 2 skipped" in done.stdout, done.stdout + done.stderr
    assert "  skipped    2: the model cannot be had: no network" in done.stdout
    record = load(path)
    job = by_id(record)["real[do=skip]#0@icarus"]
    assert job["status"] == "skipped" and job["message"].startswith("the model cannot be had")
    assert record["totals"]["skipped"] == 2 and not record["totals"]["failed"]
    assert job["tests"] == 0 and record["totals"]["tests"] == 2
    root = ElementTree.parse(path.parent / "out" / "junit.xml").getroot()
    assert [case.find("skipped") is not None for case in root.iter("testcase")] == [False, True, True]
    page = (path.parent / "out" / "index.html").read_text()
    assert "<li>2 jobs: the model cannot be had: no network</li>" in page and 'class="pill skipped"' in page
    alone = regress(path, "--test", "real*")
    assert alone.returncode == 1 and "INCOMPLETE: 0 of 2 jobs passed, 2 skipped" in alone.stdout


@pytest.mark.parametrize("do", FAILURES)
def test_every_kind_of_failure_fails(do: str, mixed: tuple[Path, str, int]) -> None:
    job = by_id(load(mixed[0]))[f"bad[do={do}]#0@icarus"]
    assert job["status"] == "failed" and job["message"].splitlines()[0] == FAILURES[do]


def test_verdict_and_counts(mixed: tuple[Path, str, int]) -> None:
    path, printed, code = mixed
    record, bad = load(path), len(FAILURES)
    assert code == 1 and not record["passed"] and record["state"] == "finished"
    assert record["totals"] | {"job_seconds": 0, "cpu_seconds": 0} == {
        "jobs": bad + 10, "passed": 10, "failed": bad, "timeout": 0, "skipped": 0, "not_run": 0, "pairs_compared": 3,
        "pairs_differing": 2, "tests": record["totals"]["tests"], "job_seconds": 0, "cpu_seconds": 0}
    assert f"FAIL: 10 of {bad + 10} jobs passed, {bad} failed, 2 of 3 pairs of simulators disagree" in printed


def test_simulators_must_agree(mixed: tuple[Path, str, int]) -> None:
    jobs = by_id(load(mixed[0]))
    assert "pairs[do=pass]#0@agreement" not in jobs
    differ = jobs["pairs[do=differ]#0@agreement"]
    assert differ["status"] == "failed" and "cycles: 10 on icarus, 11 on verilator" in differ["message"]
    assert jobs["pairs[do=differ]#0@icarus"]["status"] == "passed"
    assert "--test 'pairs[do=differ]#0' " in differ["repeat"]
    assert jobs["pairs[do=no_digest]#0@agreement"]["message"] == "nothing to compare: no digest from icarus and verilator"


def test_failure_prints_all_that_is_needed(mixed: tuple[Path, str, int]) -> None:
    path, printed, _ = mixed
    job = by_id(load(path))["bad[do=fail]#0@icarus"]
    block = printed[printed.index("bad[do=fail]#0@icarus\n"):].split("\n[")[0]
    for expected in (f"seed       {job['seed']}", "parameters do=fail", "out[3] is 5", "second line",
                     f"log        {path.parent}/out/{job['log']}", f"repeat     {job['repeat']}"):
        assert expected in block
    assert "--test 'bad[do=fail]#0@icarus'" in job["repeat"] and f"--seed {SEED}" in job["repeat"]


def test_jobs_see_their_own_environment(mixed: tuple[Path, str, int]) -> None:
    job = by_id(load(mixed[0]))["kept[do=environment]#0@icarus"]
    assert job["metrics"] == {"SIM": "icarus", "SEED": str(job["seed"]), "WAVES": "0", "FCIM_COVERAGE": "unset",
                              "MAKEFLAGS": "unset"}


def test_files_and_links(mixed: tuple[Path, str, int]) -> None:
    """Every path of the record exists, every link of the page leads somewhere, and the log begins with what repeats the job."""
    path, _, _ = mixed
    out = path.parent / "out"
    jobs = by_id(load(path))
    kept = jobs["kept[do=files]#0@icarus"]
    assert (out / kept["bench_log"]).read_text() == "sim\n" and (out / kept["waves"]).read_text() == "fst\n"
    assert (out / kept["log"]).read_text().startswith("job     kept[do=files]#0@icarus\nseed    ")
    page = (out / "index.html").read_text()
    links = [part.split('"')[0] for part in page.split('href="')[1:]]
    assert len(links) > len(jobs) and all(link[1:] in page if link[0] == "#" else (out / link).is_file() for link in links)
    assert all(f'id="{link[1:]}"' in page for link in links if link[0] == "#")


def test_traceback_is_in_the_log(mixed: tuple[Path, str, int]) -> None:
    path, _, _ = mixed
    jobs = by_id(load(path))
    assert 'raise ValueError("no such thing")' in (path.parent / "out" / jobs["bad[do=raise]#0@icarus"]["log"]).read_text()
    assert "Segmentation fault" in jobs["bad[do=crash]#0@icarus"]["message"]


def test_the_linked_log_says_it_all(mixed: tuple[Path, str, int]) -> None:
    """Seed, command, verdict, message, and the end of the bench's log; of a job that passed its figures."""
    path, _, _ = mixed
    jobs = by_id(load(path))

    def log(name: str) -> str:
        return (path.parent / "out" / jobs[name]["log"]).read_text()

    failed, kept = log("bad[do=fail]#0@icarus"), log("kept[do=files]#0@icarus")
    for part in (str(jobs["bad[do=fail]#0@icarus"]["seed"]), "--test 'bad[do=fail]#0@icarus'", "--- failed after",
                 "out[3] is 5, the model says 6\nsecond line\n"):
        assert part in failed
    assert "--- passed after" in kept and kept.endswith("bench.log; it ends with\nsim\n")
    assert "--- passed after" in log("good[do=pass]#0@icarus") and "half: 0.5\n" in log("good[do=pass]#0@icarus")


def test_wide_tables_show_status_and_log_first_and_say_once_what_all_jobs_share(mixed: tuple[Path, str, int]) -> None:
    record = load_record(mixed[0].parent / "out" / "regress.json")
    jobs = [job for job in record.jobs if job.name == "good"]
    for i, job in enumerate(jobs):
        job.parameters = {"length": 512, "tau": i}
        job.metrics = {f"metric {n}": n * (i + 1) for n in range(12)} | {"cosine": 0.99996}
    record.jobs = jobs
    table = render_page(record).partition('<details class="entry" id="entry-good"')[2].partition("</details>")[0]
    head, row = table.partition("<tbody>")[0], table.partition("<tbody>")[2].partition("</tr>")[0]
    assert re.findall(r"<th[^>]*>([^<]*)</th>", head)[:3] == ["status", "files", "tau"] and 'class="wide"' in head
    assert row.index('class="pill') < row.index(">log</a>") < row.index(str(jobs[0].seed))
    shared = re.search(r'<p class="shared">(.*?)</p>', table).group(1)
    assert shared == ("in all jobs: simulator <b>icarus</b>, length <b>512</b>, metric 0 <b>0</b>, cosine <b>0.99996</b>")


@pytest.mark.parametrize(("value", "shown"), [
    (0.99996, "0.99996"), (1.0, "1.000"), (-0.9999999, "-0.9999999"), (0.9993, "0.9993"), (0.0, "0.000")])
def test_what_is_not_quite_one_is_not_shown_as_one(value: float, shown: str) -> None:
    assert number(value, abs(value)) == shown


def test_junit(mixed: tuple[Path, str, int]) -> None:
    root = ElementTree.parse(mixed[0].parent / "out" / "junit.xml").getroot()
    cases = list(root.iter("testcase"))
    failed = [case for case in cases if case.find("failure") is not None]
    assert int(root.get("tests")) == len(cases) == len(load(mixed[0])["jobs"]) and root.get("errors") == "0"
    assert int(root.get("failures")) == len(failed) == len(FAILURES) + 2


def test_junit_keeps_to_the_schema_of_ci_systems(mixed: tuple[Path, str, int]) -> None:
    """Also that of a run that did not come to its end, where jobs are skipped and an error says so."""
    root = ElementTree.parse(mixed[0].parent / "out" / "junit.xml").getroot()
    assert violations(root) == []
    assert any(f"repeat: {job['repeat']}" in case.findtext("system-out") for job in load(mixed[0])["jobs"][:1]
               for case in root.iter("testcase"))
    record = load_record(mixed[0].parent / "out" / "regress.json")
    record.jobs[0].status, record.jobs[1].status, record.state = "not run", "timeout", "terminated"
    root = ElementTree.fromstring(render_junit(record, mixed[0].parent / "out"))
    assert violations(root) == [] and root.find(".//skipped") is not None and root.find(".//error") is not None


@pytest.mark.parametrize(("xml", "violation"), [
    ('<testsuites skipped="1"/>', "<testsuites> must not have skipped"),
    ('<testsuites><testsuite name="a" tests="1" failures="0" errors="0"><testcase name="b"><properties/></testcase></testsuite>'
     "</testsuites>", "<properties> must not stand in <testcase>"),
    ('<testsuite name="a" tests="1" failures="0"/>', "<testsuite> lacks errors"),
    ('<testsuites time="1.2.3"/>', "<testsuites>: time is 1.2.3"),
])
def test_the_schema_refuses(xml: str, violation: str) -> None:
    assert violations(ElementTree.fromstring(xml)) == [violation]


def test_same_seed_repeats_one_job(mixed: tuple[Path, str, int], tmp_path: Path) -> None:
    jobs = by_id(load(mixed[0]))
    path = write_list(tmp_path, *[entry("good", "pass", iterations=2)])
    assert regress(path, "--test", "good[do=pass]#1@icarus", "--seed", str(SEED)).returncode == 0
    job, = load(path)["jobs"]
    assert job["seed"] == job["metrics"]["seed"] == jobs["good[do=pass]#1@icarus"]["seed"]
    assert regress(path, "--test", "good[do=pass]#1@icarus", "--seed", str(SEED + 1)).returncode == 0
    assert load(path)["jobs"][0]["seed"] != job["seed"]


def test_rerun_repeats_failures_with_their_seeds_and_waves(tmp_path: Path) -> None:
    both = {"simulators": ["icarus", "verilator"]}
    path = write_list(tmp_path, entry("mix", "pass", "fail"), entry("pairs", "differ", "pass", **both),
                      entry("slow", "hang", timeout=0.5))
    assert regress(path, "--seed", "5").returncode == 1
    first = by_id(load(path))
    done = regress(path, "--rerun")
    assert done.returncode == 1
    again = by_id(load(path, "rerun"))
    assert set(again) == {"mix[do=fail]#0@icarus", "slow[do=hang]#0@icarus",
                          *(f"pairs[do=differ]#0@{name}" for name in ("icarus", "verilator", "agreement"))}
    assert all(job["seed"] == first[name]["seed"] for name, job in again.items())
    folder = path.parent / "out" / "rerun" / again["mix[do=fail]#0@icarus"]["log"]
    assert json.loads((folder.parent / "job.json").read_text())["waves"] is True
    assert by_id(load(path)) == first       # the whole regression's record stays
    write_list(tmp_path, entry("other", "pass"))
    done = regress(path, "--rerun")
    assert done.returncode == 2 and "is not in the list any more" in done.stderr


def test_rerun_takes_the_last_run_whatever_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A whole run, one of TEST, or a rerun; without OUT it is looked for in all their places, and the reports print the place."""
    def ran(folder: str, status: str, at: int) -> Path:
        jobs = [JobRecord("good[do=pass]#0@icarus", "good", WORKLOAD, "p", [], None, {}, 0, "icarus", 1, 9.0, "r", status)]
        record = Record(7, "list.yaml", "make regress", f"2024-01-0{at}T00:00:00", 1, jobs, state="finished")
        file = tmp_path / folder / "regress.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(record.as_json())
        os.utime(file, (at, at))
        return file.parent

    whole, test = ran("whole", "failed", 1), ran("whole/test", "failed", 2)
    assert find_rerun([whole, test]).base == test and find_rerun([whole]).base == whole
    ran("whole/test/rerun", "passed", 3)
    with pytest.raises(FcimError, match=r"nothing to run again: no job failed in .*whole/test/rerun/regress.json"):
        find_rerun([whole, test])
    assert find_rerun([whole]).out == whole / "rerun"
    ran("whole/rerun", "timeout", 4)
    again = find_rerun([whole, test])
    assert (again.base, again.bad, again.left) == (whole, ("good[do=pass]#0@icarus",), ())
    record = json.loads((whole / "rerun" / "regress.json").read_text())
    (whole / "rerun" / "regress.json").write_text(json.dumps(record | {"state": "running"}))
    assert find_rerun([whole]).bad == again.bad, "it was killed: nobody holds its lock"
    with locked(whole / "rerun", "regression"), pytest.raises(FcimError, match="another regression is writing to"):
        find_rerun([whole])
    assert BASES[:2] == (ROOT / "build" / "regress", ROOT / "build" / "regress" / "test")


def test_rerun_after_a_single_test_and_where_the_page_says_it_is(tmp_path: Path) -> None:
    path = write_list(tmp_path, entry("mix", "pass", "fail"))
    done = regress(path, "--test", "mix[do=fail]#0", "--seed", "5")
    record = load(path)
    assert record["rerun"].endswith(f"--out '{tmp_path}/out' --rerun") and f"again   {record['rerun']}" in done.stdout
    assert record["rerun"] in html.unescape((tmp_path / "out" / "index.html").read_text())
    done = regress(path, "--rerun")
    assert done.returncode == 1 and "again: 1 that failed of the run of" in done.stdout
    assert set(by_id(load(path, "rerun"))) == {"mix[do=fail]#0@icarus"}
    assert load(path, "rerun")["rerun"] == record["rerun"]


def test_rerun_runs_what_an_ended_run_did_not_come_to(tmp_path: Path) -> None:
    path = write_list(tmp_path, entry("bad", "fail", weight=900), entry("good", "pass", iterations=3))
    assert regress(path, "--fail-fast", "--jobs", "1").returncode == 1
    left = {job["id"] for job in load(path)["jobs"] if job["status"] == "not run"}
    done = regress(path, "--rerun")
    assert done.returncode == 1 and "again: 1 that failed and 3 that did not run of the run of" in done.stdout
    again = by_id(load(path, "rerun"))
    assert len(left) == 3 and set(again) == left | {"bad[do=fail]#0@icarus"}
    waves = {name: json.loads((tmp_path / "out" / "rerun" / job["log"]).with_name("job.json").read_text())["waves"]
             for name, job in again.items()}
    assert waves == {name: name.startswith("bad") for name in again}, "waveforms of what failed"


def test_rerun_with_nothing_to_do(tmp_path: Path) -> None:
    path = write_list(tmp_path, entry("good", "pass"))
    done = regress(path, "--rerun")
    assert done.returncode == 2 and "there is no record of a regression" in done.stderr
    assert regress(path).returncode == 0
    done = regress(path, "--rerun")
    assert done.returncode == 2 and "nothing to run again: no job failed" in done.stderr and done.stderr.count("\n") == 1


PYTEST = {
    "fails": ("def test_a(): pass\ndef test_b(): assert 1 == 2, 'row 3'\n", "1 of 2 tests failed"),
    "skips": ("import pytest\npytestmark = pytest.mark.skip('no')\ndef test_a(): pass\n",
              "nothing ran: all 1 tests were skipped"),
    "empty": ("x = 1\n", "nothing ran: no test was collected"),
    "broken": ("import no_such_module\ndef test_a(): pass\n", "1 of 1 tests failed"),
    "dies": ("import os\ndef test_a(): os._exit(0)\n", "pytest left no readable result (exit code 0); see the log"),
    "passes": ("import os\ndef test_a(): assert os.environ['SIM'] == 'icarus'\n", ""),
}


@pytest.fixture(scope="module")
def pytests(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict]:
    """The jobs of a list of pytest files."""
    folder = tmp_path_factory.mktemp("pytests")
    for name, (text, _) in PYTEST.items():
        (folder / f"test_{name}.py").write_text(text)
    keys = {"purpose": "pytest", "simulators": ["icarus"], "timeout": 60}
    path = write_list(folder, *({"name": name, "module": str(folder / f"test_{name}.py"), **keys} for name in PYTEST),
                      {"name": "node", "module": f"{folder}/test_fails.py::test_a", **keys})
    done = regress(path)
    assert done.returncode == 1, done.stderr
    return {job["name"]: job for job in load(path)["jobs"]}


@pytest.mark.parametrize("name", PYTEST)
def test_pytest_entries(name: str, pytests: dict[str, dict]) -> None:
    job, message = pytests[name], PYTEST[name][1]
    assert job["status"] == ("failed" if message else "passed"), job["message"]
    assert job["message"].startswith(message) and (message or job["message"] == "")


def test_pytest_counts(pytests: dict[str, dict]) -> None:
    assert pytests["node"]["status"] == "passed" and pytests["node"]["tests"] == 1
    assert pytests["fails"]["metrics"] == {"tests passed": 1, "tests failed": 1}
    assert "test_b: AssertionError: row 3" in pytests["fails"]["message"]


@pytest.mark.parametrize(("arguments", "message"), [
    (("--test", "nothing-like-it"), "TEST = 'nothing-like-it' fits no job"),
    (("--tags", "wrong"), "no entry has the tag 'wrong'"),
    (("--jobs", "0"), "JOBS = 0 is illegal"),
    (("--iterations", "x"), "ITERATIONS = 'x' is not a whole number"),
    (("--seed", "-x"), "is not a seed"),
    (("--sim", "abacus"), "SIM = 'abacus' is unknown"),
    (("--rerun", "--test", "a"), "leave out TEST"),
    (("--timeout-scale", "nan"), "--timeout-scale 'nan' is illegal"),
    (("--out", "/proc/none"), "cannot write to /proc/none"),
])
def test_mistakes_are_one_line(arguments: tuple[str, ...], message: str, tmp_path: Path) -> None:
    path = write_list(tmp_path, entry("good", "pass"))
    done = regress(path, *[f"--seed={a}" if arguments[0] == "--seed" else a for a in arguments if a != "--seed"])
    assert done.returncode == 2 and message in done.stderr and done.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_foreign_folder_is_not_removed(tmp_path: Path) -> None:
    (tmp_path / "out" / "jobs").mkdir(parents=True)
    (tmp_path / "out" / "jobs" / "thesis.txt").write_text("precious")
    done = regress(write_list(tmp_path, entry("good", "pass")))
    assert done.returncode == 2 and "holds a folder 'jobs' that is not of a regression" in done.stderr
    assert (tmp_path / "out" / "jobs" / "thesis.txt").is_file()


def test_list_runs_nothing(tmp_path: Path) -> None:
    path = write_list(tmp_path, entry("good", "pass"), entry("soak", "pass", tags=["nightly"]))
    done = regress(path, "--list")
    assert done.returncode == 0 and "good[do=pass]#0@icarus" in done.stdout and "not selected: soak" in done.stdout
    assert not (tmp_path / "out").exists()


def test_coverage_reaches_the_jobs(tmp_path: Path) -> None:
    path = write_list(tmp_path, entry("env", "environment"))
    assert regress(path, "--coverage", str(tmp_path / "data"), "--waves").returncode == 0
    metrics = load(path)["jobs"][0]["metrics"]
    assert Path(metrics["FCIM_COVERAGE"]).parent == tmp_path / "data" and metrics["WAVES"] == "1" and (tmp_path / "data").is_dir()


def test_failures_that_differ_in_numbers_are_alike() -> None:
    def failed(message: str, status: str = "failed") -> JobRecord:
        return JobRecord("a#0@icarus", "a", "m", "p", [], None, {}, 0, "icarus", 1, 1.0, "r", status, message)

    jobs = [failed("the log ended"), failed("3 of 65,536 differ\nrow 1"), failed("412 of 65,536 differ\nrow 2"),
            failed("3 of 65,536 differ", "timeout")]
    assert [len(group) for group in alike(jobs)] == [2, 1, 1]
