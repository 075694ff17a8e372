"""The tables of all commands at the widths of terminals: every line fits, no cell is cut, and a file gets everything."""

from __future__ import annotations

import io
import json
import math
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from rich.text import Text

from models.hardware.config import load_config
from models.tensors.head_stats import HeadStats
from models.tensors.source import FIXTURE
from scripts.flow.coverage.ranking import rank
from scripts.flow.coverage.report import numbers_table
from scripts.flow.coverage.results import Results, Tally
from scripts.flow.coverage.rules import Floors
from scripts.flow.history.changes import Group
from scripts.flow.regress.command import jobs_table
from scripts.flow.regress.durations import Estimate
from scripts.flow.regress.entries import read_entries
from scripts.flow.regress.selection import select_jobs
from scripts.flow.sources import ROOT
from scripts.flow.tables import Column, Table, say
from scripts.head_stats import stats_table
from scripts.history import runs_table
from scripts.sim.table import print_table
from scripts.studies.language_model.bench import Timing, timing_table
from scripts.studies.language_model.decode import DecodeLine, decode_table
from scripts.studies.language_model.generate import texts_table
from scripts.studies.language_model.mends import GAUSSIAN, MENDS, OperandLine, operands_table
from scripts.studies.language_model.perplexity import result_tables
from scripts.studies.language_model.precision import Line as PrecisionLine
from scripts.studies.language_model.precision import lines_table
from scripts.studies.schedules.report import Sheet
from scripts.studies.speed import Line as SpeedLine
from scripts.studies.speed import share_table, speed_table
from tb.workloads import LIST
from tests.commands.test_report import made_up
from tests.flow.history_data import covered, job, made

WIDTHS = (60, 80, 100, 160)
HIDDEN = "not shown at this width: "


class Terminal(io.StringIO):
    """A file that says it is a terminal; its width comes from the environment."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], Terminal]:
    """Gives a terminal of a width."""
    monkeypatch.setenv("TERM", "xterm-256color")

    def make(width: int) -> Terminal:
        monkeypatch.setenv("COLUMNS", str(width))
        return Terminal()

    return make


def shown(file: Terminal) -> list[str]:
    """What can be read in a terminal, without its colours."""
    return re.sub(r"\x1b\[[0-9;]*m", "", file.getvalue()).split("\n")


def ablation_sheets() -> list[Table]:
    """The tables that the page about schedules holds: a real run's."""
    text = (ROOT / "docs" / "schedules.md").read_text()
    found = []
    for name, body in re.findall(r"<!-- (?:ablation|figures): ?([a-z-]+) -->\n(\|.*?)\n<!-- end -->", text, re.S):
        lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in body.split("\n")]
        words = sum("-:" not in cell for cell in lines[1])
        found.append(Sheet(name, f"{name}: a title that says what is in it", lines[0], words, lines[2:]))
    return [sheet.table() for sheet in found]


def coverage_numbers() -> Table:
    names = ("line", "branch", "expression", "toggle", "functional")
    results = Results({}, {}, [], Floors(dict.fromkeys(names, 97.0)), Counter(), rank([], {}, {}, {}), Tally(1730, 1730))
    results.files = {"rtl/a.v": dict(zip(names, (Tally(695, 695), Tally(357, 357), Tally(643, 643), Tally(264146, 273444))))}
    return numbers_table(results)


def perplexity_tables() -> tuple[Table, Table]:
    layer = {"alone": -0.000069, "mean_cosine": 0.999974, "worst_cosine": 0.999963, "mean_sqnr_db": 42.88, "worst_sqnr_db": 41.28,
             "mean_relative_l1": 0.007}
    losses = {"scored_tokens": 4095, "float_loss": 0.90284, "hardware_loss": 0.90303, "difference": 0.00019,
              "standard_error": 0.00019, "bytes_per_token": 1.0}
    return result_tables({**losses, "block_tokens": 128, "parts": [{"name": name, **losses} for name in ("prose", "code")],
                          "layers": [{"layer": n, **layer} for n in range(4)]})


def generated() -> Table:
    """Code with its indentation, and a word longer than half of a terminal."""
    tokenizer = SimpleNamespace(decode=lambda ids: "".join(map(chr, ids.tolist())))
    text = "def test(self):\n    self.assertEqual(first, second)\n\treturn " + "verylong" * 12
    a, b = (torch.tensor(list(map(ord, t))) for t in (text, text.replace("second", "first")))
    prompt = torch.full((320,), ord("x"))
    return texts_table(SimpleNamespace(ids=prompt, tokenizer=tokenizer), a, b, 36)


def tables() -> dict[str, Table]:
    """One of each, as the commands build them, of recorded data."""
    heads = [HeadStats(**h) for h in json.loads((FIXTURE / "training.json").read_text())["heads"]]
    speeds = [SpeedLine("Icarus, beats driven by Python", 128, 2424, 2**22, 3.52, 0.31, None),
              SpeedLine("Verilator, streams from files", 2048, 271224, 2**30, 4.81, 1.27, 3.5),
              SpeedLine("NumPy, same tiles, float32 BLAS", 2048, 0, 2**30, None, 0.02)]
    operands = [OperandLine(source, name, 40.18, 37.15, 39.02, 0.999871, 0.012)
                for source in ("the model", GAUSSIAN) for name in MENDS]
    precise = [PrecisionLine(group, name, 8, -0.00017, 0.00412, 40.18, 37.15, 39.02, 0.999871)
               for group in ("bits of Q, K and V", "Q and K of 4 bits") for name in ("8", "as it is, rotated")]
    loss, layers = perplexity_tables()
    return {
        "perplexity": loss, "perplexity: layers": layers, "precision": lines_table(precise),
        "operands": operands_table(operands, 512), "generate": generated(),
        "decode": decode_table([DecodeLine("natural", 4096, 64, 32, 43.1, 37.0, 0.01, 0.1, 0.1, 0.02)]),
        "bench-attention": timing_table([Timing(8192, 5.115, 0.4588, 285.0)], "causal prefill, 4 query heads on one KV head"),
        "efficiency": share_table(load_config("default"), 1024), "head-stats": stats_table(heads, "the heads of the fixture"),
        "bench-sim": speed_table(speeds), "coverage": coverage_numbers(),
        "regress LIST": jobs_table(select_jobs(read_entries(LIST), 1, [], None, None, None), Estimate({})),
        "history": runs_table(Group([made(day, {"a@icarus": job(cycles=2**40)}, coverage=covered(990, 999)) for day in (9, 3)])),
        **{f"ablation: {i}": sheet for i, sheet in enumerate(ablation_sheets())},
    }


