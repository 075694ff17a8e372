"""An installed copy of the project to try: what ``pip install`` makes of the checkout, and its ``fcim``."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

from scripts.flow.sources import ROOT
from tests.commands.bad_inputs import run

START = "import site, sys; site.addsitedir(sys.argv.pop(1)); import fusioncim_start; fusioncim_start.main()"


def install(folder: Path) -> Path:
    """Make the wheel, with no network, and unpack it; the folder with what it puts into an environment."""
    subprocess.run([sys.executable, "-m", "pip", "wheel", "-q", "--disable-pip-version-check", "--no-index", "--no-deps",
                    "--no-build-isolation", "-w", folder, ROOT], check=True, timeout=120)
    (wheel,) = folder.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(folder / "site")
    return folder / "site"


def installed(site: Path, place: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """What the installed ``fcim`` does in the folder ``place``."""
    return run([sys.executable, "-P", "-c", START, str(site), *words], place)
