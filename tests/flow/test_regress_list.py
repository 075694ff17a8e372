"""The regression's list and what it becomes: refused mistakes, ids, seeds, selection."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from models.errors import FcimError
from scripts.flow.regress.durations import Estimate
from scripts.flow.regress.entries import Entry, read_entries
from scripts.flow.regress.selection import PlannedJob, failed_jobs, folder_name, select_jobs
from tests.flow.regress_lists import WORKLOAD

GOOD = f"""\
- name: heads
  purpose: whole heads
  module: {WORKLOAD}
  configurations: [default, tiny]
  parameters: {{length: [64, 128], lazy: [true, false]}}
  iterations: 2
  tags: [heads, long]
  timeout: 30
- name: heads-odd
  purpose: odd heads
  module: {WORKLOAD}
  simulators: [icarus, verilator]
  tags: [heads]
  timeout: 20
  weight: 7
- name: soak
  purpose: all night
  module: tests/flow/test_static.py
  iterations: 3
  tags: [nightly, long]
  timeout: 20.5
"""


def read(tmp_path: Path, text: str = GOOD) -> list[Entry]:
    path = tmp_path / "list.yaml"
    path.write_text(text)
    return read_entries(path)


def ids(jobs: list[PlannedJob]) -> list[str]:
    return [job.id for job in jobs]


def test_entries(tmp_path: Path) -> None:
    heads, odd, soak = read(tmp_path)
    assert heads.configurations == ("default", "tiny") and heads.simulators == ("verilator",) and heads.weight is None
    assert odd.weight == 7 and odd.iterations == 1 and not odd.is_pytest
    assert soak.is_pytest and soak.timeout == 20.5


@pytest.mark.parametrize(("old", "new", "message"), [
    ("  timeout: 30", "  timeuot: 30", r"list.yaml:1: entry 'heads': unknown key 'timeuot'; did you mean 'timeout'\?"),
    ("  timeout: 30\n", "", "list.yaml:1: entry 'heads': missing key 'timeout'"),
    ("  timeout: 30", "  timeout: soon", "entry 'heads': timeout must be a number of seconds above 0, not 'soon'"),
    ("  timeout: 30", "  timeout: .inf", "entry 'heads': timeout must be a number"),
    ("  timeout: 30", "  timeout: 30\n  timeout: 40", "list.yaml:1: key 'timeout' stands there twice"),
    ("iterations: 2", "iterations: 0", "iterations must be a whole number from 1 on, not 0"),
    ("iterations: 2", "iterations: true", "iterations must be a whole number from 1 on, not True"),
    ("name: heads-odd", "name: heads", "list.yaml:9: entry 'heads' stands there twice"),
    ("name: heads-odd", "name: Heads!", "list.yaml:9: entry 'Heads!': 'Heads!' is no name"),
    ("[default, tiny]", "[default, tinny]", r"unknown configuration 'tinny'; did you mean 'tiny'\? known: default,"),
    ("[icarus, verilator]", "[icarus, abacus]", "entry 'heads-odd': unknown simulator 'abacus'"),
    ("[icarus, verilator]", "icarus", "simulators must be a list"),
    ("[64, 128]", "[64, 64]", "parameters: length names 64 twice"),
    ("[64, 128]", "['64', 64]", "parameters: length names 64 twice"),
    ("[64, 128]", "64", "parameters: length must be a list"),
    ("[64, 128]", "[]", "parameters: length must be a list"),
    ("[64, 128]", "['a b']", "parameters: length: 'a b' is no value"),
    ("[64, 128]", "[.nan]", "parameters: length: nan is no value"),
    ("[heads, long]", "[Heads]", "tags: 'Heads' is no tag"),
    ("whole heads", "''", "purpose must be a line of text"),
    (WORKLOAD, "tb.workloads.no_such", r"module tb.workloads.no_such does not exist \(expected tb/workloads/no_such.py\)"),
    (WORKLOAD, "tests.flow.regress_lists", r"module tests.flow.regress_lists has no function run\(job\)"),
    (WORKLOAD, "no such/module.py", "module: the file no such/module.py does not exist"),
    (WORKLOAD, "tests/flow/test_static.py", "entry 'heads': configurations need a workload module"),
    ("- name: heads\n", "- name: [heads\n", "list.yaml:2: not valid YAML"),
    (GOOD, "heads: 1", "must be a list of entries"),
    (GOOD, "", "must be a list of entries"),
    (GOOD, "- heads", "list.yaml:1: an entry is 'key: value' lines, not 'heads'"),
])
def test_mistakes_are_one_line_with_file_and_entry(old: str, new: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(FcimError, match=message) as caught:
        read(tmp_path, GOOD.replace(old, new, 1))
    assert "\n" not in str(caught.value) and "list.yaml" in str(caught.value)


def test_missing_list(tmp_path: Path) -> None:
    with pytest.raises(FcimError, match="does not exist; name another with --file"):
        read_entries(tmp_path / "none.yaml")


def test_ids_are_unique_and_need_no_quoting_but_brackets(tmp_path: Path) -> None:
    jobs = select_jobs(read(tmp_path), 1)
    assert len(jobs) == 2 * 4 * 2 + 2      # the nightly entry stays out
    assert len(set(ids(jobs))) == len(jobs)
    assert ids(jobs)[0] == "heads[default,length=64,lazy=true]#0@verilator"
    assert ids(jobs)[-2:] == ["heads-odd#0@icarus", "heads-odd#0@verilator"]
    assert all(re.fullmatch(r"[\w.+=,@#\[\]-]+", job.id) for job in jobs)
    folders = {job.folder_name for job in jobs}
    assert len(folders) == len(jobs) and all(re.fullmatch(r"[\w.-]+", name) for name in folders)


def test_folder_names_stay_apart_and_short() -> None:
    assert folder_name("a[x=1]#0@icarus") != folder_name("a[x,1]#0@icarus")
    assert len(folder_name(f"a[{'x' * 999}]#0@icarus")) < 200


def test_seeds(tmp_path: Path) -> None:
    """The simulator does not change the seed; everything else does."""
    entries = read(tmp_path)
    jobs = {job.id: job.seed for job in select_jobs(entries, 1)}
    assert jobs["heads-odd#0@icarus"] == jobs["heads-odd#0@verilator"]
    assert len(set(jobs.values())) == len(jobs) - 1
    assert all(0 <= seed < 2**32 for seed in jobs.values())
    assert jobs == {job.id: job.seed for job in select_jobs(entries, 1)}
    again = {job.id: job.seed for job in select_jobs(entries, 2)}
    assert not set(jobs.values()) & set(again.values())


def test_seed_does_not_depend_on_the_rest_of_the_list(tmp_path: Path) -> None:
    one, = select_jobs(read(tmp_path), 5, test="heads[tiny,length=128,lazy=true]#1")
    other = GOOD.replace("[default, tiny]", "[tiny]").replace("[64, 128]", "[128, 32]").replace("[true, false]", "[true]")
    same, = select_jobs(read(tmp_path, other), 5, test="heads[tiny,length=128,lazy=true]#1")
    assert one.seed == same.seed


@pytest.mark.parametrize(("options", "count", "first"), [
    ({"tags": ["nightly"]}, 3, "soak#0@verilator"),
    ({"tags": ["long"]}, 19, "heads[default,length=64,lazy=true]#0@verilator"),
    ({"tags": ["heads"]}, 18, "heads[default,length=64,lazy=true]#0@verilator"),
    ({"test": "heads"}, 16, "heads[default,length=64,lazy=true]#0@verilator"),     # an entry's name means that entry alone
    ({"test": "heads-o"}, 2, "heads-odd#0@icarus"),
    ({"test": "soak"}, 3, "soak#0@verilator"),
    ({"test": "tiny,length=64"}, 4, "heads[tiny,length=64,lazy=true]#0@verilator"),
    ({"test": "heads[*=128*]#1"}, 4, "heads[default,length=128,lazy=true]#1@verilator"),
    ({"test": "h*@icarus"}, 1, "heads-odd#0@icarus"),
    ({"test": "heads-odd#0@verilator"}, 1, "heads-odd#0@verilator"),
    ({"test": "heads-odd#0"}, 2, "heads-odd#0@icarus"),
    ({"test": "heads-odd#0", "sim": "icarus"}, 1, "heads-odd#0@icarus"),
    ({"test": "heads-odd#41@icarus"}, 1, "heads-odd#41@icarus"),                    # beyond the list's iterations
    ({"test": "soak#0@icarus"}, 1, "soak#0@icarus"),                                # and beyond its simulators
    ({"test": "heads", "tags": ["heads"], "iterations": 1}, 8, "heads[default,length=64,lazy=true]#0@verilator"),
    ({"sim": "icarus"}, 17, "heads[default,length=64,lazy=true]#0@icarus"),
    ({"iterations": 1}, 10, "heads[default,length=64,lazy=true]#0@verilator"),
])
def test_selection(options: dict, count: int, first: str, tmp_path: Path) -> None:
    jobs = select_jobs(read(tmp_path), 1, **options)
    assert (len(jobs), jobs[0].id) == (count, first)


@pytest.mark.parametrize(("options", "message"), [
    ({"tags": ["nihgtly"]}, "no entry has the tag 'nihgtly'; the tags are heads, long, nightly"),
    ({"test": "headz"}, "TEST = 'headz' fits no job; the nearest is 'heads"),
    ({"test": "x*"}, r"TEST = 'x\*' fits no job"),
    ({"test": "heads[tiny,length=65,lazy=true]#0"}, r"has no job .* for example 'heads\[tiny,length=64,lazy=true\]#0@verilator'"),
    ({"test": "heads-odd#0@abacus"}, "unknown simulator 'abacus'"),
    ({"test": "soak", "tags": ["heads"]}, "nothing is selected: no job fits both"),
    ({"sim": "abacus"}, "SIM = 'abacus' is unknown; use icarus or verilator"),
])
def test_wrong_selection_is_one_line(options: dict, message: str, tmp_path: Path) -> None:
    with pytest.raises(FcimError, match=message) as caught:
        select_jobs(read(tmp_path), 1, **options)
    assert "\n" not in str(caught.value)


def test_failed_jobs(tmp_path: Path) -> None:
    entries = read(tmp_path)
    found = failed_jobs(entries, ["heads-odd#0@agreement", "heads-odd#0@icarus", "soak#2@verilator"], 1)
    assert ids(found) == ["heads-odd#0@icarus", "heads-odd#0@verilator", "soak#2@verilator"]
    with pytest.raises(FcimError, match="is not in the list any more"):
        failed_jobs(entries, ["gone#0@icarus"], 1)


def test_long_jobs_first_and_the_estimate(tmp_path: Path) -> None:
    """Measured seconds go before the weight, the weight before what the entry's other jobs took."""
    jobs = select_jobs(read(tmp_path), 1, iterations=1, tags=["heads"])
    slow = "heads[tiny,length=128,lazy=false]#0@verilator"
    estimate = Estimate({slow: 20.0, "heads-odd#0@icarus": 1.0})
    order = ids(estimate.long_first(jobs))
    assert order[-1] == "heads-odd#0@icarus" and order[-2] == "heads-odd#0@verilator"
    assert estimate.seconds(jobs[0]) == 20 and estimate.seconds(jobs[-1]) == 7
    by_id = {job.id: job for job in jobs}
    assert estimate.left([by_id[slow]], [], 4) == 20
    assert estimate.left([], [(by_id[slow], 15.0)], 4) == 5
    assert estimate.left([by_id["heads-odd#0@verilator"]], [(by_id[slow], 30.0)], 1) == 7


def test_the_estimate_begins_with_what_the_repository_says_and_follows_the_run(tmp_path: Path) -> None:
    """What was recorded elsewhere is scaled by how this machine compares, and everything by how the jobs of this run go."""
    jobs = select_jobs(read(tmp_path), 1, iterations=1, tags=["heads"])
    recorded = {job.id: 50.0 for job in jobs}
    assert Estimate({}, recorded).left(jobs, [], 2) == 50 * len(jobs) / 2
    slower = Estimate({jobs[0].id: 10.0}, {**dict.fromkeys(recorded, 5.0)})
    assert slower.seconds(jobs[1]) == 10 and slower.seconds(jobs[0]) == 10
    estimate = Estimate({}, dict.fromkeys(recorded, 5.0))
    assert estimate.seconds(jobs[1]) == 5
    for job in jobs[:4]:
        estimate.learn(job, 10.0)
    assert estimate.seconds(jobs[0]) == 10 and estimate.seconds(jobs[5]) == 5 * 60 / 40
    unknown = Estimate({}, {"heads[tiny,length=1]#0@icarus": 3.0, "other#0@icarus": 9.0})
    assert unknown.seconds(jobs[0]) == 3 and Estimate({}).seconds(jobs[0]) == 10
