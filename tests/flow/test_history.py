"""The history: what a run leaves, what is read of it, what changed, and what the command makes of it."""

from __future__ import annotations

import fcntl
import json
import re
import threading
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from models.errors import FcimError
from scripts import history
from scripts.coverage import run as coverage_run
from scripts.flow.history import page, store
from scripts.flow.history.changes import ABSENT, Group, StatusChange, compare, cycles_by_job, groups_of
from scripts.flow.history.store import COVERAGE, REGRESSION
from scripts.flow.regress.command import FOLDER
from scripts.flow.regress.record import FILE
from tests.flow.history_data import SELECTION, covered, job, made, written
from tests.flow.regress_lists import entry, load, regress, write_list


# ---- the file
def test_what_is_appended_is_read() -> None:
    run = made(3, {"a@icarus": job(cycles=12, sqnr=40.5, kinds="x"), "b@icarus": job("failed")}, coverage=covered(990, 1000))
    assert store.parse_line(json.dumps(run.as_json()).encode()) == run
    assert run.complete and run.failed == 1 and run.pass_rate == 50 and run.cycles == 12


def test_runs_are_read_in_the_order_of_their_dates(tmp_path: Path) -> None:
    """Also where another time zone makes the text of a later date smaller."""
    late = made(9, {"a@icarus": job()}, date="2026-05-09T23:30:00-05:00")      # the 10th in UTC
    path = written(tmp_path / "deep" / "h.jsonl", late, made(2, {"a@icarus": job()}),
                   made(10, {"a@icarus": job()}, date="2026-05-10T02:00:00+00:00"))
    runs, damaged = store.read(path)
    assert [run.when.day for run in runs] == [2, 10, 10] and runs[2] == late and damaged == []
    assert path.read_bytes().count(b"\n") == 3


BROKEN = {
    b'{"schema": 1, "kind"': "it is no JSON", b"\xff\xfe": "it is no text", b"[1, 2]": "the line is [1, 2]",
    b'{"schema": 2}': "it has schema 2, this version reads 1", b'{"schema": 1}': "kind is missing", b"{}": "schema is missing",
}
WRONG = {"kind": ("prayer", 'kind is "prayer"'), "date": ("yesterday", "yesterday"), "seconds": ("9", 'seconds is "9"'),
         "dirty": (0, "dirty is 0"), "jobs": ({"a": {"status": "fine"}}, 'a has the status "fine"'),
         "seed": (True, "seed is true"), "totals": ({"jobs": 2}, "passed is missing"),
         "coverage": ({"line": {"hit": 1}}, "total is missing")}


@pytest.mark.parametrize(("line", "why"), BROKEN.items(), ids=lambda x: x if isinstance(x, str) else "")
def test_a_damaged_line_is_named_and_left_out(line: bytes, why: str, tmp_path: Path) -> None:
    path = written(tmp_path / "h.jsonl", made(1, {"a@icarus": job()}))
    path.write_bytes(path.read_bytes() + line + b"\n\n")
    written(path, made(2, {"a@icarus": job()}))
    runs, damaged = store.read(path)
    assert [run.when.day for run in runs] == [1, 2]
    assert len(damaged) == 1 and damaged[0].startswith(f"line 2 of {path} is left out: {why}")


@pytest.mark.parametrize("key", WRONG)
def test_a_line_with_a_wrong_value_is_left_out(key: str) -> None:
    """Whatever of it is wrong, so that nothing that comes after has to doubt it."""
    value, why = WRONG[key]
    data = made(1, {"a@icarus": job()}).as_json() | {key: value}
    with pytest.raises(ValueError, match=re.escape(why)):
        store.parse_line(json.dumps(data).encode())
    data = made(1, {"a@icarus": job()}).as_json()
    del data[key]
    with pytest.raises(ValueError, match=f"{key} is missing"):
        store.parse_line(json.dumps(data).encode())


