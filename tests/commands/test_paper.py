"""``make paper``: what it works out, prints and writes, on lengths that take seconds."""

from __future__ import annotations

import argparse
import copy
import json
import re
from pathlib import Path

import pytest

from models.comparison.claims import CLAIMS
from models.comparison.storage import KINDS
from models.errors import FcimError
from scripts.figures import paper as figures
from scripts.figures.__main__ import all_figures
from scripts.paper import run as command
from scripts.paper.goals import goals
from scripts.paper.modes import MODES, OCTAVES, spread
from scripts.paper.options import parse_args
from scripts.paper.study import DESIGNS, OURS, RATES, USUAL, VARIANTS, WITH_ENERGY, equal_cells

LENGTHS = (64, 128)


def options(out: Path, tokens: str | None = "128,64", constants: str = "28nm") -> argparse.Namespace:
    return argparse.Namespace(tokens=tokens, constants=constants, jobs=1, checkpoint=None, model=None, out=out)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("paper") / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(command, "FIXTURE_TOKENS", 128)
        assert command.run(options(out), 1) == 0
    return out


@pytest.fixture(scope="module")
def data(folder: Path) -> dict:
    return json.loads((folder / "report.json").read_text())


def test_every_file_is_there(folder: Path) -> None:
    assert sorted(path.name for path in folder.iterdir()) == sorted(command.NAMES)
    page = (folder / "report.html").read_text()
    assert page.count("data:image/png;base64,") == 5
    assert not re.search(r"\b(nan|inf)\b", re.sub(r'src="data:[^"]*"', "", page))
    for claim in CLAIMS:
        assert claim.where in page


def test_every_design_is_there_at_every_length_and_speed(data: dict) -> None:
    found = {(row["design"], row["tokens"], row["gbs"]) for row in data["times"]}
    designs = [OURS, *(design.name for design in DESIGNS)]
    expected = {(name, tokens, gbs) for name in designs for tokens in LENGTHS for gbs in RATES}
    assert found == expected | {(name, tokens, USUAL) for name, _ in VARIANTS for tokens in LENGTHS}
    counted = {row["design"] for row in data["energy"]}
    assert counted == {OURS, *(name for name, _ in VARIANTS), *(design.name for design in WITH_ENERGY)}


@pytest.mark.parametrize(("tokens", "seed", "elsewhere", "written"),
                         [(None, 1, False, 1), ("64,128", 1, False, 0), (None, 2, False, 0), (None, 1, True, 0)])
def test_only_a_usual_run_writes_the_pages(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tokens: str | None,
                                           seed: int, elsewhere: bool, written: int) -> None:
    found = json.loads((folder / "report.json").read_text())
    out, calls = tmp_path / "out", []
    monkeypatch.setattr(command, "work", lambda args, seed: found)
    monkeypatch.setattr(command, "FOLDER", tmp_path if elsewhere else out)
    monkeypatch.setattr(command, "write_pages", lambda: calls.append((out / "report.json").is_file()) or 3)
    assert command.run(options(out, tokens), seed) == (3 if written else 0)
    assert calls == [True] * written, "the report comes first"


def test_the_pages_figures_are_known() -> None:
    assert set(command.PAGES) == {name for name in all_figures() if name.split("-")[0] == "paper"}


def test_ratios_are_those_of_the_cycles(data: dict) -> None:
    own = {(row["tokens"], row["gbs"]): row["cycles"] for row in data["times"] if row["design"] == OURS}
    for row in data["times"]:
        assert row["times"] == row["cycles"] / own[row["tokens"], row["gbs"]]
        assert row["milliseconds"] == pytest.approx(row["cycles"] / 400e3)


def test_energies_add_up(data: dict) -> None:
    for row in data["energy"]:
        for level in ("low", "typical", "high"):
            cost = row[level]
            assert sum(cost["parts"].values()) == pytest.approx(cost["total"])
            assert cost["total"] - cost["parts"]["DRAM"] == pytest.approx(cost["chip"])
            assert cost["tops_chip"] == pytest.approx(2 * row["useful_macs"] / cost["chip"] / 1e12)
        assert row["low"]["chip"] < row["typical"]["chip"] < row["high"]["chip"]
    useful = {(row["tokens"], row["useful_macs"]) for row in data["energy"]}
    assert len(useful) == len(LENGTHS), "designs are measured against different work"


def test_a_layer_gains_less_than_its_attention(data: dict) -> None:
    for row in data["layers"]:
        between = sorted((1.0, row["times"]))
        assert between[0] <= row["times_layer"] <= between[1] and between[0] <= row["times_projections"] <= between[1]


def test_rescales_by_order(data: dict) -> None:
    rows = {(row["schedule"], row["fused"], row["keys_per_block"]): row for row in data["rescales"]}
    for size in (16, 64):
        natural = rows["natural", False, size]
        assert natural["maxima_saved"] == natural["integer_saved"] == 0
        assert natural["integer"] <= natural["maxima"]
        assert rows["diagonal_first", True, size]["integer"] <= natural["integer"]


