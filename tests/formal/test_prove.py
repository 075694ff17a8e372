"""Proofs: what is false is shown with a trace, what cannot be decided is not called proven, and wrong lists are seen."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from models.errors import FcimError
from scripts.flow import proofs as listed
from scripts.flow.proofs import LIST, Proof, chosen, load_proofs
from scripts.flow.sources import ROOT
from scripts.prove import __main__ as command
from scripts.prove import solve
from scripts.prove.solve import FAILED, OPEN, PROVEN, prove
from tb.common.mutation import faulty_sources

FIFO = load_proofs()["fifo"]
HELD = next(statement for statement in FIFO.properties if statement.name == "held")


def test_what_is_proven_is_kept_until_something_changes(tmp_path: Path) -> None:
    first = prove(FIFO, tmp_path)
    assert first.state == PROVEN and set(first.covers) == set(FIFO.covers) and not first.why + first.trace
    kept = tmp_path / "verdict.json"
    data = json.loads(kept.read_text())
    kept.write_text(json.dumps({**data, "seconds": 12345.0}))
    assert prove(FIFO, tmp_path).seconds == 12345.0
    other = replace(FIFO, parameters={**FIFO.parameters, "WORDS": 1})
    assert prove(other, tmp_path).seconds < 12345.0


@pytest.mark.parametrize("words", [1, 2, 8])
def test_a_fifo_of_other_sizes(words: int, tmp_path: Path) -> None:
    """One word alone cannot be full of others: there the second cover is out of reach, and that is said."""
    verdict = prove(replace(FIFO, parameters={"WORDS": words, "WIDTH": 3}, depth=words + 5), tmp_path)
    assert verdict.state == (PROVEN if words > 1 else OPEN), verdict.why
    assert words > 1 or verdict.why.startswith("cover followed_leaves is not reached in 6 cycles: The beat that is followed")


def test_a_fault_is_shown_with_its_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    """Exit code 1, one line that names the property, a waveform, and the same in the report."""
    sources = faulty_sources(tmp_path, [HELD.mutant])
    bounded = replace(FIFO, induction=0)
    monkeypatch.setattr(command, "FOLDER", tmp_path / "out")
    monkeypatch.setattr(command, "load_proofs", lambda: {"fifo": bounded})
    monkeypatch.setattr(command, "prove", lambda proof, folder: prove(proof, folder, sources))
    monkeypatch.setattr("sys.argv", ["make", "--block=fifo", "--jobs=1"])
    assert command.main() == 1
    trace = tmp_path / "out" / "fifo" / solve.TRACE
    said = capsys.readouterr().out
    assert f"in cycle 4: {HELD.says}; {trace}" in said and "FAIL: " in said and "failed" in said
    text = trace.read_text()
    assert "$enddefinitions" in text and "m_valid" in text and "rd_q" in text
    report = json.loads((tmp_path / "out" / command.REPORT).read_text())
    block, = report["blocks"]
    assert report["verdict"] == "FAIL" and block["state"] == FAILED and block["trace"] == str(trace)
    assert block["properties"]["held"] == HELD.says and block["module"] == "fcim_fifo"


def test_the_command_on_a_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    monkeypatch.setattr(command, "FOLDER", tmp_path)
    monkeypatch.setattr("sys.argv", ["make", "--block=fcim_fifo"])
    assert command.main() == 0
    report = json.loads((tmp_path / command.REPORT).read_text())
    assert report["verdict"] == "PASS" and report["command"] == "make prove BLOCK=fcim_fifo"
    assert [block["name"] for block in report["blocks"]] == ["fifo"] and "PASS: " in capsys.readouterr().out


def with_statements(monkeypatch: pytest.MonkeyPatch, folder: Path, *changes: tuple[str, str]) -> None:
    """The fifo's statements, changed."""
    text = (listed.FOLDER / "fcim_fifo_props.v").read_text()
    for old, new in changes:
        assert text.count(old) == 1
        text = text.replace(old, new)
    folder.mkdir()
    (folder / "fcim_fifo_props.v").write_text(text)
    others = [path for path in listed.proof_files() if path.name in ("fcim_watch.v", "fcim_held.v")]
    monkeypatch.setattr(solve, "proof_files", lambda: [*others, folder / "fcim_fifo_props.v"])


