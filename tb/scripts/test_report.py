"""The report: its verdict, its JSON against the documentation, its page, its table, its files."""

from __future__ import annotations

import base64
import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
import torch

from models.bounds import check_gap
from models.errors import FcimError
from models.metrics import compare
from scripts.report.figures import shrink
from scripts.rtl_list import ROOT
from scripts.sim_environment import git_state, tool_versions
from scripts.sim_record import HeadRow, PhaseRun, SimRecord, load_record
from scripts.sim_report import HeadPicture, head_picture, write_report
from scripts.sim_table import failures, print_table

VOID = {"meta", "img", "br", "hr", "link"}
PNG = b"\x89PNG\r\n\x1a\n"


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
                                         metrics.sqnr_db + 0.02))
                    if phase == "prefill" and name == f"L{layer}H0":
                        q, k = torch.randn(2, tokens, 32, generator=g)
                        pictures.append(head_picture(name, layer, q, k, 32**-0.5, out, reference))
    checks = check_gap([h.name for h in heads], [h.metrics.sqnr_db for h in heads], [h.quantised_sqnr_db for h in heads])
    record = SimRecord(
        command="make sim SEED=7 CONFIG=tiny", seed=7, simulator="icarus", config={"name": "tiny", "rows": 16}, tau=0,
        schedule="natural", fused=False, skip=False, smooth_k=True, source={"kind": "made up <b>", "layers": [0, 1]}, heads=heads,
        runs=runs, checks=checks, versions={"python": "3"}, git={"revision": "0" * 40, "dirty": True},
        started="2025-01-01T00:00:00Z", wall_seconds=1.5)
    return record, pictures


def broken(kind: str) -> tuple[SimRecord, str]:
    """A record with one thing wrong, and what must be said about it."""
    record, _ = made_up(layers=1)
    if kind == "mismatch":
        record.heads[3] = replace(record.heads[3], mismatches=5)
        return record, f"{record.heads[3].name} prefill: 5 of {record.heads[3].elements:,} values differ"
    if kind == "counter":
        record.runs[1] = replace(record.runs[1], predicted={"cycles": 3000})
        return record, "counter cycles is 3,217, predicted 3,000"
    if kind == "bound":
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


def documented_keys(section: str) -> set[str]:
    """Keys in the first column of the table under a heading of the documentation."""
    text = (ROOT / "docs" / "report_schema.md").read_text()
    body = re.search(rf"^## `?{re.escape(section)}`?.*?\n(.*?)(?=^## |\Z)", text, re.S | re.M)
    assert body, section
    return set(re.findall(r"^\| `(\w+)`", body.group(1), re.M))


def test_json_has_exactly_the_documented_keys() -> None:
    record, _ = made_up()
    data = json.loads(record.to_json())
    assert set(data) == documented_keys("report.json")
    assert set(data["totals"]) == documented_keys("totals")
    for section in ("heads", "runs", "checks"):
        assert set(data[section][0]) == documented_keys(section), section
    assert set(git_state()) == documented_keys("git")


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


@pytest.mark.parametrize("kind", ["mismatch", "counter", "bound", "problem"])
def test_anything_wrong_is_a_fail_and_is_named(kind: str, tmp_path: Path) -> None:
    record, said = broken(kind)
    assert not record.passed
    json_path, html = write_report(record, folder=tmp_path)
    data = json.loads(json_path.read_text())
    assert data["passed"] is False and data["verdict"].startswith("FAIL: ")
    text = " ".join(parse(html).text)
    assert "FAIL" in text and "PASS" not in text and said in text
    out = io.StringIO()
    print_table(record, out)
    assert "FAIL: " in out.getvalue() and said in out.getvalue()


def test_nothing_simulated_is_a_fail(tmp_path: Path) -> None:
    record, _ = made_up()
    record.heads, record.runs, record.checks = [], [], []
    assert not record.passed and "no head was simulated" in record.verdict()
    parse(write_report(record, folder=tmp_path)[1])


def test_page_is_whole_and_needs_no_network(tmp_path: Path) -> None:
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
        assert kind == "data:image/png;base64" and base64.b64decode(data, validate=True).startswith(PNG)


@pytest.mark.parametrize("case", ["perfect", "useless", "one token"])
def test_extreme_heads_can_be_drawn(case: str, tmp_path: Path) -> None:
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

    monkeypatch.setattr("scripts.report.files.os.replace", full)
    with pytest.raises(FcimError, match="No space left"):
        write_report(record, folder=tmp_path)
    assert json_path.read_text() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["report.html", "report.json"]


def test_a_report_that_is_none_is_named(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    with pytest.raises(FcimError, match="make sim"):
        load_record(path)
    for text, message in (("{", "cannot read"), ('{"schema": 99}', "schema"), ('{"schema": 1, "heads": [{}]}', "lacks")):
        path.write_text(text)
        with pytest.raises(FcimError, match=message):
            load_record(path)


def test_environment_names_the_tools() -> None:
    versions = tool_versions("icarus")
    assert {"python", "torch", "cocotb", "icarus"} <= set(versions)
    assert re.fullmatch(r"\d+\.\d+(\.\d+)?.*", versions["torch"])
    assert tool_versions("no-such-simulator")["no-such-simulator"] == "not found"