def test_no_number_and_no_zone_are_left_out() -> None:
    data = made(1, {"a@icarus": job()}).as_json()
    with pytest.raises(ValueError, match="NaN is no number"):
        store.parse_line(json.dumps(data | {"seconds": float("nan")}).encode())
    with pytest.raises(ValueError, match="date has no time zone"):
        store.parse_line(json.dumps(data | {"date": "2026-05-01T12:00:00"}).encode())


def test_a_line_that_was_cut_short_spoils_no_other(tmp_path: Path) -> None:
    """As a full disk or a power cut leaves it."""
    path = written(tmp_path / "h.jsonl", made(1, {"a@icarus": job()}), made(2, {"a@icarus": job()}))
    path.write_bytes(path.read_bytes()[:-40])
    written(path, made(3, {"a@icarus": job()}))
    runs, damaged = store.read(path)
    assert [run.when.day for run in runs] == [1, 3] and len(damaged) == 1 and "line 2 " in damaged[0]


def test_many_at_once_garble_nothing(tmp_path: Path) -> None:
    """Lines longer than any buffer, from threads with files of their own."""
    path = tmp_path / "h.jsonl"
    jobs = {f"job-{i}@icarus": job(cycles=i) for i in range(2000)}
    threads = [threading.Thread(target=written, args=(path, *(made(day, jobs, seed=day),) * 3)) for day in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    runs, damaged = store.read(path)
    assert damaged == [] and len(runs) == 24 and all(run.jobs == jobs for run in runs)
    assert sorted(run.seed for run in runs) == sorted([*range(1, 9)] * 3)


@pytest.mark.parametrize("do", ["append", "read"])
def test_who_comes_while_another_writes_waits(do: str, tmp_path: Path) -> None:
    """Neither a line into the middle of another one, nor half a line for a damaged one."""
    run = made(1, {"a@icarus": job()})
    path = written(tmp_path / "h.jsonl", run)
    line, seen = path.read_bytes(), []
    with path.open("ab", buffering=0) as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        other.write(line[:20])
        thread = threading.Thread(target=lambda: seen.append(written(path, run) if do == "append" else store.read(path)))
        thread.start()
        thread.join(0.3)
        assert not seen and path.read_bytes() == line + line[:20]
        other.write(line[20:])
    thread.join()
    assert store.read(path) == ([run] * (3 if do == "append" else 2), [])
    assert do == "append" or seen == [([run] * 2, [])]


def test_what_cannot_be_written_changes_nothing_but_a_line_of_warning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FcimError, match="choose another HISTORY"):
        store.append(tmp_path / "file" / "h.jsonl", made(1, {"a@icarus": job()}))
    path = write_list(tmp_path, entry("good", "pass"))
    done = regress(path, "--history", str(tmp_path / "h.jsonl"))
    assert done.returncode == 0 and f"history {tmp_path}/h.jsonl" in done.stdout
    (tmp_path / "h.jsonl").unlink()
    (tmp_path / "h.jsonl").symlink_to(tmp_path / "file" / "h.jsonl")
    done = regress(path, "--history", str(tmp_path / "h.jsonl"))
    assert done.returncode == 0 and "PASS: 1 of 1 jobs" in done.stdout and "history" not in done.stdout
    assert done.stderr.startswith("warning: the history ") and done.stderr.count("\n") == 1


