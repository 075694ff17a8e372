"""The constants of the energy model: what the shipped set says, and which files are refused."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from models.energy.constants import ENERGY_DIR, LEVELS, UNITS, Constants, energy_names, load_constants
from models.errors import FcimError

SHIPPED: dict[str, Any] = yaml.safe_load((ENERGY_DIR / "28nm.yaml").read_text())


def written(folder: Path, data: object) -> str:
    file = folder / "own.yaml"
    file.write_text(data if isinstance(data, str) else yaml.safe_dump(data))
    return str(file)


def test_the_shipped_set_loads() -> None:
    constants = load_constants()
    assert isinstance(constants, Constants) and constants.name == "28nm" and energy_names() == ["28nm"]
    assert list(constants.values) == list(UNITS)
    for name, one in constants.values.items():
        assert one.unit.endswith(UNITS[name]) and one.node == 28
        assert 0 < one.joule("low") <= one.joule("typical") <= one.joule("high")
        assert one.joule("low") < one.joule("high"), name


@pytest.mark.parametrize(("name", "femtojoule"), [("inner_pair", (37, 75, 115)), ("outer_pair", (46, 90.24, 138.4))])
def test_products_cost_what_macros_were_published_at(name: str, femtojoule: tuple[float, ...]) -> None:
    """Half of the bits of both operands set: 4 times 4 pairs."""
    constants = load_constants()
    assert [16 * constants.joule(name, level) * 1e15 for level in LEVELS] == pytest.approx(femtojoule)


def test_units() -> None:
    constants = load_constants()
    assert constants.joule("dram", "typical") == pytest.approx(8 * 8e-12)       # 8 pJ a bit, by the byte
    assert constants.joule("cell_write", "typical") == pytest.approx(15e-15)


def test_a_users_own_file(tmp_path: Path) -> None:
    own = copy.deepcopy(SHIPPED)
    own["dram"].update(low=1, typical=2, high=3)
    constants = load_constants(written(tmp_path, own))
    assert constants.name == "own" and constants.joule("dram", "high") == pytest.approx(3e-12)
    assert constants.values["bus"] == load_constants().values["bus"]


def test_one_constant_is_held() -> None:
    constants = load_constants()
    held = constants.fixed("bus", "high")
    assert {held.joule("bus", level) for level in LEVELS} == {constants.joule("bus", "high")}
    assert all(held.values[name] == constants.values[name] for name in UNITS if name != "bus")


def change(entry: dict[str, object]) -> dict[str, Any]:
    """The shipped set with another ``bus``: keys of None are left out."""
    data = copy.deepcopy(SHIPPED)
    data["bus"] = {key: value for key, value in {**data["bus"], **entry}.items() if value is not None}
    return data


@pytest.mark.parametrize(("data", "message"), [
    ({**SHIPPED, "wire": {}}, "unknown constant 'wire'; the constants are adder, "),
    ({name: value for name, value in SHIPPED.items() if name != "dram"}, "missing constant 'dram'"),
    ({**SHIPPED, "bus": 3}, "bus must hold the keys unit, low, typical, high, node, source, conversion"),
    (change({"typical": None}), "bus lacks 'typical'"), (change({"usual": 3}), "bus has an unknown key 'usual'"),
    (change({"unit": "nJ/bit"}), "bus has the unit 'nJ/bit'; use fJ/bit or pJ/bit"),
    (change({"unit": "fJ/byte"}), "bus has the unit 'fJ/byte'"),
    (change({"low": 600}), "bus has low = 600, typical = 500, high = 1000; write them in ascending order"),
    (change({"high": 499.5}), "typical = 500, high = 499.5; write them in ascending order"),
    (change({"low": -1}), "bus has low = -1; use a number from 0 on"), (change({"low": True}), "low = True; use a number"),
    (change({"high": "much"}), "high = 'much'; use a number"), (change({"high": float("nan")}), "high = nan; use a number"),
    (change({"node": "28 nm"}), "node = '28 nm'; use nm, a whole number"), (change({"node": 0}), "node = 0; use nm"),
    (change({"source": " "}), "bus says no source; write it in words"), (change({"conversion": 5}), "bus says no conversion"),
    ("- bus\n", "must hold an entry for each constant"), ("bus: [\n", "is not valid YAML"),
])
def test_what_is_refused(data: object, message: str, tmp_path: Path) -> None:
    with pytest.raises(FcimError) as error:
        load_constants(written(tmp_path, data))
    assert message in str(error.value) and "\n" not in str(error.value) and "own.yaml" in str(error.value)


@pytest.mark.parametrize("name", ["22nm", "config/energy/none.yaml"])
def test_no_such_set(name: str) -> None:
    with pytest.raises(FcimError, match=f"unknown energy constants '{name}'; use one of 28nm or a path"):
        load_constants(name)


def test_no_such_level() -> None:
    with pytest.raises(FcimError, match="no level 'middle' of the energy constants; use low, typical, high"):
        load_constants().joule("bus", "middle")
