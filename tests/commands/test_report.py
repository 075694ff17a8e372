"""The report: its verdict, its JSON against the documentation, its page, its table, its files."""

from __future__ import annotations

import base64
import io
import json
import re
from dataclasses import asdict, replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
import torch

from models.errors import FcimError
from models.hardware.config import load_config
from models.hardware.interface import COUNTER_INFO
from models.quality.bounds import BoundCheck, Cause
from models.quality.metrics import compare
from scripts.flow.tool_versions import git_state, tool_versions
from scripts.sim import figures
from scripts.sim.figures import HeadPicture, WrongPicture, head_picture, shrink
from scripts.sim.record import HeadRow, PhaseRun, SimRecord, WrongValue, load_record
from scripts.sim.report import reported, write_report
from scripts.sim.table import failures, print_table
from tests.commands.report_schema import check_schema

VOID = {"meta", "img", "br", "hr", "link"}
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def drawn() -> None:
    """Asked for by tests that are about pictures."""


@pytest.fixture(autouse=True)
def quick_pictures(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Elsewhere a picture is no picture, since to draw the many of a page takes seconds."""
    if "drawn" not in request.fixturenames:
        monkeypatch.setattr(figures, "as_png", lambda figure: PNG)


def made_up(layers: int = 2, groups: int = 2, tokens: int = 48) -> tuple[SimRecord, list[HeadPicture]]:
    """A record that passes, and a picture per layer, from random tensors."""
    g = torch.Generator().manual_seed(0)
    heads, runs, pictures = [], [], []
    for layer in range(layers):
        for phase, queries in (("prefill", tokens), ("decode", 1)):
            for kv in range(groups):
                run = PhaseRun(f"L{layer} KV{kv} {phase}", layer, kv, phase, [f"L{layer}H{2 * kv + i}" for i in range(2)], 2,
                               3200 + 17 * kv, 3072, {"cycles": 3200 + 17 * kv, "rescaled_rows": 12, "saturations": 0},
                               {"cycles": 3200 + 17 * kv, "rescaled_rows": 12})
                runs.append(run)
                for name in run.heads:
                    reference = torch.randn(queries, 32, generator=g)
                    out = reference + 0.01 * torch.randn(queries, 32, generator=g)
                    metrics = compare(out, reference)
                    heads.append(HeadRow(name, run.name, layer, phase, queries, tokens, out.numel(), 0, metrics,
                                         metrics.sqnr_db + 0.02, metrics.sqnr_db + 0.01, 80.0, 0, False))
                    if phase == "prefill" and name == f"L{layer}H0":
                        q, k = torch.randn(2, tokens, 32, generator=g)
                        pictures.append(head_picture(name, layer, q, k, 32**-0.5, out, reference))
    checks = [BoundCheck(f"SQNR of {h.name} (dB)", h.metrics.sqnr_db, h.quantised_sqnr_db - 0.3) for h in heads]
    record = SimRecord(
        command="make sim SEED=7 CONFIG=tiny", seed=7, simulator="icarus", config={"name": "tiny", "rows": 16}, tau=0,
        schedule="natural", fused=False, skip=False, octaves=0, smooth_k=True, balance=True, rotate=False, v_mult=True,
        fit_scales=False, source={"kind": "made up <b>", "layers": [0, 1]}, heads=heads,
        runs=runs, checks=checks, versions={"python": "3"}, git={"revision": "0" * 40, "dirty": True},
        started="2025-01-01T00:00:00Z", wall_seconds=1.5)
    return record, pictures


def broken(kind: str) -> tuple[SimRecord, str]:
    """A record with one thing wrong, and what must be said about it."""
    record, _ = made_up(layers=1)
    if kind == "mismatch":
        record.heads[3] = replace(record.heads[3], mismatches=5)
        record.wrong_values = [WrongValue(record.heads[3].run, record.heads[3].name, 1, 7, d, 21, 345, d, 0) for d in range(5)]
        return record, f"{record.heads[3].name} prefill: 5 of {record.heads[3].elements:,} values differ"
    if kind == "counter":
        record.runs[1] = replace(record.runs[1], predicted={"cycles": 3000})
        return record, "counter cycles is 3,217, predicted 3,000"
    if kind == "bound":
        record.heads[2] = replace(record.heads[2], outside=True)     # of two kinds the worse one decides
        record.checks[2] = replace(record.checks[2], value=record.checks[2].limit - 0.1)
        return record, record.checks[2].name
    record.problems.append("the engine reported a wrong number of values")
    return record, record.problems[0]


class Balance(HTMLParser):
    """Fails on tags that are not closed in order; collects text and attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text: list[str] = []
        self.sources: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)
        self.sources += [value or "" for name, value in attrs if name in ("src", "href")]

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop() == tag, tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def parse(path: Path) -> Balance:
    page = Balance()
    page.feed(path.read_text())
    page.close()
    assert page.open == []
    return page