def test_a_full_disk_leaves_the_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write that takes a part and then fails is taken back."""
    path = written(tmp_path / "h.jsonl", made(1, {"a@icarus": job()}))
    before, opened = path.read_bytes(), Path.open

    class Full:
        """A file whose disk is full after ten bytes."""

        def __init__(self, *given: Any, **more: Any) -> None:
            self.file, self.left = opened(*given, **more), 10

        def __enter__(self) -> Full:
            return self

        def __exit__(self, *_: object) -> None:
            self.file.close()

        def __getattr__(self, name: str) -> Any:
            return getattr(self.file, name)

        def write(self, data: bytes) -> int:
            if not self.left:
                raise OSError(28, "No space left on device")
            self.left, taken = 0, self.left
            return self.file.write(data[:taken])

    monkeypatch.setattr(Path, "open", lambda *given, **more: Full(*given, **more))
    with pytest.raises(FcimError, match="No space left on device"):
        store.append(path, made(2, {"a@icarus": job()}))
    monkeypatch.undo()
    assert path.read_bytes() == before


# ---- what changed
def test_broke_and_mended() -> None:
    before = made(1, {"a@v": job(), "b@v": job("failed"), "c@v": job(), "d@v": job(), "gone@v": job(), "e@v": job("timeout")})
    after = made(2, {"a@v": job("failed"), "b@v": job(), "c@v": job("skipped"), "d@v": job(), "new@v": job("timeout"),
                     "e@v": job("failed")})
    found = compare(before, after)
    assert found.broke == [("a@v", "passed", "failed"), ("new@v", ABSENT, "timeout")]
    assert found.mended == [("b@v", "failed", "passed")]
    assert found.moved == [("c@v", "passed", "skipped"), ("gone@v", "passed", ABSENT), ("e@v", "timeout", "failed")]
    assert "2 jobs broke, 1 was mended, 3 came, went or changed otherwise" in found.sentence()


def test_simulators_that_disagree_are_a_job_that_broke() -> None:
    """The pair stands in the record only where it failed."""
    agreed = made(1, {"a@icarus": job(), "a@verilator": job()})
    differ = made(2, {"a@icarus": job(), "a@verilator": job(), "a@agreement": job("failed")})
    assert compare(agreed, differ).broke == [StatusChange("a@agreement", "passed", "failed")]
    assert compare(differ, agreed).mended == [StatusChange("a@agreement", "failed", "passed")]
    assert differ.pass_rate == pytest.approx(100 * 2 / 3) and differ.failed == 1


def test_every_difference_of_cycles_is_shown_and_the_seed_beside_it() -> None:
    before = made(1, {"same@v": job(cycles=10**9), "one@v": job(cycles=10**9), "other@v": job(seed=1, cycles=5, rows=3),
                      "sqnr@v": job(cycles=4, sqnr=40.0), "words@v": job(**{"busy cycles": 4}), "failed@v": job("failed")})
    after = made(2, {"same@v": job(cycles=10**9), "one@v": job(cycles=10**9 + 1), "other@v": job(seed=2, cycles=6, rows=4),
                     "sqnr@v": job(sqnr=40.01), "words@v": job(**{"busy cycles": 5}), "failed@v": job("failed", cycles=9)})
    found = compare(before, after)
    assert found.cycles == [("one@v", "cycles", 10**9, 10**9 + 1, True), ("sqnr@v", "cycles", 4, None, True),
                            ("words@v", "busy cycles", 4, 5, True), ("other@v", "cycles", 5, 6, False)]
    assert found.figures == [("sqnr@v", "sqnr", 40.0, 40.01, True)]     # not those of another seed
    assert "4 counts of cycles differ (1 with another seed), 1 other figure differs" in found.sentence()


def test_twice_as_long() -> None:
    """Exactly twice counts; what starts in less than a second more does not, nor a job that failed."""
    before = made(1, {"a@v": job(seconds=2), "b@v": job(seconds=2), "c@v": job(seconds=0.1), "d@v": job(seconds=2)})
    after = made(2, {"a@v": job(seconds=4), "b@v": job(seconds=3.9), "c@v": job(seconds=1), "d@v": job("failed", seconds=99)})
    assert compare(before, after).slower == [("a@v", 2, 4)]


def test_coverage_and_surroundings() -> None:
    jobs = {"a@v": job()}
    before = made(1, jobs, kind=COVERAGE, coverage=covered(1000, 990))
    after = made(2, jobs, kind=COVERAGE, coverage=covered(1000, 989), versions={"verilator": "5.1"}, machine={"name": "rack"})
    found = compare(before, after)
    assert found.coverage == [("functional", 99.0, 98.9)]
    assert found.surroundings == [("commit", "01abcdef", "02abcdef"), ("machine", "desk", "rack"), ("verilator", "5.0", "5.1")]
    assert page.is_below(after, "functional") and not page.is_below(before, "functional")
    assert compare(before, before).sentence() == "nothing changed"


def test_only_runs_that_chose_the_same_are_compared() -> None:
    """And only those that came to their end."""
    jobs = {"a@v": job()}
    smoke, one = SELECTION | {"tags": ["smoke"]}, SELECTION | {"test": "heads"}
    runs = [made(1, jobs), made(2, jobs, selection=smoke), made(3, {"a@v": job("failed")}, selection=one), made(4, jobs),
            made(5, jobs, kind=COVERAGE, coverage=covered(1, 1)), made(6, {"a@v": job(), "b@v": job("not run")}),
            made(7, jobs, list="tb/other.yaml")]
    groups = groups_of(runs)
    assert [(group.name, [run.when.day for run in group.runs]) for group in groups] == [
        ("regression, whole", [7]), ("regression, whole", [6, 4, 1]), ("coverage, whole", [5]),
        ("regression TAGS=smoke", [2]), ("regression TEST=heads", [3])]
    changes = groups[1].changes
    assert changes is not None and (changes.before.when.day, changes.after.when.day) == (1, 4)
    assert groups[0].changes is None and groups[2].changes is None


# ---- the page
def history_of_three(path: Path) -> Path:
    """Two that may be compared, and one that was broken off."""
    return written(
        path, made(1, {"a[x=1]@v": job(cycles=100), "b@v": job("failed"), "s@v": job("skipped")}),
        made(2, {"a[x=1]@v": job(cycles=101), "b@v": job(), "<b>@v": job("failed"), "s@v": job("skipped")}, dirty=True),
        made(3, {"a[x=1]@v": job(cycles=7), "b@v": job("not run")}))


def test_the_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Newest first, escaped, without a script or anything from elsewhere; its pictures are well-formed and in their frames."""
    path = history_of_three(tmp_path / "h.jsonl")
    assert history.main(["--history", str(path), "--out", str(tmp_path)]) == 0
    text = (tmp_path / "index.html").read_text()
    assert "<script" not in text and "http" not in text and "&lt;b&gt;@v" in text and "<b>@v" not in text
    assert text.index("2026-05-03 12:00</td>") < text.index("2026-05-02 12:00</td>") < text.index("2026-05-01 12:00</td>")
    assert "66.6 %" in text and "+1 (+1.00 %)" in text and ">02abcdef+<" in text
    pictures = [ElementTree.fromstring(svg) for svg in re.findall(r"<svg.*?</svg>", text, re.DOTALL)]
    assert len(pictures) == 3       # passed, time, cycles: no coverage
    for picture in pictures:
        points = [(float(p.get("cx", "")), float(p.get("cy", ""))) for p in picture.iter("circle")]
        assert len(points) == 2 and all(0 < x < page.WIDTH and 0 < y < page.HEIGHT for x, y in points)
    printed = capsys.readouterr().out
    assert "since 01abcdef (2026-05-01 12:00): 1 job broke, 1 was mended, 1 count of cycles differs" in printed
    for line in (f"  broke    <b>@v: {ABSENT}, now failed", "  mended   b@v", "  cycles   a[x=1]@v: 100, now 101"):
        assert line in printed.splitlines()
    assert printed.rstrip().endswith(f"report: {tmp_path}/index.html")


