"""Figures in README and docs: how they are compared and written, that all are covered, and that the cheap ones are right."""

from __future__ import annotations

import json
import math
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from models.errors import FcimError
from models.hardware.config import load_config
from models.hardware.orders import Effect, Orders
from models.hardware.schedules import DEFAULT_OPTIONS, SCHEDULES, TileOptions
from models.tensors.text import CODE, PROSE
from scripts.figures import __main__ as command
from scripts.figures import machine, pictures, reports, runs, schedules, system
from scripts.figures.machine import fill
from scripts.figures.pages import END, Page, Piece, begin
from scripts.figures.reports import Report
from scripts.figures.text import exact, find, form, near, plain, table, timed
from scripts.flow.sources import ROOT
from scripts.studies.language_model.decode import DecodeLine
from scripts.studies.language_model.mends import GAUSSIAN, MENDS, OperandLine
from scripts.studies.language_model.precision import variants
from scripts.studies.schedules import goals as gl
from scripts.studies.schedules.rows import Row
from scripts.studies.schedules.settings import CALIBRATED, GOAL_SETTINGS, NATURAL

CHEAP = ("fixture", "configurations", "efficiency", "latency", "limits", "memories", "system-memories", "template",
         "registers", "descriptor", "jobs", "bench-sim", "bench-attention", "head-stats", "sim",
         "energy-constants", "energy-netlists", "paper-accounting")


def page(text: str) -> Page:
    return Page(Path("page.md"), text)


def region(name: str, text: str) -> str:
    return f"before\n\n{begin(name)}\n{text}\n{END}\n\nafter\n"


@pytest.mark.parametrize(("template", "have", "wrong", "written"), [
    (f"of {exact(2424)} cycles", "of 2,424 cycles", 0, "of 2,424 cycles"),
    (f"of {exact(2424)} cycles", "of 2,415 cycles", 1, "of 2,424 cycles"),
    (f"{near(40.92, '.1f', 0.1)} dB", "40.8 dB", 0, "40.8 dB"),             # another machine's last digit stays
    (f"{near(40.92, '.1f', 0.1)} dB", "40.7 dB", 1, "40.9 dB"),
    (f"{near(40.92, '.1f', 0.1)} dB", "40.92 dB", 1, "40.9 dB"),            # as many digits as are the same everywhere
    (f"{near(-0.0003, '+.4f', 1e-4)} b", "+0.0003 b", 1, "-0.0003 b"),
    (f"in {timed(3.5, '.1f')} s", "in 9.0 s", 0, "in 9.0 s"),
    (f"{exact(7)} in {timed(3.5, '.1f')} s", "8 in 9.0 s", 1, "7 in 3.5 s"),  # a new run's time comes with its figures
    (f"in {timed(3.5, '.1f', True)} s", "in 9.0 s", 0, "in 3.5 s"),
    (f"in {timed(None, '.1f', True)} s", "in 9.0 s", 0, "in 9.0 s"),
    (f"Python {form('3.12.1')}, and", "Python 3.11.7, and", 0, "Python 3.12.1, and")])
def test_figures_in_a_sentence(template: str, have: str, wrong: int, written: str) -> None:
    found, = find(template, f"so {have} it is")
    assert len(found.wrong) == wrong and found.text == written


def test_a_sentence_may_be_broken_anywhere_and_must_stand_once() -> None:
    piece = Piece("page.md", f"a mean of {exact(3)} dB and {exact(4)} more")
    text = page("It has a mean\nof 2 dB and 4\nmore.")
    assert len(text.put(piece)) == 1 and text.text == "It has a mean\nof 3 dB and 4\nmore." and not text.put(piece)
    for other in ("", "a mean of 3 dB and 4 more, a mean of 3 dB and 4 more"):
        text = page(other)
        assert len(text.put(piece)) == 1 and text.unplaced and text.text == other


