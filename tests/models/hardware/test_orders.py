"""The file of orders: written and read again, refused in one line when it is not one, and what a head gets from it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from models.errors import FcimError
from models.hardware.config import EngineConfig
from models.hardware.orders import Effect, Orders, load_orders
from models.hardware.schedules import SCHEDULES, TileOptions

ORDERS = Orders("m", "a text", 99, "tiny", 16, 3, tuple(
    (TileOptions(schedule, fused, tau=tau), TileOptions())
    for schedule, fused, tau in zip(SCHEDULES, (True, False) * 2, (0, 1, 8, 2))), (Effect("t", 20, 8, 2, 0.25, 0.5),))


def test_a_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "orders.json"
    path.write_text(ORDERS.text_form())
    assert load_orders(path) == ORDERS
    assert len(path.read_text().splitlines()) == 9 + 10 + 1 + len(SCHEDULES) + 2, "a layer a line"


def test_what_an_effect_saves() -> None:
    assert ORDERS.effects[0].fewer == 0.75 and Effect("t", 1, 0, 0, 0.0, 0.0).fewer == 0.0


def test_what_a_head_gets() -> None:
    given = TileOptions("natural", skip=True, tau=4, octaves=7)
    want = TileOptions("sink_diagonal", True, skip=True, tau=8, octaves=7)
    assert ORDERS.options_of(2, 0, given) == want == ORDERS.of_head("L2H0", given) == ORDERS.of_head("L2H2", given)
    assert ORDERS.of_head("L2H3") == TileOptions() and ORDERS.of_head("L1H1") == TileOptions("diagonal_first", tau=1)
    assert set(ORDERS.each()) == {options for layer in ORDERS.chosen for options in layer}
    for name, message in (("H0", "'H0' is none; leave ORDERS out"), ("L4H0", "L4H0 is none of them"),
                          ("L0H6", "L0H6 is none of them")):
        with pytest.raises(FcimError, match=message):
            ORDERS.of_head(name)


def test_another_model_or_configuration() -> None:
    assert ORDERS.check_model(4, 6, 2) is ORDERS and ORDERS.check(EngineConfig()) is ORDERS
    for sizes in ((3, 6, 2), (4, 8, 2), (4, 6, 3)):
        with pytest.raises(FcimError, match="model 'm' with 4 layers of 6 heads on 2 KV heads"):
            ORDERS.check_model(*sizes)
    with pytest.raises(FcimError, match="TAU = 8 is illegal for configuration"):
        ORDERS.check(EngineConfig(prob_bits=8))


def _changed(**changes: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda data: {name: value for name, value in {**data, **changes}.items() if value is not None}


def _entry(**changes: Any) -> Callable[[dict[str, Any]], Any]:
    def change(data: dict[str, Any]) -> Any:
        data["layers"][1][1] |= changes
        return data
    return change


@pytest.mark.parametrize(("change", "message"), [
    (lambda data: [], "does not say format"), (_changed(format="other"), "does not say format"),
    (_changed(version=1), "has version 1 and version 2 is read"), (_changed(tokens=None), "'tokens' is missing"),
    (_changed(tokens=True), "'tokens' is missing"), (_changed(model=3), "'model' is missing or of another type"),
    (_changed(tokens=0), "a number is below 1"), (_changed(colour="red"), "'colour' is not known"),
    (_changed(effects=[{}]), "an entry of 'effects' must hold text, rows"), (_changed(effects=None), "'effects' is missing"),
    (_changed(layers=[]), "'layers' must hold for every layer"), (_changed(layers=[[]]), "'layers' must hold for every layer"),
    (lambda data: data | {"layers": [data["layers"][0], data["layers"][1][:1]]}, "'layers' must hold for every layer"),
    (_entry(schedule="up"), "layer 1, KV head 1: unknown schedule 'up'"),
    (_entry(tau=9), "layer 1, KV head 1: TAU = 9 is illegal"),
    (_entry(fused=1), "must hold a name, true or false, and a whole number"),
    (_entry(skip=True), "schedule, fused and tau, and nothing")])
def test_bad_files(change: Callable[[dict[str, Any]], Any], message: str, tmp_path: Path) -> None:
    path = tmp_path / "orders.json"
    path.write_text(json.dumps(change(json.loads(ORDERS.text_form()))))
    with pytest.raises(FcimError) as caught:
        load_orders(path)
    text = str(caught.value)
    assert message in text and str(path) in text and text.endswith("run make calibrate again") and "\n" not in text


def test_no_file_at_all(tmp_path: Path) -> None:
    (tmp_path / "cut.json").write_text(ORDERS.text_form()[:-20])
    (tmp_path / "binary.json").write_bytes(b"\xff\xfe\x00")
    for name, message in (("none.json", "cannot be read"), ("cut.json", "is no JSON"), ("binary.json", "is no JSON")):
        with pytest.raises(FcimError, match=f"{message}.*make calibrate writes one"):
            load_orders(tmp_path / name)
