"""Configurations: which files load, which keys set which Verilog parameter, and what is refused."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest
import yaml

from models.errors import FcimError
from models.hardware.config import CONFIG_DIR, EngineConfig, config_names, load_config
from scripts.flow.variables import config as config_variable

FLAT = {"rows": 16, "head_dim": 32, "bits_per_cycle": 2, "keys_per_block": 8, "prob_bits": 16, "max_keys": 1024}


def test_every_key_sets_its_parameter_and_nothing_else_does() -> None:
    cfg = EngineConfig("all different", 24, 64, 4, 16, 12, 256)
    assert cfg.verilog_parameters() == {"ROWS": 24, "HEAD_DIM": 64, "BITS_PER_CYCLE": 4, "KEYS_PER_BLOCK": 16, "PROB_BITS": 12,
                                        "MAX_KEYS": 256}
    assert [*EngineConfig.PARAMETERS] == [f.name for f in fields(EngineConfig)[1:]]


def test_the_shipped_ones_load_by_name() -> None:
    assert {"default", "head64", "tiny"} <= set(config_names())
    assert load_config("default") == EngineConfig() and load_config("tiny") == EngineConfig("tiny", **FLAT)
    assert all(load_config(name).name == config_variable(name, "CONFIG") == name for name in config_names())


def test_a_users_flat_file_loads(tmp_path: Path) -> None:
    file = tmp_path / "wide.yaml"
    file.write_text(yaml.safe_dump({"description": "text", **FLAT, "rows": 24}))
    assert load_config(str(file)) == EngineConfig("wide", **{**FLAT, "rows": 24})


@pytest.mark.parametrize("relative", [True, False])
def test_a_file_is_found_where_it_lay_once(relative: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(CONFIG_DIR.parents[1])
    path = "config/tiny.yaml" if relative else str(CONFIG_DIR.parent / "tiny.yaml")
    assert load_config(path) == load_config("tiny") and config_variable(path, "CONFIG") == path


@pytest.mark.parametrize("path", ["config/none.yaml", "models/tiny.yaml"])
def test_no_other_file_is(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(CONFIG_DIR.parents[1])
    for take in (load_config, lambda text: config_variable(text, "CONFIG")):
        with pytest.raises(FcimError, match=f"unknown configuration '{path}'; use one of default, head64, tiny or a path"):
            take(path)


@pytest.mark.parametrize(("change", "message"), [
    ({"engines": 16}, "unknown key 'engines'; the keys are bits_per_cycle, "), ({"rows": None}, "rows must be a whole number"),
    ({"rows": True}, "rows must be a whole number, not True"), ({"rows": 12}, "rows = 12 is illegal; use a multiple of 8"),
])
def test_what_is_refused(change: dict[str, object], message: str, tmp_path: Path) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text(yaml.safe_dump({**FLAT, **change}))
    with pytest.raises(FcimError, match=message):
        load_config(str(file))