def test_one_tile_of_accumulators_is_less_memory_and_more_time(data: dict) -> None:
    rows = {(row["kind"], row["tokens"]): row for row in data["storage"]}
    assert list(rows) == [(str(kind), tokens) for tokens in LENGTHS for kind in KINDS]
    for tokens in LENGTHS:
        built = rows[str(KINDS[0]), tokens]
        own = next(row for row in data["times"] if (row["design"], row["tokens"], row["gbs"]) == (OURS, tokens, USUAL))
        assert built["cycles"] == own["cycles"] and built["more"] == 0
        for kind in KINDS[1:]:
            row = rows[str(kind), tokens]
            assert row["kib"] < built["kib"] and row["cycles"] >= built["cycles"]
            assert row["more"] == pytest.approx(100 * (row["cycles"] / built["cycles"] - 1))


def test_a_goal_is_met_if_it_is(data: dict) -> None:
    def met(study: dict) -> list[str]:
        return [row["met"] for row in goals(study)]

    assert [row["goal"] for row in goals(data)] == [row["goal"] for row in data["goals"]]
    assert goals(data) == data["goals"]
    changed = copy.deepcopy(data)
    equal = [row for row in changed["times"] if equal_cells(row["design"])]
    for row in equal:
        row["times"] = 3.0
    for row in changed["energy"]:
        row["typical"]["tops_chip"] = 31.0
    for row in changed["modes"]:
        if row["mode"] in ("as shipped", "p of 14 bits", "p of 12 bits"):
            row["typical"]["arrays"] = 0.0
    assert met(changed) == ["no", "yes", "yes", "yes", "yes"], "what is stored does not depend on these"
    for row in equal:
        if row["tokens"] == LENGTHS[0]:
            row["times"] = 1.0
    for row in changed["energy"]:
        row["typical"]["tops_chip"] = 29.0
    for row in changed["modes"]:
        row["typical"]["arrays"] = 1.0
    assert met(changed) == ["no", "in part", "in part", "no", "no"]


def test_energy_by_phase_order_skipping_and_bits_of_p(data: dict) -> None:
    rows = {(row["phase"], row["mode"]): row for row in data["modes"]}
    assert list(rows) == [(mode.phase, mode.text) for mode in MODES]
    usual = rows["prefill", "as shipped"]
    assert usual["skipped"] == 0 and usual["tokens"] == usual["keys"] == 128
    for (phase, text), row in rows.items():
        own = rows[phase, "as shipped"]
        assert row["useful_macs"] == own["useful_macs"], "modes are measured against different work"
        assert row["typical"]["tops_chip"] == pytest.approx(
            2 * row["useful_macs"] / (4 * row["typical"]["chip"]) / 1e12), "four layers' products, the mean of their energy"
        assert (row["skipped"] == 0) or "skipped" in text
        if "skipped" in text:
            assert row["typical"]["chip"] <= own["typical"]["chip"] and row["cycles"] <= own["cycles"]
        if text == "p of 12 bits":
            assert row["typical"]["arrays"] < own["typical"]["arrays"] and row["cycles"] == own["cycles"]
    lossy = next(row for (phase, text), row in rows.items() if phase == "prefill" and f"2^-{OCTAVES}" in text)
    assert lossy["skipped"] >= rows["prefill", "blocks of p = 0 skipped"]["skipped"]
    assert rows["decode", "as shipped"]["tokens"] == 1


def test_a_models_layers_are_taken_evenly() -> None:
    layers = [object() for _ in range(30)]
    found = spread(layers)      # type: ignore[arg-type]
    assert [layers.index(layer) for layer in found] == [0, 5, 11, 17, 23, 29]
    assert spread(layers[:4]) == layers[:4]     # type: ignore[arg-type, comparison-overlap]


def test_each_claim_has_its_line(data: dict) -> None:
    assert [(row["where"], row["paper"]) for row in data["verdicts"]] == [(claim.where, claim.text) for claim in CLAIMS]
    assert all(row["here"] and row["hangs"] for row in data["verdicts"])
    assert data["verdicts"][3]["accounting"] == "46.2 to 58.9 %"


def test_the_pages_regions_come_from_the_report(data: dict) -> None:
    data = data | {"layers": [row | {"tokens": 4096} for row in data["layers"]]}
    pieces = figures.comparison(data)
    assert [piece.region for piece in pieces] == list(figures.REGIONS)
    assert {piece.region for piece in pieces if piece.page != figures.PAGE} == {"paper-short"}
    accounting, = figures.accounting()
    assert accounting.region == "paper-accounting"
    cells, = figures.cells()
    assert cells.region == "paper-cells"


@pytest.mark.parametrize(("tokens", "constants", "message"), [
    ("100", "28nm", "TOKENS = 100 is no multiple of 16; use whole query tiles, as in 256,512,1024"),
    ("64", "/nowhere/mine.yaml", "CONSTANTS = '/nowhere/mine.yaml' is unknown")])
def test_mistakes(tokens: str, constants: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(FcimError, match=message):
        parse_args([f"--tokens={tokens}", f"--constants={constants}", f"--out={tmp_path / 'out'}"])
    assert not list(tmp_path.iterdir()), "half a report was written"