def test_the_summary(tmp_path: Path) -> None:
    path = history_of_three(tmp_path / "h.jsonl")
    assert history.main(["--history", str(path), "--out", str(tmp_path)]) == 0
    (group,) = json.loads((tmp_path / "history.json").read_text())["groups"]
    assert [(run["date"][8:10], run["complete"], run["cycles"]) for run in group["runs"]] == [
        ("03", False, 7), ("02", True, 101), ("01", True, 100)]
    assert [run["pass_rate"] for run in group["runs"]] == pytest.approx([50, 200 / 3, 50])
    assert group["changes"]["cycles"] == [
        {"job": "a[x=1]@v", "name": "cycles", "before": 100, "after": 101, "same_seed": True}]
    assert group["changes"]["mended"] == [{"job": "b@v", "before": "failed", "after": "passed"}]


def test_coverage_is_drawn_by_kind(tmp_path: Path) -> None:
    runs = [made(day, {"a@v": job()}, kind=COVERAGE, coverage=covered(990 + day, 1000)) for day in range(1, 10)]
    plot = next(plot for plot in page.plots(Group(runs[::-1])) if plot.title == "Coverage")
    assert [name for name, _ in plot.coloured()] == ["line", "functional"]
    assert [y for _, y, _ in plot.points("line")] == sorted((y for _, y, _ in plot.points("line")), reverse=True)
    assert plot.points("functional")[0][1] == page.TOP and "line 99.1 %" in plot.points("line")[0][2]
    assert len(plot.commits()) <= page.COMMITS and plot.commits()[0][1] == "09abcdef"
    text = page.render_page(groups_of(runs), [], "h.jsonl")
    assert '<th class="num">functional</th>' in text and "998 of 1,000" in text and "997 of 1,000" not in text


