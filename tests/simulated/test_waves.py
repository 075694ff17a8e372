"""The saved views of waveforms name signals that are there, and ``make waves`` says how to look at them."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from models.errors import FcimError
from models.hardware.config import config_names, load_config
from scripts import open_waves
from scripts.flow.sources import ROOT

VIEWS = ROOT / "docs" / "waves"
DUMP = """
module dump;
    initial begin
        $dumpfile("hierarchy.vcd");
        $dumpvars(0, fcim_core);
        #1 $finish;
    end
endmodule
"""


def hierarchy(config: str, folder: Path) -> dict[str, int]:
    """Every signal below ``fcim_core`` with its width, as Icarus writes it into a waveform."""
    (folder / "dump.v").write_text(DUMP)
    values = [f"-Pfcim_core.{name}={value}" for name, value in load_config(config).verilog_parameters().items()]
    subprocess.run(["iverilog", "-g2012", "-s", "fcim_core", "-s", "dump", *values, "-o", folder / "dump.vvp",
                    "-f", "fusioncim.f", folder / "dump.v"], cwd=ROOT, check=True)
    subprocess.run(["vvp", "-n", "dump.vvp"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    scope, found = [], {}
    for line in (folder / "hierarchy.vcd").read_text().split("$enddefinitions")[0].splitlines():
        words = line.split()
        if words[:1] == ["$scope"]:
            scope.append(words[2])
        elif words[:1] == ["$upscope"]:
            scope.pop()
        elif words[:1] == ["$var"]:
            found[".".join([*scope, words[4]])] = int(words[2])
    return found


def views() -> tuple[list[str], list[str]]:
    """The signals of both views, in their order."""
    gtkwave = re.findall(r"^fcim_core\S+$", (VIEWS / "engine.gtkw").read_text(), re.M)
    surfer = re.findall(r"^variable_add (\S+)$", (VIEWS / "engine.sucl").read_text(), re.M)
    return gtkwave, surfer


@pytest.mark.parametrize("config", config_names())
def test_every_signal_of_the_views_is_in_every_waveform(config: str, tmp_path: Path) -> None:
    gtkwave, surfer = views()
    widths = hierarchy(config, tmp_path)
    assert len(gtkwave) > 40 and gtkwave == surfer
    assert [name for name in gtkwave if widths.get(name) != 1] == []      # a width that depends on nothing
    assert "fcim_core.no_such_signal" not in widths


def test_the_page_names_the_signals_of_the_views_and_no_others(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "waves.md").read_text()
    rows = re.findall(r"^\| [^|]+ \| ((?:`[\w.]+`(?:, )?)+) \|", page.split("Data beside them")[0], re.M)
    named = [f"fcim_core.{name}" for row in rows for name in re.findall(r"`([\w.]+)`", row)]
    assert named == views()[0]
    widths = hierarchy("tiny", tmp_path)
    data = re.findall(r"`([\w.]+)`", "".join(re.findall(r"^\| (`[^|]+) \|", page.split("Data beside them")[1], re.M)))
    assert len(data) > 8 and [name for name in data if f"fcim_core.{name}" not in widths] == []


@pytest.mark.parametrize(("viewers", "screen", "says"), [
    ((), "", ["no viewer found", "  gtkwave build/runs/fcim_core.fst docs/waves/engine.gtkw",
              "  surfer build/runs/fcim_core.fst --command-file docs/waves/engine.sucl", "ip_active"]),
    (("surfer",), "", ["no screen", "  surfer build/runs/fcim_core.fst --command-file docs/waves/engine.sucl"]),
    (("gtkwave",), ":0", []),
], ids=["no-viewer", "no-screen", "viewer"])
def test_make_waves_says_how_to_look(viewers: tuple[str, ...], screen: str, says: list[str], tmp_path: Path,
                                     monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    started: list[list[str]] = []
    monkeypatch.setattr(open_waves, "PLACE", tmp_path)
    monkeypatch.setattr(open_waves, "BUILD", tmp_path / "build")
    monkeypatch.setattr(open_waves.subprocess, "Popen", lambda words, **_: started.append(words))
    monkeypatch.setattr(open_waves.shutil, "which", lambda name: name if name in viewers else None)
    monkeypatch.setenv("DISPLAY", screen)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    with pytest.raises(FcimError, match="no waveform below build/; run: make waves"):
        open_waves.main()
    (tmp_path / "build" / "runs").mkdir(parents=True)
    (tmp_path / "build" / "runs" / "fcim_core.fst").write_bytes(b"")
    assert open_waves.main() == 0
    shown = capsys.readouterr().out
    assert all(text in shown for text in says) and bool(shown) == bool(says)
    assert started == ([["gtkwave", "build/runs/fcim_core.fst", "docs/waves/engine.gtkw"]] if screen else [])
    os.utime(tmp_path / "build" / "runs" / "fcim_core.fst", (1, 1))
    (tmp_path / "build" / "runs" / "tb_core.fst").write_bytes(b"")    # another top: the views do not fit
    open_waves.main()
    assert "docs/waves/" not in capsys.readouterr().out.replace("docs/waves.md", "")