TABLES = tables()


def characters(text: str) -> Counter[str]:
    """How often each character that can be seen occurs."""
    return Counter(re.sub(r"\s", "", text))


def check(table: Table, lines: list[str], width: float) -> None:
    """Lines fit; every figure of a column that is shown stands there whole; of the words nothing is missing."""
    assert max(map(len, lines)) <= width, max(lines, key=len)
    text = "\n".join(lines)
    assert "…" not in text
    hidden = set()
    if HIDDEN in text.replace("\n", " "):
        note = text.replace("\n", " ").split(HIDDEN)[1].split(" (in a file")[0]
        hidden = set(note.split(", "))
        assert hidden <= {c.name for c in table.columns if c.rank}
    kept = [i for i, c in enumerate(table.columns) if c.name not in hidden]
    words, found = characters(""), Counter(text.split())
    for row in table.rows:
        words += characters(" ".join(str(row.cells[i]) for i in kept))
    figures = Counter(w for row in table.rows for i in kept if not table.columns[i].text for w in str(row.cells[i]).split())
    assert not figures - found and not words - characters(text)
    for i in kept:
        assert not characters(table.columns[i].name) - characters(text)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", TABLES)
def test_nothing_is_cut(name: str, width: int, terminal: Callable[[int], Terminal]) -> None:
    table = TABLES[name]
    file = terminal(width)
    table.show(file)
    check(table, shown(file), width)
    check(table, table.lines(width), width)


@pytest.mark.parametrize("name", TABLES)
def test_a_file_gets_every_column_in_plain_text(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever width the environment speaks of, and one line for the names of the columns."""
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("FORCE_COLOR", "1")
    table, file = TABLES[name], io.StringIO()
    table.show(file)
    text = file.getvalue()
    assert HIDDEN not in text and "\x1b" not in text and text.isascii() == ("±" not in text)
    check(table, text.split("\n"), math.inf)
    names = "".join(c.name for c in table.columns).replace(" ", "")
    assert any(line.replace(" ", "") == names for line in text.split("\n"))


@pytest.mark.parametrize("width", WIDTHS)
def test_the_table_of_a_simulation(width: int, terminal: Callable[[int], Terminal]) -> None:
    """Heads with the longest names, a head that fails, the verdict: 80 columns are enough for what a reader needs first."""
    record, _ = made_up()
    record.heads = [replace(h, name=f"L31H{n}", elements=123456, mismatches=(n == 2) * 98765) for n, h in enumerate(record.heads)]
    record.runs = [replace(r, cycles=1234567, counters={"cycles": 1234567, "rescaled_rows": 123456}) for r in record.runs]
    file = terminal(width)
    print_table(record, file)
    lines = shown(file)
    assert max(map(len, lines)) <= width
    text = " ".join(" ".join(lines).split())
    assert "…" not in text and record.verdict() in text and text.count("98,765") >= 2 and text.count("1,234,567") >= 16
    for head in record.heads:
        assert f"{head.metrics.cosine:.6f}" in text and f"{head.metrics.sqnr_db:.2f}" in text
    assert (HIDDEN in text) == (width < 100)


def test_without_a_way_to_fit_nothing_is_cut_either() -> None:
    """A figure wider than the terminal: better a line that is too long than another number."""
    table = Table([Column("a", text=True), Column("b")])
    table.add("x", "1,234,567,890")
    assert any("1,234,567,890" in line for line in table.lines(8))


def test_styles_survive_where_words_are_broken(terminal: Callable[[int], Terminal]) -> None:
    table = Table([Column("text", text=True)])
    table.add(Text.assemble("plain words, ", ("bold ones that follow", "bold")))
    file = terminal(12)
    table.show(file)
    assert "\x1b[1mbold ones\x1b[0m" in file.getvalue() and "\x1b[1mthat follow\x1b[0m" in file.getvalue()


def test_lines_are_broken_between_words_on_a_terminal_only(terminal: Callable[[int], Terminal]) -> None:
    text = "PASS: 0 of 263,168 output values differ from the golden model"
    file, plain = terminal(20), io.StringIO()
    say(text, file, "bold")
    say(text, plain, "bold")
    assert plain.getvalue() == text + "\n"
    assert " ".join(shown(file)).strip() == text and max(map(len, shown(file))) <= 20


def test_no_command_has_a_table_of_its_own() -> None:
    """What rich's own table cannot do, fitting without cutting, is done in one place."""
    users = [p.relative_to(ROOT) for p in (ROOT / "scripts").rglob("*.py") if re.search(r"rich\.table|import box", p.read_text())]
    # the first one is a grid that is redrawn in place
    assert sorted(users) == [Path("scripts/flow/regress/console.py"), Path("scripts/flow/tables.py")]
