"""Write the report of a simulation: ``report.json`` for programs, ``report.html`` for people."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from scripts.report.figures import HeadPicture, head_picture
from scripts.report.files import write_atomic
from scripts.report.page import render_page
from scripts.sim_record import SimRecord

__all__ = ["HeadPicture", "head_picture", "write_report"]


def write_report(record: SimRecord, pictures: Sequence[HeadPicture] = (), folder: Path = Path("build/sim")) -> tuple[Path, Path]:
    """Write both files into ``folder`` and give their paths (JSON, HTML).

    Both texts are made before either file is touched, and each file is replaced in one step.

    Args:
        record: the finished record.
        pictures: one head per layer, from :func:`head_picture`; may be empty.
        folder: made if it is missing.

    Raises:
        FcimError: the folder cannot be written.
    """
    texts = {folder / "report.json": record.to_json(), folder / "report.html": render_page(record, pictures)}
    for path, text in texts.items():
        write_atomic(path, text)
    json_path, html_path = texts
    return json_path, html_path
