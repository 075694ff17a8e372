"""Open the newest waveform if a viewer and a screen are there."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from pathlib import Path

from models.errors import FcimError, run_cli
from models.place import BUILD, CHECKOUT, FRONT, PLACE, ROOT

VIEWS = Path("docs", "waves") if CHECKOUT else ROOT / "docs" / "waves"
VIEWERS = {"gtkwave": ("gtkwave", "{wave}", str(VIEWS / "engine.gtkw")),
           "surfer": ("surfer", "{wave}", "--command-file", str(VIEWS / "engine.sucl"))}
VIEWED = "fcim_core.fst"      # the waveforms whose signals the saved views name


def command(viewer: str, wave: str, viewed: bool) -> list[str]:
    """What starts ``viewer`` on the file ``wave``, with the saved view if its signals are those."""
    words = [word.format(wave=wave) for word in VIEWERS[viewer]]
    return words if viewed else words[:2]


def main() -> int:
    """Start a viewer on the newest FST file below build/, or say how to.

    Raises:
        FcimError: there is none.
    """
    files = sorted(BUILD.rglob("*.fst"), key=lambda p: p.stat().st_mtime)
    if not files:
        raise FcimError(f"no waveform below build/; run: {FRONT} waves")
    wave, viewed = str(files[-1].relative_to(PLACE)), files[-1].name == VIEWED
    viewer = next((name for name in VIEWERS if shutil.which(name)), None)
    if viewer and (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        subprocess.Popen(command(viewer, wave, viewed), cwd=PLACE, start_new_session=True)
        return 0
    print("no screen to show it on; where there is one, type" if viewer else
          "no viewer found; install gtkwave or surfer, then type")
    for name in [viewer] if viewer else VIEWERS:
        print("  " + shlex.join(command(name, wave, viewed)))
    print("docs/waves.md says which signals show what: first ip_active (its gaps are lost cycles), then col_valid,\n"
          "m_decision_valid, blk_start and m_o_valid, the handshakes from stage to stage")
    return 0


if __name__ == "__main__":
    run_cli(main)