def test_a_region_is_written_as_a_whole_and_keeps_what_was_right() -> None:
    rows = [["a", near(1.04, ".1f", 0.1), exact(5)], ["b", timed(None, ".1f"), exact(6)]]
    old = table(("run", "dB", "cycles"), [["a", "1.1", "5"], ["b", "9.9", "7"]])
    text = page(region("speed", old))
    wrong = text.put(Piece("page.md", table(("run", "dB", "cycles"), rows), "speed"))
    assert len(wrong) == 1 and "7 stands there, 6 is right" in wrong[0]
    assert text.text == region("speed", old.replace("7 |", "6 |"))
    text.put(Piece("page.md", "quite another text", "speed"))
    assert text.text == region("speed", "quite another text") and not text.unplaced
    text.put(Piece("page.md", table(("run", "dB", "cycles"), rows), "speed"))
    assert text.unplaced and "quite another text" in text.text      # a time that nobody measured cannot be written
    assert page("no region").put(Piece("page.md", "x", "speed"))


def test_a_region_with_nothing_in_it_ends_where_it_ends() -> None:
    behind = "<!-- figures: next -->\nof another\n<!-- end -->\n"
    text = page(f"<!-- figures: speed -->\n<!-- end -->\n{behind}")
    assert text.regions() == ["speed", "next"]
    assert text.put(Piece("page.md", "a line", "speed")) == ["line 1 is not: a line"]
    assert text.text == f"<!-- figures: speed -->\na line\n<!-- end -->\n{behind}"


@pytest.mark.parametrize("cell", ["1.0", "x", "|", "1.0 1.0"])
def test_a_table_with_another_cell_is_wrong(cell: str) -> None:
    text = page(region("speed", table(("run", "dB"), [["a", cell]])))
    assert (not text.put(Piece("page.md", table(("run", "dB"), [["a", near(1.0, ".1f", 0.0)]]), "speed"))) == (cell == "1.0")


def test_another_python_is_another_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """There what comes of the text is compared with nothing, and written anew; what does not, still is."""
    template = "{db:.1f~0.1} dB in {cycles:,} cycles"
    monkeypatch.setattr(machine, "same_text", lambda: False)
    found, = find(fill(template, db=30.0, cycles=1000), "40.8 dB in 1,000 cycles")
    assert not found.wrong and found.text == "30.0 dB in 1,000 cycles"
    monkeypatch.setattr(machine, "same_text", lambda: True)
    found, = find(fill(template, db=30.0, cycles=1000), "40.8 dB in 1,000 cycles")
    assert len(found.wrong) == 1


def test_every_region_has_a_generator_and_every_generator_its_region() -> None:
    on_pages = [f"{name}: {r}" for name in command.PAGES for r in Page.read(ROOT / name).regions()]
    known = {r for figure in command.all_figures().values() for r in figure.regions}
    assert {entry.split(": ")[1] for entry in on_pages} == known and len(on_pages) == len(set(on_pages))
    for name in command.PAGES:
        lines = Page.read(ROOT / name).text.split("\n")
        begins = sum(line.startswith("<!-- figures:") for line in lines)
        assert begins == lines.count(END) == len(Page.read(ROOT / name).regions()), name


def test_every_table_with_measured_figures_is_generated() -> None:
    """A table outside of the regions holds words, names and formulas; columns of figures are a generator's."""
    for name in ("README.md", "docs/accuracy.md", "docs/schedules.md", "docs/verification.md", "docs/scope.md"):
        text = re.sub(r"<!-- figures: .*?<!-- end -->", "", (ROOT / name).read_text(), flags=re.S)
        assert "--: |" not in text, name


def test_the_cheap_figures_on_the_pages_are_right(capsys: pytest.CaptureFixture[str]) -> None:
    """From the models alone; where this fails: make figures."""
    assert command.main(["--check", "--figures", ",".join(CHEAP)]) == 0, capsys.readouterr().out