def test_cycles_of_the_last_runs() -> None:
    """Jobs whose count is always the same are left out, and so are runs before the last few and those that were broken off."""
    runs = [made(1, {"old@v": job(cycles=1)}), made(2, {"a@v": job(cycles=3), "b@v": job(cycles=9), "old@v": job(cycles=2)}),
            made(3, {"c@v": job("not run")}), made(4, {"a@v": job(cycles=4), "b@v": job(cycles=9)})]
    shown, found = cycles_by_job(Group(runs[::-1]), 2)
    assert [run.when.day for run in shown] == [2, 4] and found == {"a@v": [3, 4]}


@pytest.mark.parametrize(("before", "after", "text"), [
    (100, 101, "+1 (+1.00 %)"), (10**9, 10**9 - 1, "-1"), (0, 5, "+5"), (40.5, 40.25, "-0.25 (-0.62 %)"),
    (None, 5, ""), ("a", 5, "")])
def test_steps(before: Any, after: Any, text: str) -> None:
    """Exact, and in percent where that says something."""
    assert page.step(before, after) == text


@pytest.mark.parametrize(("low", "high", "steps", "marks"), [
    (0, 1, (), [0, 0.5, 1]), (99.6, 100, (), [99.6, 99.7, 99.8, 99.9, 100]), (0, 100, (), [0, 50, 100]),
    (0, 3500, page.SECONDS, [0, 900, 1800, 2700, 3600]), (0, 4e12, (), [0, 1e12, 2e12, 3e12, 4e12]), (5, 5, (), [5])])
def test_marks_of_an_axis(low: float, high: float, steps: tuple[int, ...], marks: list[float]) -> None:
    assert page.ticks(low, high, steps) == marks


def test_damage_is_told_and_the_rest_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = history_of_three(tmp_path / "h.jsonl")
    path.write_bytes(b"<rubbish>\n" + path.read_bytes())
    assert history.main(["--history", str(path), "--out", str(tmp_path)]) == 0
    said = f"line 1 of {path} is left out: it is no JSON: Expecting value"
    assert capsys.readouterr().err == f"warning: {said}\n"
    assert said in (tmp_path / "index.html").read_text()
    assert json.loads((tmp_path / "history.json").read_text())["left_out"] == [said]


