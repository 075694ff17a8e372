"""Sums over children, floors, the treemap: what is made of the blocks that were synthesized."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from models.errors import FcimError
from scripts.flow.gates.cells import Cell, Library
from scripts.flow.gates.timing import Model, Step
from scripts.flow.gates.timing import Path as TimingPath
from scripts.synth import page
from scripts.synth.block import Gates, Memory, Timed, as_data, timed_from
from scripts.synth.elaborate import TOPS
from scripts.synth.floors import read_floors, worse, write_floors
from scripts.synth.libraries import Chosen, Settings
from scripts.synth.record import BlockResult, Result
from scripts.synth.table import show
from scripts.synth.treemap import Node, layout, squarified

NAND = Cell("NAND", 2.0, {"A": 1.0}, ("Y",), None, False, ())
MEMORY, ROM = Memory("mem", 8, 4, 1, 1, True, False), Memory("rom", 8, 4, 1, 0, False, False)
MACRO = Memory("big", 100, 10, 1, 1, True, True)


def gates(area: float, *memories: Memory, latches: tuple[str, ...] = ()) -> Gates:
    """A block of ``area`` um2 and a cell for each."""
    return Gates(int(area), 3, area, list(latches), list(memories), {"NAND": int(area)}, 0, [], 1.0)


def block(name: str, area: float, ps: float, children: dict[str, str] | None = None, **more: object) -> BlockResult:
    """A block with a path of ``ps``."""
    path = TimingPath(ps, f"{name}_q", "y", "register to output", (Step("NAND", "n", ps),)) if ps else None
    timed = Timed(path, path, Model(through={("a", "b"): 33.0}))
    return BlockResult(name, children or {}, gates(area, *more.pop("memories", ()), **more), timed)


def result(name: str = "asap7", area: float = 10.0, ps: float = 500.0, **more: object) -> Result:
    """An engine with two leaves that are the same and one that is not."""
    settings = Settings(name, nand2="NAND", bit=0.5)
    blocks = [block("fcim_leaf", area, ps, memories=(MEMORY, ROM), **more), block("fcim_other", 30.0, 0.0, memories=(MACRO,)),
              block("fcim_engine", 5.0, 700.0, {"u_a": "fcim_leaf", "u_b": "fcim_leaf", "u_c": "fcim_other"})]
    return Result("tiny", Chosen(Path("x.lib"), Library("x", {"NAND": NAND}), settings), {b.name: b for b in blocks},
                  ("fcim_engine",))


def test_a_block_counts_as_often_as_it_occurs() -> None:
    sums = result().sums("fcim_engine")
    assert (sums.cells, sums.flops, sums.memory_bits, sums.macro_bits) == (55, 12, 64, 1000)
    assert sums.area == 5 + 2 * 10 + 30 + 1000 * 0.5
    assert [result().count(name) for name in ("fcim_leaf", "fcim_other", "fcim_engine")] == [2, 1, 1]
    assert result().equivalents(sums.area) == sums.area / 2


def test_latches_are_faults() -> None:
    assert result().faults() == []
    fault, = result(latches=("sum_q",)).faults()
    assert fault == "tiny: fcim_leaf has 1 latch; assign on every path"


def test_a_path_through_two_blocks_ready_is_a_fault() -> None:
    assert replace(result(), chains={"fcim_engine": ("u_a.s_ready",), "fcim_core": ()}).faults() == []
    fault, = replace(result(), chains={"fcim_core": ("u_a.s_ready", "u_b.s_ready")}).faults()
    assert fault == "tiny: a path in fcim_core passes through u_a.s_ready and u_b.s_ready; register one of them"


def test_what_is_worse_than_its_floor_by_more_than_two_percent(tmp_path: Path) -> None:
    path = tmp_path / "floors.yaml"
    write_floors([result()], path)
    floors = read_floors(path)
    assert floors["tiny"]["fcim_leaf"] == {"area": 10.0, "path": 500.0}
    assert worse(result(), floors) == worse(result(area=10.2, ps=510), floors) == worse(result(area=1, ps=1), floors) == []
    assert worse(result(area=10.4), floors) == ["tiny: fcim_leaf has an area of 10 um2, 4.0 % more than its floor of 10"]
    assert worse(result(ps=511), floors) == ["tiny: fcim_leaf has a path of 511 ps, 2.2 % more than its floor of 500"]
    assert worse(result("other", area=99), floors) == [] == worse(result(area=99), {})


def test_floors_of_blocks_that_are_gone_leave_when_all_are_synthesized(tmp_path: Path) -> None:
    path, whole = tmp_path / "floors.yaml", replace(result(), tops=TOPS)
    write_floors([whole], path)
    part = Result("tiny", result().chosen, {"fcim_new": block("fcim_new", 1.0, 1.0)}, ("fcim_new",))
    write_floors([part], path)
    assert set(read_floors(path)["tiny"]) == {"fcim_leaf", "fcim_other", "fcim_engine", "fcim_new"}
    write_floors([result()], path)
    assert "fcim_new" in read_floors(path)["tiny"], "units beside the engine were not synthesized"
    write_floors([whole], path)
    assert set(read_floors(path)["tiny"]) == {"fcim_leaf", "fcim_other", "fcim_engine"}


@pytest.mark.parametrize("text", ["tiny: 3", "tiny: {a: {area: 1}}", "tiny: {a: {area: x, path: 1}}", "a: b: c", "[1]"])
def test_floors_that_are_none_are_refused_in_one_line(text: str, tmp_path: Path) -> None:
    (tmp_path / "floors.yaml").write_text(text)
    with pytest.raises(FcimError, match="make synth FLOORS=1") as raised:
        read_floors(tmp_path / "floors.yaml")
    assert "\n" not in str(raised.value)
    assert read_floors(tmp_path / "none.yaml") == {}


def test_timings_come_back_from_json() -> None:
    model = Model({"o": (1.0, "q")}, {"i": (2.0, "r")}, {("i", "o"): 3.0}, {"o": 4.0}, {"i": 5.0})
    timed = Timed(block("fcim_x", 1, 9.0).timed.worst, block("fcim_x", 1, 8.0).timed.worst, model, 0.5)
    assert timed_from(as_data(timed)) == timed
    assert timed_from(as_data(Timed(None, None, Model()))) == Timed(None, None, Model())


def test_rectangles_have_the_areas_fill_the_picture_and_do_not_overlap() -> None:
    areas = [50.0, 20.0, 10.0, 10.0, 5.0, 5.0]
    boxes = squarified(areas, 0, 0, 20, 10)
    assert [w * h for _, _, w, h in boxes] == pytest.approx([2 * a for a in areas])
    for i, (x, y, w, h) in enumerate(boxes):
        assert x >= 0 and y >= 0 and x + w <= 20 + 1e-9 and y + h <= 10 + 1e-9
        assert all(x + w <= a + 1e-9 or a + c <= x + 1e-9 or y + h <= b + 1e-9 or b + d <= y + 1e-9
                   for a, b, c, d in boxes[:i])
    assert max(max(w / h, h / w) for _, _, w, h in boxes) < 3


def test_children_lie_in_their_parent() -> None:
    whole = layout(Node("all", 10, (Node("a", 5, (Node("b", 3),)), Node("none", 0), Node("c", 2))), 100, 60, 8)
    assert {box.node.name for box in whole.all()} == {"all", "a", "b", "c", ""}
    for box in whole.all():
        for part in box.inside:
            assert part.x >= box.x and part.y >= box.y and part.x + part.width <= box.x + box.width + 1e-9


def test_the_page_and_the_table_show_every_block(capsys: pytest.CaptureFixture[str]) -> None:
    text = page.page([result()], ["tiny: <a> is wrong"], "make synth", {"library": "x"})
    assert text.count("<rect") == 5 and "tiny: &lt;a&gt; is wrong" in text and "555 um2" in text and "FAIL" in text
    assert text.count("<td>a</td><td>b</td><td class=\"num\">33</td>") == 3
    assert "<script" not in text and "http" not in text
    show(result())
    out = capsys.readouterr().out
    assert "leaf x 2" in out and "700" in out and "leaf.mem" in out and ".rom" not in out and "macro" in out