def test_json_has_exactly_the_documented_keys() -> None:
    record, _ = broken("mismatch")
    record.heads[0] = replace(record.heads[0], causes=[Cause("TAU", 1.0, "use a smaller TAU")])
    record.config, record.git = asdict(load_config("tiny")), git_state()
    check_schema(json.loads(record.to_json()))


def test_json_round_trip(tmp_path: Path) -> None:
    record, _ = made_up()
    record.heads[0] = replace(record.heads[0], metrics=replace(record.heads[0].metrics, sqnr_db=float("-inf")))
    record.heads[1] = replace(record.heads[1], quantised_sqnr_db=float("inf"))
    path, _ = write_report(record, folder=tmp_path)
    assert json.loads(path.read_text())["heads"][0]["sqnr_db"] == "-inf"
    assert load_record(path) == record


def test_a_good_record_passes(tmp_path: Path) -> None:
    record, pictures = made_up()
    assert record.passed and record.verdict().startswith("PASS: 0 of ") and failures(record) == []
    _, html = write_report(record, pictures, tmp_path)
    text = " ".join(parse(html).text)
    assert "PASS" in text and "FAIL" not in text


@pytest.mark.parametrize(("kind", "verdict", "code"), [("mismatch", "FAIL", 1), ("counter", "FAIL", 1), ("problem", "FAIL", 1),
                                                       ("bound", "INACCURATE", 3)])
def test_anything_wrong_is_named_and_has_its_verdict(kind: str, verdict: str, code: int, tmp_path: Path) -> None:
    record, said = broken(kind)
    assert not record.passed and record.exit_code == code
    json_path, html = write_report(record, folder=tmp_path)
    data = json.loads(json_path.read_text())
    assert data["passed"] is False and data["verdict_kind"] == verdict and data["verdict"].startswith(f"{verdict}: ")
    text = " ".join(parse(html).text)
    assert verdict in text and "PASS" not in text and said in text and record.explanation() in text
    out = io.StringIO()
    print_table(record, out)
    assert f"{verdict}: " in out.getvalue() and said in out.getvalue()


def test_input_out_of_range_is_said_and_is_no_failure(tmp_path: Path) -> None:
    record, _ = made_up(layers=1)
    cause = Cause("saturations", 2.5, "9 visible scores were clamped: scale Q or K down")
    for i in (1, 2):
        record.heads[i] = replace(record.heads[i], outside=True, saturations=9, causes=[cause])
    assert record.passed and record.exit_code == 0 and record.verdict_kind == "OUTSIDE"
    assert "2 of 8 heads are outside" in record.verdict()
    out = io.StringIO()
    print_table(record, out)
    text = " ".join(parse(write_report(record, folder=tmp_path)[1]).text)
    for shown in (out.getvalue(), text):
        assert "OUTSIDE" in shown and "FAIL" not in shown and record.explanation() in shown
        assert f"saturations (costs {record.heads[2].name} prefill 2.50 dB, and one more head): {cause.text}" in shown


def test_wrong_values_are_listed_and_drawn(tmp_path: Path, drawn: None) -> None:
    """On the page all of the list and a picture; in the terminal the first ten and how many there are."""
    record, _ = made_up(layers=1)
    record.heads[0] = replace(record.heads[0], mismatches=230)
    record.wrong_values = [WrongValue(record.heads[0].run, "L0H0", 3, 9, d, 41, 1234, 100 + d, 99) for d in range(100)]
    wrong = torch.zeros(48, 32, dtype=torch.bool)
    wrong[41] = True
    page = parse(write_report(record, (), tmp_path, [WrongPicture("L0H0, prefill", 0, wrong)])[1])
    text = " ".join(page.text)
    assert "The first of each run, 100 of 230." in text and text.count("1,234") >= 100 and len(page.sources) == 5
    lines = failures(record)
    assert lines[1] == (f"  L0H0, token 41: tile 3, row 9, channel 0, out in cycle 1,234: got 100, expected 99 "
                        f"({record.runs[0].name})")
    assert sum("got 1" in line for line in lines) == 10 and "230 in all; the report lists 100 of them" in lines[11]


def test_counters_show_units_predictions_and_every_run(tmp_path: Path) -> None:
    record, _ = made_up(layers=4)
    text = " ".join(parse(write_report(record, folder=tmp_path)[1]).text)
    assert len(record.runs) == 16 and all(f"{run.name}" in text for run in record.runs)
    total = sum(run.counters["cycles"] for run in record.runs)
    assert text.count(f"{total:,}") >= 2, "sum and prediction side by side"
    assert f"cycles {COUNTER_INFO['cycles'].counts}" in text and "not lost time by itself" in COUNTER_INFO["stall_softmax"].counts


