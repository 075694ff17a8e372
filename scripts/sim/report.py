"""The report of a simulation: ``report.json`` for programs, ``report.html`` for people, both of one run at any time.

Runs that share a folder may go on at the same time, each in a work folder of its own. The report is that of the run that
wrote to it last: when it began, which the report says, or when it ended.
"""

from __future__ import annotations

import contextlib
import json
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path

from models.errors import FcimError
from scripts.flow.files import replaced
from scripts.sim.figures import HeadPicture, head_picture
from scripts.sim.page import render_page, render_unfinished
from scripts.sim.record import RUNNING, STOPPED, SimRecord
from scripts.sim.wrong_figure import WrongPicture

__all__ = ["WORK_IN", "HeadPicture", "head_picture", "reported", "write_report"]

NAMES = ("report.json", "report.html")
WORK_IN = "runs"    # folder of the runs' work folders, beside the report


def _write(record: SimRecord, page: str, folder: Path) -> tuple[Path, Path]:
    text = record.to_json()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with replaced(folder, NAMES) as new:
            for name, content in zip(NAMES, (text, page), strict=True):
                (new / name).write_text(content, encoding="utf-8")
    except OSError as error:
        raise FcimError(f"cannot write to {folder} ({error.strerror or error}); choose a folder that you may write to") from None
    json_path, html_path = (folder / name for name in NAMES)
    return json_path, html_path


def write_report(record: SimRecord, pictures: Sequence[HeadPicture] = (), folder: Path = Path("build/sim"),
                 wrong: Sequence[WrongPicture] = ()) -> tuple[Path, Path]:
    """Write both files into ``folder`` and give their paths (JSON, HTML).

    Both texts are made before either file is touched, and both files are replaced together.

    Args:
        record: the finished record.
        pictures: one head per layer, from :func:`head_picture`; may be empty.
        folder: made if it is missing.
        wrong: where the output of heads differs from the golden model.

    Raises:
        FcimError: the folder cannot be written.
    """
    return _write(record, render_page(record, pictures, wrong), folder)


def _is_report_of(run: str, folder: Path) -> bool:
    """Whether the report in ``folder`` is that of ``run``."""
    try:
        return json.loads((folder / NAMES[0]).read_text())["run"] == run
    except (OSError, ValueError, KeyError, TypeError):
        return False


@contextlib.contextmanager
def reported(record: SimRecord, folder: Path) -> Iterator[None]:
    """While inside, the report says that ``record``'s run is under way, in place of an earlier run's; if it ends by an
    exception or a signal, that it was stopped and by what. Where there was no report and the input is refused, none is left.

    Raises:
        FcimError: the folder cannot be written.
    """
    fresh, was_there = not (folder / NAMES[0]).exists(), folder.exists()
    record.state = RUNNING
    _write(record, render_unfinished(record), folder)
    try:
        yield
    except BaseException as error:
        if _is_report_of(record.run, folder):   # a run that began later may have taken the place
            if isinstance(error, FcimError) and fresh:
                _remove(folder, was_there)
            else:
                record.state, record.stopped_by = STOPPED, _reason(error)
                with contextlib.suppress(FcimError):
                    _write(record, render_unfinished(record), folder)
        raise


def _reason(error: BaseException) -> str:
    """What ended a run, in a line."""
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    if isinstance(error, SystemExit) and isinstance(error.code, int) and error.code > 128:
        return f"ended by {signal.Signals(error.code - 128).name}"
    return " ".join(str(error).split()) or type(error).__name__


def _remove(folder: Path, was_there: bool) -> None:
    """The report of a run that never began, and what was made for it."""
    for name in NAMES:
        (folder / name).unlink(missing_ok=True)
    for place in (folder / WORK_IN, *([] if was_there else [folder])):
        with contextlib.suppress(OSError):      # it was not made yet, or something else lies there
            place.rmdir()