@pytest.mark.parametrize(("text", "said"), [(None, "there is no history {}"), ("", "{} tells of no run")])
def test_without_a_history(text: str | None, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "h.jsonl"
    if text is not None:
        path.write_text(text)
    assert history.main(["--history", str(path), "--out", str(tmp_path / "out")]) == 1
    out, err = capsys.readouterr()
    assert err == f"error: {said.format(path)}; each make regress and make coverage adds a line to it\n"
    assert out == "" and not (tmp_path / "out").exists()


# ---- real runs
def test_real_regressions(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two jobs, then the same with one that fails; a part, a rerun and a list without HISTORY are no such runs."""
    path, file = write_list(tmp_path, entry("one", "pass"), entry("two", "pass")), tmp_path / "h.jsonl"
    given = ("--seed", "5", "--history", str(file))
    assert regress(path, *given).returncode == 0
    record = load(path)
    ((first,), damaged) = store.read(file)
    assert damaged == [] and first.kind == REGRESSION and first.complete and first.passed and first.seed == 5
    assert (first.commit, first.dirty) == (record["git"]["revision"], record["git"]["dirty"])
    assert first.seconds == record["wall_seconds"] and first.selection == SELECTION and first.workers == 4
    assert first.machine == store.machine() and first.versions == record["versions"] and first.date == record["started"]
    for told in record["jobs"]:
        result = first.jobs[told["id"]]
        assert result.metrics == told["metrics"] and result.metrics["seed"] == result.seed == told["seed"]
        assert (result.status, result.seconds, result.cpu_seconds) == (told["status"], told["seconds"], told["cpu_seconds"])
    write_list(tmp_path, entry("one", "pass"), entry("two", "fail"))
    assert regress(path, *given).returncode == 1
    assert regress(path, "--rerun", "--history", str(file)).returncode == 1
    assert regress(path, "--test", "one").returncode == 0
    assert len(store.read(file)[0]) == 2
    assert regress(path, "--test", "one", *given).returncode == 0
    assert history.main(["--history", str(file), "--out", str(tmp_path / "page")]) == 0
    printed = capsys.readouterr().out
    assert "regression TEST=one" in printed and "1 job broke, 1 came, went or changed otherwise" in printed
    assert f"  broke    two[do=fail]#0@icarus: {ABSENT}, now failed" in printed.splitlines()


def test_a_run_of_which_nothing_ended_leaves_no_line(tmp_path: Path) -> None:
    path = write_list(tmp_path, entry("one", "pass"))
    assert regress(path).returncode == 0
    record = coverage_run.load_record(path.parent / "out" / FILE)
    for left in record.jobs:
        left.status = "not run"
    assert not store.remember(tmp_path / "h.jsonl", record) and not (tmp_path / "h.jsonl").exists()


def test_a_coverage_run_is_one_line_with_its_coverage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The jobs' own run adds none; where no report is made, the line has no coverage."""
    path, file = write_list(tmp_path, entry("one", "pass", tags=["coverage"])), tmp_path / "h.jsonl"

    def report(*_: object, **__: object) -> bool:
        (tmp_path / "cov" / "coverage.json").write_text(json.dumps({"totals": covered(991, 1000)}))
        return True

    monkeypatch.setattr(coverage_run, "report", report)
    words = ["--file", str(path), "--out", str(tmp_path / "cov"), "--history", str(file), "--seed", "3", "--jobs", "1"]
    assert coverage_run.main(words) == 1            # the job left no data
    monkeypatch.setattr(coverage_run, "COVER_SUFFIX", "")
    monkeypatch.setattr(coverage_run, "regress", _with_data(tmp_path / "cov" / "data", coverage_run.regress))
    assert coverage_run.main(words) == 0
    (bare, full), _ = store.read(file)
    assert bare.kind == full.kind == COVERAGE and bare.coverage is None and full.coverage == covered(991, 1000)
    assert full.selection["tags"] == ["coverage"] and full.jobs["one[do=pass]#0@icarus"].status == "passed"


def _with_data(folder: Path, regress_: Any) -> Any:
    """The regression, which leaves a file of data besides."""
    def run(words: list[str]) -> int:
        code = regress_(words)
        (folder / "bench_x-0-0.dat").write_text("")
        return code

    return run


def test_which_file_it_is(tmp_path: Path) -> None:
    """The project's own list has one by itself; others, such as those of tests, only where HISTORY says so."""
    assert store.place(None, True) == store.FILE == FOLDER.parent / "history.jsonl"
    assert store.place(None, False) is None
    assert store.place(str(tmp_path / "x"), False) == store.place(str(tmp_path / "x"), True) == tmp_path / "x"
