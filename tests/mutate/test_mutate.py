"""``make mutate``: which faults are tried by which benches, that outcomes are kept, how survivors are judged."""

from __future__ import annotations

import json
import subprocess
import sys
import zlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pytest
import yaml

from models.errors import FcimError
from scripts.flow.mutants import Mutant
from scripts.flow.sources import REPLACED, ROOT, rtl_files
from scripts.mutate import __main__ as command
from scripts.mutate.__main__ import difference, row, score
from scripts.mutate.choice import Bench, Design, chain, choose, digest, read_benches, read_design, read_verdicts
from scripts.mutate.run import ALIVE, INVALID, KILLED, Kept, Runner, Verdict, lay_out

COUNTERS = Bench("fcim_counters", ("tb/counters/test_counters.py::test_counters[4-16]",))
EXP2 = Bench("fcim_exp2", ("tb/exp2/test_exp2.py::test_exp2[3-10]",))


def silent(text: str, done: int, total: int) -> None:
    """Tells nobody."""


@pytest.fixture(scope="module")
def design() -> Design:
    names = ("core/fcim_counters.v", "softmax/fcim_exp2.v", "memory/fcim_ram.v")
    return read_design(files=[ROOT / "rtl" / name for name in names])


@pytest.fixture(scope="module")
def whole() -> Design:
    return read_design()


def test_the_lists_fit_the_rtl(whole: Design) -> None:
    benches = read_benches(whole)
    assert all(bench.nodes for bench in benches.values())
    read_verdicts(whole)
    ids = [m.id for mutants in whole.mutants.values() for m in mutants]
    assert len(ids) == len(set(ids)) and len(whole.files) == len(rtl_files())


def test_the_own_bench_comes_first(whole: Design) -> None:
    benches = {name: Bench(name, (name,)) for name in ("fcim_divider", "fcim_row_divider", "fcim_core")}
    assert [b.module for b in chain("fcim_divider", whole, benches)] == ["fcim_divider", "fcim_row_divider"]
    assert [b.module for b in chain("fcim_normalizer", whole, benches)] == ["fcim_core"]
    assert chain("fcim_accelerator", whole, benches) == []


def test_choice(design: Design) -> None:
    modules = list(design.files)
    few, more = choose(design, modules, 9, 1), choose(design, modules, 12, 1)
    assert more[:9] == few and len(set(more)) == 12
    assert {m: sum(x.module == m for x in few) for m in modules} == dict.fromkeys(modules, 3)
    assert len({m.operator for m in few if m.module == "fcim_exp2"}) == 3
    assert choose(design, modules, 12, 2) != more
    assert len(choose(design, modules, 10**6, 1)) == sum(map(len, design.mutants.values()))


class Fake:
    """Says of each folder what a table says of the mutant's id; the RTL as it is passes."""

    def __init__(self, said: dict[str, str]) -> None:
        self.said, self.asked = said, []

    def __call__(self, folder: Path, nodes: Sequence[str]) -> dict[str, str]:
        name = folder.name.split("-")[0]
        self.asked.append(name)
        assert name == "original" or [p for p in folder.rglob("*.v")]
        return {"outcome": self.said.get(name, "passed"), "test": nodes[0], "why": "why"}


def test_outcomes_are_kept(design: Design, tmp_path: Path) -> None:
    """A second run asks nothing, one with more only what is new; a half-written line is asked for again."""
    mutants = choose(design, ["fcim_counters"], 4, 1)
    said = {mutants[0].id: "failed", mutants[1].id: "invalid"}
    chains, results = {"fcim_counters": [COUNTERS]}, tmp_path / "results.jsonl"

    def run(number: int) -> tuple[list[str], list[str]]:
        fake = Fake(said)
        verdicts = Runner(design, tmp_path / "work", Kept(results), fake).run(mutants[:number], chains, 2, silent)
        return [v.state for v in verdicts], sorted(fake.asked)

    assert run(3) == ([KILLED, INVALID, ALIVE], sorted(["original", *(m.id for m in mutants[:3])]))
    assert run(3) == ([KILLED, INVALID, ALIVE], [])
    assert run(4) == ([KILLED, INVALID, ALIVE, ALIVE], [mutants[3].id])
    lines = results.read_text().splitlines()
    results.write_text("\n".join([*lines[:-1], lines[-1][:20]]))
    assert run(4)[1] == [mutants[3].id]