def test_an_induction_that_does_not_close_is_not_proven(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the lemma that ties the count to the register a state that cannot be reached seems possible."""
    with_statements(monkeypatch, tmp_path / "formal",
                    ("lemma_count:   assert (dut.inside_q == count && count <= WORDS);", ""))
    verdict = prove(FIFO, tmp_path / "fifo")
    assert verdict.state == OPEN and verdict.why.endswith("good cycles, which need not be possible; add a lemma")
    assert verdict.trace.endswith(solve.GAP) and (tmp_path / "fifo" / solve.GAP).is_file()
    assert not (tmp_path / "fifo" / "verdict.json").exists()


def test_assumptions_that_contradict_one_another_prove_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is asserted holds then; that no cover is reached gives it away."""
    with_statements(monkeypatch, tmp_path / "formal", ("reset_first: assume (!rst_n);", "reset_first: assume (rst_n && !rst_n);"))
    verdict = prove(FIFO, tmp_path / "fifo")
    assert verdict.state == OPEN and ("cover " in verdict.why or "contradict" in verdict.why)


@pytest.mark.parametrize(("old", "new", "message"), [
    ("order:    assert", "ordered:  assert", "fifo: assert order, ordered: in formal/fcim_fifo_props.v or in formal/proofs.yaml"),
    ("reset_first: assume", "first: assume", "fifo: assume first, reset_first: in formal"),
    ("full_and_followed: cover", "full: cover", "fifo: cover full, full_and_followed: in formal"),
    ("dut.u_words.word_q[place]", "dut.u_words.words_q[place]", "fifo cannot be read for a proof; yosys says: "),
])
def test_labels_and_list_must_agree(old: str, new: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_statements(monkeypatch, tmp_path / "formal", (old, new))
    with pytest.raises(FcimError, match=message):
        prove(FIFO, tmp_path / "fifo")


# ---- the list
def test_every_file_of_statements_is_in_the_list() -> None:
    tops = {path.stem for path in listed.proof_files() if path.stem.endswith(listed.SUFFIX)}
    assert tops == {proof.top for proof in load_proofs().values()}
    assert all((ROOT / statement.mutant[0]).is_file() for proof in load_proofs().values() for statement in proof.properties)


@pytest.mark.parametrize(("old", "new", "message"), [
    ("  depth: 10\n", "", "proof 'fifo' must have the keys parameters, depth, assumes, properties, covers, may have induction"),
    ("  depth: 10\n", "  depth: 10\n  deep: 1\n", "proof 'fifo' must have the keys"),
    ("  depth: 10\n", "  depth: ten\n", "depth must be a whole number"),
    ("  depth: 10\n", "  depth: 10\n  of: 1\n", "of must be the name of a block"),
    ("  depth: 10\n", "  depth: 1\n", "induction must be a whole number from 0, depth a greater one"),
    ("    is_empty:\n      says:", "    is_empty:\n      words:", "property 'is_empty' must have the keys says and mutant"),
    ("exactly while no beat is inside.", "exactly while no beat is inside", "a sentence that ends with a full stop"),
    ('".rd_address(rd_q)", ".rd_address(wr_q)"]', '".rd_address(rd_q)"]', "mutant must be three texts"),
    ("apart: [m_valid, m_ready, s_valid]", "apart: [m_valid]", "apart must be a list of nets"),
    ("parameters: {WORDS: 5, WIDTH: 8}", "parameters: {WORDS: five}", "parameters that are whole numbers"),
    ("fifo:\n", "fifo: [\n", "is not valid YAML"),
])
def test_a_malformed_list_is_one_line(old: str, new: str, message: str, tmp_path: Path) -> None:
    text = LIST.read_text()
    assert text.count(old) >= 1
    path = tmp_path / "proofs.yaml"
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(FcimError, match=message) as caught:
        load_proofs(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("names", "found"), [(["fifo"], ["fifo"]), (["fcim_fifo", "fifo"], ["fifo"])])
def test_blocks_are_chosen_by_name(names: Sequence[str], found: Sequence[str]) -> None:
    proofs: dict[str, Proof] = load_proofs()
    assert [proof.name for proof in chosen(names, proofs)] == found and chosen([], proofs) == list(proofs.values())
    with pytest.raises(FcimError, match="BLOCK = 'fif' has no proof; use "):
        chosen(["fif"], proofs)


def test_what_is_missing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(solve, "PACKAGES", ("no-such-package-at-all",))
    with pytest.raises(FcimError, match="no-such-package-at-all, which proofs need, is not installed; type: make setup"):
        solve.require()
