"""An installed copy runs the RTL that it brings, and writes where it was started."""

from __future__ import annotations

import json
from pathlib import Path

from tests.commands.installed import install, installed


def test_a_head_outside_of_a_checkout(tmp_path: Path, seed: int) -> None:
    site, place = install(tmp_path / "wheel"), tmp_path / "place"
    place.mkdir()
    done = installed(site, place, "sim", "CONFIG=tiny", "TOKENS=16", "--heads=0", f"SEED={seed}")
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads((place / "build" / "sim" / "report.json").read_text())
    assert [head["mismatches"] for head in report["heads"]] == [0, 0]
    assert f"repeat with: fcim sim CONFIG=tiny HEADS=0 TOKENS=16 SEED={seed}" in done.stdout
    assert list((place / "build" / "rtl").glob("icarus-fcim_core-*")) and not (site / "fusioncim" / "build").exists()