def test_the_next_bench_is_asked(design: Design, tmp_path: Path) -> None:
    mutant = choose(design, ["fcim_counters"], 1, 1)[0]
    said = iter(["passed", "passed", "passed", "failed"])
    runner = Runner(design, tmp_path, Kept(tmp_path / "kept"), lambda *_: {"outcome": next(said), "test": "t", "why": "w"})
    (verdict,) = runner.run([mutant], {"fcim_counters": [COUNTERS, EXP2]}, 1, silent)
    assert (verdict.state, verdict.by) == (KILLED, "fcim_exp2")


@pytest.mark.parametrize(("said", "text"), [("failed", "are red without a fault"), ("error", "are red without a fault")])
def test_a_bench_that_is_red_without_a_fault(said: str, text: str, design: Design, tmp_path: Path) -> None:
    runner = Runner(design, tmp_path, Kept(tmp_path / "kept"), Fake({"original": said}))
    with pytest.raises(FcimError, match=text):
        runner.run(choose(design, ["fcim_counters"], 2, 1), {"fcim_counters": [COUNTERS]}, 1, silent)


def test_what_could_not_be_run_is_no_verdict(design: Design, tmp_path: Path) -> None:
    (mutant,) = choose(design, ["fcim_counters"], 1, 1)
    runner = Runner(design, tmp_path, Kept(tmp_path / "kept"), Fake({mutant.id: "error"}))
    with pytest.raises(FcimError, match="could not be run on mutant"):
        runner.run([mutant], {"fcim_counters": [COUNTERS]}, 1, silent)
    assert mutant.id not in (tmp_path / "kept").read_text()


def test_the_digest_follows_what_the_bench_depends_on(design: Design, tmp_path: Path) -> None:
    copy = tmp_path / "fcim_counters.v"
    copy.write_text((ROOT / "rtl/core/fcim_counters.v").read_text())
    moved = Design({**design.files, "fcim_counters": copy}, design.mutants, design.below)
    first = digest(COUNTERS, moved)
    assert digest(COUNTERS, moved) == first and digest(Bench("fcim_counters", EXP2.nodes), moved) != first
    inner = Bench("fcim_ram", COUNTERS.nodes)   # asked for through a bench whose top is another module
    second = digest(inner, moved)
    copy.write_text(copy.read_text() + "\n")
    assert digest(COUNTERS, moved) != first and digest(inner, moved) != second


def by_hand(old: str, new: str) -> Mutant:
    text = (ROOT / "rtl/core/fcim_counters.v").read_text()
    assert text.count(old) == 1
    name = f"{zlib.crc32(new.encode()):08x}"
    return Mutant(name, "fcim_counters", "rtl/core/fcim_counters.v", "by hand", text.index(old), 1, old, new)


def test_end_to_end(design: Design, tmp_path: Path) -> None:
    """The real bench: a fault, a text that means the same, one that is no Verilog."""
    mutants = [by_hand("\n                        + {", "\n                        - {"), by_hand("!= 0) begin", "> 0) begin"),
               by_hand("!rst_n || clear", "!rst_n || nothing(")]
    runner = Runner(design, tmp_path / "work", Kept(tmp_path / "kept"))
    verdicts = runner.run(mutants, {"fcim_counters": [COUNTERS]}, 1, silent)
    assert [v.state for v in verdicts] == [KILLED, ALIVE, INVALID], verdicts
    assert "test_counters" in verdicts[0].why and verdicts[1].asked == COUNTERS.nodes
    kept = [json.loads(line)["outcome"] for line in (tmp_path / "kept").read_text().splitlines()]
    assert kept == ["passed", "failed", "passed", "invalid"] and not list((tmp_path / "work").iterdir())


def test_score(design: Design) -> None:
    mutants = choose(design, ["fcim_counters"], 5, 1)
    verdicts = [Verdict(mutants[0], KILLED, "fcim_counters"), Verdict(mutants[1], KILLED, "fcim_core"),
                Verdict(mutants[2], ALIVE), Verdict(mutants[3], ALIVE), Verdict(mutants[4], INVALID)]
    counts = row("fcim_counters", verdicts, {mutants[3].id: "reason"})
    assert list(counts.values()) == ["fcim_counters", 4, 1, 1, 1, 1] and score(counts) == 2 / 3
    assert score(row("none", [], {})) is None
    lines = difference(verdicts[0], design)
    signs = "".join(line[0] for line in lines)
    assert signs.strip("-+") == "" and signs.startswith("-") and signs.endswith("+")


def entry(mutant: Mutant, **other: object) -> dict[str, object]:
    return {"id": mutant.id, "module": mutant.module, "old": mutant.old, "new": mutant.new, "verdict": "equivalent",
            "reason": "the same"} | other