def test_the_report_is_of_the_run_that_wrote_last(tmp_path: Path) -> None:
    """A run that is under way replaces an older report; one that is stopped says by what; a refused one leaves nothing new."""
    with pytest.raises(FcimError), reported(made_up()[0], tmp_path / "new"):
        raise FcimError("TENSORS holds NaN")
    assert not (tmp_path / "new").exists()
    write_report(made_up()[0], folder=tmp_path)
    later = replace(made_up()[0], run="later", heads=[], runs=[], checks=[])
    with pytest.raises(FcimError), reported(later, tmp_path):
        text = " ".join(parse(tmp_path / "report.html").text)
        assert "RUNNING" in text and "PASS" not in text and load_record(tmp_path / "report.json").state == "running"
        raise FcimError("TENSORS holds NaN")
    text = " ".join(parse(tmp_path / "report.html").text)
    assert "STOPPED" in text and "TENSORS holds NaN" in text and "PASS" not in text
    assert load_record(tmp_path / "report.json").verdict() == "STOPPED: TENSORS holds NaN"
    with pytest.raises(KeyboardInterrupt), reported(replace(later, run="third"), tmp_path):
        write_report(made_up()[0], folder=tmp_path)     # another run ends meanwhile
        raise KeyboardInterrupt
    assert load_record(tmp_path / "report.json").passed


def test_nothing_simulated_is_a_fail(tmp_path: Path) -> None:
    record, _ = made_up()
    record.heads, record.runs, record.checks = [], [], []
    assert not record.passed and "no head was simulated" in record.verdict()
    parse(write_report(record, folder=tmp_path)[1])


def test_page_is_whole_and_needs_no_network(tmp_path: Path, drawn: None) -> None:
    record, pictures = made_up()
    page = parse(write_report(record, pictures, tmp_path)[1])
    text = " ".join(page.text)
    for head in record.heads:
        assert head.name in text
    for fact in (record.command, "made up <b>", "Repeat this run", "0" * 40, "with uncommitted changes"):
        assert fact in text, fact
    assert len(page.sources) == len(pictures) + 4, "a picture per layer and two charts per phase"
    for source in page.sources:
        kind, _, data = source.partition(",")
        assert kind == "data:image/png;base64" and base64.b64decode(data, validate=True).startswith(PNG) and len(data) > 1000


@pytest.mark.parametrize("case", ["perfect", "useless", "one token"])
def test_extreme_heads_can_be_drawn(case: str, tmp_path: Path, drawn: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "DPI", 40)
    record, pictures = made_up(layers=1, groups=1, tokens=1 if case == "one token" else 8)
    for i, head in enumerate(record.heads):
        reference = torch.zeros(4, 8) if case == "useless" else torch.ones(4, 8)
        if case != "one token":
            record.heads[i] = replace(head, metrics=compare(torch.ones(4, 8), reference), quantised_sqnr_db=float("inf"))
    parse(write_report(record, pictures, tmp_path)[1])


def test_large_maps_keep_single_bright_keys() -> None:
    x = torch.zeros(3000, 3000)
    x[1234, 567] = 1
    small = shrink(x)
    assert max(small.shape) <= 512 and small.max() == 1


def test_table_in_a_pipe_is_plain_and_whole() -> None:
    record, _ = made_up()
    out = io.StringIO()
    print_table(record, out)
    lines = out.getvalue().splitlines()
    assert "\x1b" not in out.getvalue() and "…" not in out.getvalue()
    assert sum(line.startswith("L") for line in lines) == len(record.heads)
    assert lines[-1] == record.verdict()


def test_a_report_that_cannot_be_written_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record, _ = made_up()
    json_path, _ = write_report(record, folder=tmp_path)
    before = json_path.read_text()
    record.seed = 8

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("scripts.flow.files.os.replace", full)
    with pytest.raises(FcimError, match="No space left"):
        write_report(record, folder=tmp_path)
    assert json_path.read_text() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["report.html", "report.json"]


def test_a_report_that_is_none_is_named(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    with pytest.raises(FcimError, match="make sim"):
        load_record(path)
    for text, message in (("{", "cannot read"), ('{"schema": 99}', "schema"), ('{"schema": 2, "heads": [{}]}', "lacks")):
        path.write_text(text)
        with pytest.raises(FcimError, match=message):
            load_record(path)


def test_environment_names_the_tools() -> None:
    versions = tool_versions("icarus")
    assert {"python", "torch", "cocotb", "icarus"} <= set(versions)
    assert re.fullmatch(r"\d+\.\d+(\.\d+)?.*", versions["torch"])
    assert tool_versions("no-such-simulator")["no-such-simulator"] == "not found"
