"""The page of the energy model: its example runs as it stands, and its tables say what the model says."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from models.energy.events import Events
from models.energy.formula import TERMS
from scripts.figures import energy
from scripts.figures.text import plain

PAGE = Path(__file__).resolve().parents[2] / "docs" / "energy.md"


def test_the_example(capsys: pytest.CaptureFixture[str]) -> None:
    """Three levels, each dearer than the one before."""
    (code,) = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    exec(code, {})
    lines = capsys.readouterr().out.splitlines()
    costs = [[float(x) for x in re.findall(r"[\d.]+", line)] for line in lines[:3]]
    assert [line.partition(":")[0] for line in lines[:3]] == ["low", "typical", "high"] and len(lines) == 4
    for cheap, dear in zip(costs, costs[1:]):
        assert cheap[0] < dear[0] and cheap[1] < dear[1] and cheap[2] > dear[2] and cheap[3] > dear[3]
    assert "dram" in lines[3]


def test_every_count_is_explained() -> None:
    """In the table of the formula, by the words of its class."""
    _, piece = energy.constants()
    lines = plain(piece.text).split("\n")[2:]
    assert [line.split(" | ")[1].strip("`") for line in lines] == [term.event for term in TERMS]
    assert all(len(line.split(" | ")[3]) > len("read |") for line in lines)
    assert set(energy._meanings()) == {field.name for field in fields(Events)}


def test_the_gates_beside_the_model() -> None:
    """The supply squared: 0.9 / 0.7 V is a factor of 1.653; pairs of the operands that the gates ran."""
    (piece,) = energy.netlists()
    found = {cells[0]: [float(x.replace(",", "")) for x in cells[1:]] for cells in
             ([cell.strip() for cell in line.strip("|").split("|")] for line in plain(piece.text).split("\n")[2:])}
    mac, operations = found["MAC of the IP-CIM"], energy._operations()
    assert mac[1] == pytest.approx(mac[0] * 1.653, rel=0.01)
    bits = operations["MAC of the IP-CIM"][1]
    assert mac[3] == pytest.approx(bits["k"] * bits["q"] * 4.6875, abs=0.5)
    assert list(found) == list(operations) and all(row[2] <= row[3] <= row[4] for row in found.values())
