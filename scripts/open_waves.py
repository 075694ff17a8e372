"""Open the newest waveform if a viewer and a screen are there."""

from __future__ import annotations

import os
import shutil
import subprocess

from models.errors import FcimError, run_cli
from scripts.rtl_list import ROOT

VIEWERS = ("gtkwave", "surfer")


def main() -> int:
    """Start a viewer on the newest FST file below build/.

    Raises:
        FcimError: there is none.
    """
    files = sorted((ROOT / "build").rglob("*.fst"), key=lambda p: p.stat().st_mtime)
    if not files:
        raise FcimError("no waveform below build/; run: make waves")
    viewer = next((found for name in VIEWERS if (found := shutil.which(name))), None)
    if viewer is None:
        print("no viewer found; install gtkwave or surfer to see it")
    elif os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        subprocess.Popen([viewer, str(files[-1])], start_new_session=True)
    return 0


if __name__ == "__main__":
    run_cli(main)
