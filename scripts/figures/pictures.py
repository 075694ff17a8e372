"""Pictures of the pages: plots that commands leave in ``build``, and screenshots of their HTML pages."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

from scripts.figures import waveforms
from scripts.flow.files import write_atomic
from scripts.flow.sources import ROOT
from scripts.studies.schedules.report import FIGURES

IMAGES = ROOT / "docs" / "images"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
SIZE = "1280,1100"
TIMEOUT_S = 120
PLOTS = {"ablation": {f"build/ablation/{name}.svg": f"ablation_{name}.svg" for name in FIGURES},
         "precision": {"build/precision/precision.svg": "precision.svg"},
         "system-runs": {"build/system-llama3-8b-prefill-1024/timeline.png": "system_prefill.png"}}
SCREENSHOTS = {"regression": ("build/regress/index.html", "regression.png"),
               "coverage": ("build/coverage/index.html", "coverage.png")}


def take_pictures(figure: str) -> list[str]:
    """Bring the pictures of a figure's command into the pages; gives what was done, one line each."""
    lines = []
    for source, name in PLOTS.get(figure, {}).items():
        if (ROOT / source).is_file():
            shutil.copyfile(ROOT / source, IMAGES / name)
            lines.append(f"docs/images/{name} is {source}")
        else:
            lines.append(f"docs/images/{name} stays as it is: there is no {source}")
    if figure == "waveforms":
        write_atomic(IMAGES / waveforms.PICTURE, waveforms.drawn(waveforms.tile()))
        lines.append(f"docs/images/{waveforms.PICTURE} is drawn from the model in time")
    if figure in SCREENSHOTS:
        source, name = SCREENSHOTS[figure]
        lines.append(_screenshot(ROOT / source, IMAGES / name))
    return lines


def _screenshot(page: Path, picture: Path) -> str:
    shown = picture.relative_to(ROOT)
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if not page.is_file():
        return f"{shown} stays as it is: there is no {page.relative_to(ROOT)}"
    if browser is None:
        return f"{shown} stays as it is: no browser to make it with (apt-get install chromium)"
    with tempfile.TemporaryDirectory() as folder:
        new = Path(folder) / picture.name
        flags = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
                 "--disable-component-update", "--disable-sync", "--hide-scrollbars", f"--user-data-dir={folder}/profile",
                 f"--window-size={SIZE}", f"--screenshot={new}")
        try:
            subprocess.run([browser, *flags, page.as_uri()], capture_output=True, timeout=TIMEOUT_S, check=True)
        except (OSError, subprocess.SubprocessError) as error:
            return f"{shown} stays as it is: {browser} failed ({type(error).__name__})"
        if not new.is_file():
            return f"{shown} stays as it is: {browser} made no picture"
        shutil.copyfile(new, picture)
    return f"{shown} is a picture of {page.relative_to(ROOT)}"
