"""The reports of a regression: JSON, JUnit XML and a page, each replaced as a whole."""

from __future__ import annotations

from pathlib import Path

from scripts.flow.files import write_atomic
from scripts.flow.regress import junit, page, record
from scripts.flow.regress.record import Record


def write_reports(rec: Record, out: Path) -> None:
    """Write all three into ``out``.

    Raises:
        FcimError: the folder cannot be written.
    """
    write_atomic(out / record.FILE, rec.as_json())
    write_atomic(out / junit.FILE, junit.render_junit(rec, out))
    write_atomic(out / page.FILE, page.render_page(rec, out))