def test_a_wrong_figure_is_found_and_mended(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in command.PAGES:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text((ROOT / name).read_text())
    right = (tmp_path / "README.md").read_text()
    (tmp_path / "README.md").write_text(re.sub(r"(\| `tiny` \| )16", r"\g<1>17", right))
    arguments = ["--figures", "configurations, fixture"]
    assert command.main([*arguments, "--check"], tmp_path) == 1
    assert "README.md: line 5: 17 stands there, 16 is right" in capsys.readouterr().out
    assert command.main(arguments, tmp_path) == 0 and (tmp_path / "README.md").read_text() == right
    assert command.main([*arguments, "--check"], tmp_path) == 0
    (tmp_path / "README.md").write_text(right.replace("million parameters", "parameters"))
    assert command.main(arguments, tmp_path) == 1 and "not written" in capsys.readouterr().out


def test_unknown_figures() -> None:
    with pytest.raises(FcimError, match="FIGURES = perplexty is none of the figures; did you mean perplexity?"):
        command.main(["--figures", "perplexty"])


def losses() -> dict[str, Any]:
    """A report of ``make perplexity``."""
    layer = {"mean_cosine": 0.99993, "worst_cosine": 0.9999, "mean_sqnr_db": 40.0, "worst_sqnr_db": 38.0, "alone": 1e-4,
             "mean_relative_l1": 0.01}
    facts = {"bytes_per_token": 1.0, "source": {"model": "fixture", "versions": {"python": "3.11.7"}}, "context": 1024,
             "stride": 1024, "calibration": "statistics, 4 x 512 tokens", "config": {"name": "default"},
             **asdict(DEFAULT_OPTIONS)}
    return {"conditions": facts, "scored_tokens": 4095, "float_loss": 0.9, "hardware_loss": 0.9, "difference": 0.0002,
            "standard_error": 0.0002, "float_seconds": 1.0, "hardware_seconds": 5.0, "bytes_per_token": 4.0,
            "layers": [{"layer": i, **layer} for i in range(4)]}


def pretrained(context: int = 1024) -> dict[str, Any]:
    """A report of ``make perplexity MODEL=smollm2``."""
    data = losses()
    facts = data["conditions"] | {"context": context, "stride": context, "config": {"name": "head64"}}
    facts["source"] = {"model": "SmolLM2-135M-Instruct", "versions": {"python": "3.11.7"}}
    names = ("float_loss", "hardware_loss", "difference", "standard_error", "bytes_per_token")
    part = {"scored_tokens": 8191, **{name: data[name] for name in names}}
    return data | {"conditions": facts, "scored_tokens": 16382, "float_cpu_seconds": 70.0, "hardware_cpu_seconds": 200.0,
                   "peak_memory_mib": 1500,
                   "parts": [{"name": name, **part} for name in ("prose", "code")]}


def study() -> dict[str, Any]:
    """A report of ``make precision``."""
    found = variants(load_config("default"), TileOptions("natural"))
    return {"conditions": losses()["conditions"] | {"context": 512},
            "lines": [{"group": v.group, "name": v.name, "x": v.x, "bits_per_byte": 0.001 * i, "standard_error": 2e-4,
                       "mean_sqnr_db": 40 - 0.1 * i, "worst_sqnr_db": 38 - 0.1 * i, "worst_layer_db": 39 - 0.1 * i,
                       "worst_cosine": 0.9999}
                      for i, v in enumerate(sorted(found, key=lambda v: v.group))],
            "operands": [asdict(OperandLine(source, name, 40.0, 38.0, 39.0, 0.9999, 0.01))
                         for source in ("the model", GAUSSIAN) for name in MENDS],
            "decode": [asdict(DecodeLine(order, 4096, 64, 32, 43.1, 37.0, 0.01, 0.05, 0.04, 0.01))
                       for order in ("natural", "other")]}


def ablation(folder: Path) -> dict[str, Any]:
    """A report of ``make ablation``, with the tables that the page has now."""
    settings = [TileOptions(s, f, tau=tau) for s in SCHEDULES for f in (False, True) for tau in (0, 1, 2, 4)]
    rows = []
    for source in (gl.TRAINED, gl.PLANTED, gl.RANDOM):
        for phase, tokens in (("prefill", 512), ("prefill", 2048), ("decode", 4096)):
            for p in settings:
                share = 1.2 if source == gl.RANDOM and p == TileOptions("diagonal_first") else 0.5 if p != NATURAL else 1.0
                shares = {name: 0.1 for name in ("fewer", "fewer_same_tau", "fewer_online", "moved_blocks", "zero_blocks",
                                                 "zero_row_blocks", "skipped_blocks", "skipped_values")}
                rows.append(Row(source, phase, tokens, 16, 16, p.schedule, p.fused, p.tau, 2 * share, 4.0, 60.0, **shares,
                                lost_db=0.01 * p.tau))
    goals = [gl.Goal(size, p, 0.9, 0.01, 1.0, 0.0, 0.0, 0.5, 0.9, 1000).as_dict() for size in (16, 32, 64) for p in GOAL_SETTINGS]
    text = (ROOT / "docs" / "schedules.md").read_text()
    (folder / "ablation.md").write_text(text.replace("<!-- figures: ablation-", "<!-- ablation: "))
    data = {"seed": 1, "seconds": 163.2, "config": {"name": "default", "keys_per_block": 16, "prob_bits": 16}, "goals": goals,
            "rows": [row.as_dict() for row in rows]}
    (folder / "ablation.json").write_text(json.dumps(data))
    return data


def real_ablation(folder: Path) -> dict[str, Any]:
    """The same of a pretrained model, with an order for each KV head."""
    data = ablation(folder)
    rows = [row | {"set_bits": 3.0, "rescales_of_head": {"L0H0": 1.0}} for row in data["rows"]]
    natural = next(row for row in rows if row["tokens"] == 2048 and Row(**row).setting == NATURAL)
    data["rows"] = [*rows, natural | {"schedule": CALIBRATED.schedule}]
    text = (ROOT / "docs" / "schedules.md").read_text()
    (folder / "ablation.md").write_text(text.replace("<!-- figures: real-", "<!-- ablation: "))
    return data


def calibration() -> dict[str, Any]:
    """The file of ``make calibrate MODEL=smollm2``."""
    texts = [f"{kind}, {part}" for part in ("calibration", "held out") for kind in (PROSE, CODE)]
    orders = Orders("SmolLM2-135M-Instruct", "t", 2048, "head64", 16, 3, ((TileOptions(),),),
                    tuple(Effect(text, 10, 9, 1, 0.04, 0.4) for text in texts))
    return json.loads(orders.text_form())


def accelerator(command: str) -> dict[str, Any]:
    """The report of a ``make system``."""
    given = dict(word.split("=") for word in command.split()[2:])
    waits = dict.fromkeys((*system.WAITS, "rows of O not taken"), 16)
    figures = {"cycles": 100, "roof": 0.5, "sqnr_db": [40.0, 39.0], "waits": waits,
               "traffic": dict.fromkeys(system.LEAST, {"moved": 3000, "least": 2000})}
    source: dict[str, Any] = {"kv_heads": 2}
    if "GEOMETRY" in given:
        source = {"kv_heads": int(given.get("HEADS", 8)), "of_kv_heads": 8, "geometry": given["GEOMETRY"]}
    return {"verdict": "PASS", "command": command, "phase": given["PHASE"], "keys": int(given["TOKENS"]), "source": source,
            "dram": {"GB/s": float(given["DRAM_GBS"]), "latency": int(given["DRAM_LATENCY"])}, "system": {"engines": 16},
            "figures": figures}


def accelerator_runs() -> dict[str, Any]:
    """One for each run that the page shows, by its file."""
    return {part.file: accelerator(" ".join(["make system SYSTEM=default", *part.variables[:-1]]))
            for part in reports.SYSTEM.parts}


def coverage() -> dict[str, Any]:
    """A report of ``make coverage``."""
    full = {"hit": 700, "total": 700, "excluded": 0}
    totals = {name: dict(full) for name in ("line", "branch", "expression", "functional")}
    return {"totals": totals | {"toggle": {"hit": 96000, "total": 100000, "excluded": 772}}, "exclusions": [{"excluded": 772}]}


@pytest.mark.parametrize(("hit", "stands", "wrong"), [
    (99_970, "99.9", ()), (99_899, "99.9", ("99.9 stands there, 99.8 is right",)),
    (96_000, "96.1", ("96.1 stands there, 96.0 is right",)),
    (99_700, "99.9", ("99.9 stands there, 99.7 is right",))])
def test_coverage_on_the_page_is_the_reports_own(hit: int, stands: str, wrong: tuple[str, ...]) -> None:
    """To the last digit, which is rounded down."""
    data = coverage()
    data["totals"]["toggle"]["hit"] = hit
    piece, _ = runs.coverage(data)
    (line,) = (line for line in piece.text.splitlines() if "100,000" in plain(line))
    (place,) = find(line, re.sub(r"[\d.]+ % of 100,000", f"{stands} % of 100,000", plain(line)))
    assert place.wrong == wrong


def test_what_reports_give_has_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every table and sentence that is made from a report is found on the pages as they are, whatever the figures."""
    monkeypatch.setattr(schedules, "ABLATION", Report("ablation", "x", bool), raising=True)
    monkeypatch.setattr(Report, "path", property(lambda self: tmp_path / "ablation.json"))
    names = tuple(n for n in Page.read(ROOT / schedules.SCHEDULES).regions() if n.startswith("ablation-"))
    pieces = schedules.schedules(ablation(tmp_path), names)
    assert {p.region for p in pieces if p.region} == {"schedules", *names}
    pieces += runs.pretrained(pretrained()) + runs.pretrained_long(pretrained(8192))
    own = tuple(n for n in Page.read(ROOT / schedules.SCHEDULES).regions() if n.startswith("real-"))
    about = schedules.real(real_ablation(tmp_path), own)
    assert {p.region for p in about if p.region} == set(own) and len(own) > 3
    pieces += schedules.calibrated(calibration())
    pieces += about + runs.perplexity(losses()) + runs.coverage(coverage())
    pieces += runs.precision(study()) + runs.precision_pretrained(study())
    for part in (7, None):
        pieces += runs.generate({"prompt_tokens": 320, "float": [0] * 200, "parts_at": part, "margin_nats": 0.01})
        pieces += runs.chat({"conditions": {"source": {"question": "Why?"}}, "float": [0] * 20, "hardware": [0] * 21,
                             "parts_at": part, "margin_nats": 0.01})
    timings = [{"tokens": n, "hardware": 1.0, "torch": 0.1, "memory": 30.0} for n in (512, 1024, 2048, 4096, 8192)]
    line = {"seconds": 2.0, "cycles": 100, "macs_per_second": 1e6, "simulator": 1.0, "playing": 0.5, "python": 1.0}
    pieces += runs.bench_attention({"timings": timings}) + runs.bench_sim({"lines": [line] * 7})
    pieces += system.system_runs(accelerator_runs())
    pages = {name: Page.read(ROOT / name) for name in command.PAGES}
    for piece in pieces:
        pages[piece.page].put(piece)
    assert [(name, line) for name, p in pages.items() for line in p.unplaced] == []


@pytest.mark.parametrize(("change", "usual"), [({}, True), ({"scored_tokens": 99}, False), ({"conditions": {}}, False),
                                               ({"conditions": losses()["conditions"] | {"tau": 1}}, False)])
def test_only_a_report_of_the_usual_run_counts(change: dict[str, Any], usual: bool, tmp_path: Path,
                                               monkeypatch: pytest.MonkeyPatch) -> None:
    """A run on another model or with other variables leaves its report in the same place."""
    monkeypatch.setattr(Report, "path", property(lambda self: tmp_path / "report.json"))
    assert reports.PERPLEXITY.data() is None
    (tmp_path / "report.json").write_text(json.dumps(losses() | change))
    assert (reports.PERPLEXITY.data() is not None) == usual


@pytest.mark.parametrize(("report", "context"), [(reports.PRETRAINED, 1024), (reports.PRETRAINED_LONG, 8192)])
def test_a_report_of_the_pretrained_model(report: Report, context: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counts with the context of its figure, half prose and half code; how it is made again names the model."""
    monkeypatch.setattr(Report, "path", property(lambda self: tmp_path / "report.json"))
    data = pretrained(context)
    for change, usual in (({}, True), ({"parts": data["parts"][:1]}, False), (losses(), False),
                          ({"conditions": pretrained(512)["conditions"]}, False)):
        (tmp_path / "report.json").write_text(json.dumps(data | change))
        assert (report.data() is not None) == usual
    assert report.command.startswith("make perplexity MODEL=smollm2 ") and ("CONTEXT=8192" in report.command) == (context == 8192)


def test_a_file_of_orders_as_a_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counts where it is of the pretrained model, at the usual length, with what it does on all four texts."""
    monkeypatch.setattr(Report, "path", property(lambda self: tmp_path / "report.json"))
    data = calibration()
    for change, usual in (({}, True), ({"model": "fixture"}, False), ({"tokens": 512}, False), ({"effects": []}, False)):
        (tmp_path / "report.json").write_text(json.dumps(data | change))
        assert (reports.REAL_CALIBRATION.data() is not None) == usual


def test_reports_that_are_older_than_the_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Are taken to write from, and said to be old, but nothing is checked against them; a long command runs only with RUN=1."""
    path = tmp_path / "report.json"
    path.write_text("{}")
    old, ran = [True], []
    monkeypatch.setattr(Report, "path", property(lambda self: path))
    monkeypatch.setattr(Report, "outdated", lambda self: old[0])
    monkeypatch.setattr(Report, "make", lambda self: ran.append(self.target))
    long, quick = Report("long", "x", lambda d: True, True), Report("quick", "x", lambda d: True)
    assert command.report_for(long, False)[0] == {} and "older" in command.report_for(long, False)[1] and not ran
    assert command.report_to_check(long)[0] is None and "make long" in command.report_to_check(long)[1]
    assert command.report_for(long, True)[0] == {} and ran == ["long"]
    assert command.report_for(quick, False)[0] == {} and ran == ["long", "quick"]
    old[0] = False
    assert command.report_for(quick, True)[0] == {} and command.report_to_check(quick)[0] == {} and ran == ["long", "quick"]
    path.unlink()
    assert command.report_for(long, False)[0] is None and len(ran) == 2


def test_a_table_of_several_reports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Is written when all are there; what lacks, or is of another run, is made, and nothing else."""
    monkeypatch.setattr(Report, "path", property(lambda self: tmp_path / self.file.replace("/", "-")))
    monkeypatch.setattr(Report, "outdated", lambda self: False)
    ran: list[Report] = []

    wanted = accelerator_runs()

    def make(self: Report) -> None:
        ran.append(self)
        self.path.write_text(json.dumps(wanted[self.file]))

    monkeypatch.setattr(Report, "make", make)
    first, second, *others = reports.SYSTEM.parts
    make(first)
    second.path.write_text(json.dumps(wanted[second.file] | {"verdict": "FAIL"}))
    assert command.report_for(reports.SYSTEM, False)[0] is None and command.report_to_check(reports.SYSTEM)[0] is None
    data, _ = command.report_for(reports.SYSTEM, True)
    assert data is not None and ran == [first, second, *others]
    rows, moves = ([plain(row).split(" | ") for row in piece.text.split("\n")[2:]] for piece in system.system_runs(data))
    assert [row[0] for row in rows] == [row[0] for row in moves] and len(rows) == len(reports.SYSTEM.parts)
    assert rows[0][:6] == ["| fixture, prefill, 512 keys", "100", "50.0", "12.0", "4.267", "40.0"]
    assert "| llama3-8b, decode, 131,072 keys" in rows[-1]
    assert [row[0] for row in rows if "memory of" in row[0]] == [
        "| llama3-8b, prefill, 2,048 keys, memory of 25.6 GB/s, 100 cycles",
        "| llama3-8b, prefill, 2,048 keys, memory of 51.2 GB/s, 1,000 cycles"]
    assert moves[0][1:3] == ["0.00", "1.500"]


def test_pictures_stay_where_nothing_can_make_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(pictures, "ROOT", tmp_path)
    monkeypatch.setattr(pictures, "IMAGES", tmp_path / "docs" / "images")
    pictures.IMAGES.mkdir(parents=True)
    assert all("stays as it is: there is no build/" in line for name in ("ablation", "precision", "regression", "coverage")
               for line in pictures.take_pictures(name))
    (tmp_path / "build" / "regress").mkdir(parents=True)
    (tmp_path / "build" / "regress" / "index.html").write_text("<p>page")
    monkeypatch.setattr(pictures.shutil, "which", lambda name: None)
    assert "no browser" in pictures.take_pictures("regression")[0] and not list(pictures.IMAGES.iterdir())


def test_marks_leave_no_trace() -> None:
    text = f"{exact(1)} {near(2.0, '.1f', math.inf)} {timed(3.0, '.1f')} {form('4')}"
    assert plain(text) == "1 2.0 3.0 4"