@pytest.mark.parametrize(("other", "text"), [
    ({}, None), ({"colour": 1}, "has other keys"), ({"id": "0123456789ab"}, "no mutant 0123456789ab any more"),
    ({"new": "x"}, "is another mutant"), ({"verdict": "fine"}, "must be equivalent"), ({"reason": " "}, "with a reason")])
def test_verdicts(other: dict[str, object], text: str | None, design: Design, tmp_path: Path) -> None:
    (mutant,) = choose(design, ["fcim_exp2"], 1, 1)
    file = tmp_path / "mutants.yaml"
    file.write_text(yaml.safe_dump([entry(mutant, **other)]))
    if text is None:
        assert read_verdicts(design, file) == {mutant.id: "the same"}
        return
    with pytest.raises(FcimError, match=text):
        read_verdicts(design, file)


@pytest.mark.parametrize(("content", "text"), [
    ({"fcim_nothing": []}, "is no module"), ({"fcim_exp2": ["tb/exp2/test_exp3.py::x"]}, "does not exist")])
def test_lists_of_benches(content: dict[str, list[str]], text: str, design: Design, tmp_path: Path) -> None:
    (tmp_path / "benches.yaml").write_text(yaml.safe_dump(content))
    with pytest.raises(FcimError, match=text):
        read_benches(design, tmp_path / "benches.yaml")


def test_files_that_stand_for_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The list with FCIM_RTL: what the folder holds is taken from there, all else from the project, in the same order."""
    before, name = rtl_files(), "rtl/core/fcim_counters.v"
    monkeypatch.setenv(REPLACED, str(tmp_path))
    assert rtl_files() == before
    lay_out(tmp_path, ROOT / name, name, "// nothing\n")
    assert rtl_files() == [tmp_path / name if path == ROOT / name else path for path in before]
    lay_out(tmp_path, ROOT / "rtl/softmax/fcim_exp2.v", "rtl/softmax/fcim_exp2.v", "// nothing\n")
    headers = {path.name for path in (ROOT / "rtl/softmax").glob("*.vh")}
    assert headers and headers <= {path.name for path in (tmp_path / "rtl/softmax").iterdir()}


def test_the_command(design: Design, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A survivor fails until it is judged, a noticed fault that is called equivalent fails as well; the reports say it."""
    mutants = choose(design, ["fcim_exp2"], 3, 5)
    fake = Fake({m.id: "failed" for m in mutants[:2]})
    file = tmp_path / "mutants.yaml"
    monkeypatch.setattr(command, "FOLDER", tmp_path / "mutate")
    monkeypatch.setattr(command, "Runner", partial(Runner, asked=fake))
    monkeypatch.setattr(command, "read_design", lambda: design)
    monkeypatch.setattr(command, "read_benches", lambda _: {"fcim_exp2": EXP2})
    monkeypatch.setattr(command, "read_verdicts", lambda of: read_verdicts(of, file))

    def run(*judged: Mutant) -> tuple[int, str, dict[str, object]]:
        file.write_text(yaml.safe_dump([entry(m) for m in judged]))
        code = command.main(["--mutants=3", "--seed=5", "--block=exp2"])
        return code, capsys.readouterr().out, json.loads((tmp_path / "mutate" / "report.json").read_text())

    code, out, report = run()
    assert code == 1 and f"alive: {mutants[2].id} rtl/softmax/fcim_exp2.v:{mutants[2].line}" in out
    assert "repeat: make mutate BLOCK=exp2 MUTANTS=3 SEED=5" in out and "FAIL: score 66.7%" in out
    assert [v["state"] for v in report["verdicts"]] == [KILLED, KILLED, ALIVE] and report["alive"][0]["id"] == mutants[2].id
    page = (tmp_path / "mutate" / "report.html").read_text()
    assert mutants[2].id in page and "66.7%" in page
    code, out, report = run(mutants[2])
    assert code == 0 and "PASS: score 100.0%" in out and report["alive"] == [] and fake.asked.count(mutants[2].id) == 1
    code, out, _ = run(mutants[0], mutants[2])
    assert code == 1 and f"says that {mutants[0].id} is equivalent, but" in out


def test_every_test_that_is_asked_is_there(whole: Design) -> None:
    nodes = sorted({node for bench in read_benches(whole).values() for node in bench.nodes})
    # a node that is not there makes pytest end with 4
    done = subprocess.run([sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *nodes], cwd=ROOT,
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
