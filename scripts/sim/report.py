"""The report of a simulation: ``report.json`` for programs, ``report.html`` for people, both of one run at any time. The page
needs nothing but itself: styles inside, pictures as data.

Runs that share a folder may go on at the same time, each in a work folder of its own. The report is that of the run that
wrote to it last: when it began, which the report says, or when it ended.
"""

from __future__ import annotations

import base64
import contextlib
import json
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from models.errors import FcimError
from models.hardware.interface import COUNTER_INFO
from models.quality.bounds import LOSS_CHECK
from scripts.flow.files import replaced
from scripts.flow.html import render
from scripts.sim.figures import (
    DRAWN,
    MAX_PIXELS,
    HeadPicture,
    WrongPicture,
    error_figure,
    head_figure,
    sqnr_figure,
    wrong_figure,
)
from scripts.sim.record import DONE, RUNNING, STOPPED, HeadRow, PhaseRun, SimRecord
from scripts.sim.table import causes, failures, head_cells

TEMPLATES = Path(__file__).parent / "templates"
NAMES = ("report.json", "report.html")
WORK_IN = "runs"    # folder of the runs' work folders, beside the report


def _picture(png: bytes, alt: str, caption: str) -> dict[str, str]:
    return {"data": base64.b64encode(png).decode(), "alt": alt, "caption": caption}


def _tiles(record: SimRecord) -> list[tuple[str, str, str]]:
    """The four figures that a reader wants first: label, value, note."""
    t, heads = record.totals(), record.heads
    tiles = [("Mismatches", f"{t['mismatches']:,}", f"of {t['elements']:,} output values")]
    if heads:
        worst = min(heads, key=lambda h: h.metrics.sqnr_db)
        lost = max(heads, key=lambda h: h.loss_db)
        tiles.append(("Worst SQNR", f"{worst.metrics.sqnr_db:.1f} dB", f"{worst.name}, {worst.phase}"))
        tiles.append(("Largest loss to float", f"{lost.loss_db:.2f} dB", f"same 8-bit operands; {lost.name}, {lost.phase}"))
    if t["cycles"]:
        tiles.append(("Cycles", f"{t['cycles']:,}", f"{100 * t['ideal_cycles'] / t['cycles']:.1f} % of ideal"))
    return tiles


def _heads(record: SimRecord) -> list[tuple[HeadRow, tuple[str, ...], int]]:
    """Each head with its cells, and how many rows the cells of its run span: 0 but for the first head of the run."""
    names, rows = [h.run for h in record.heads], []
    for i, (head, cells) in enumerate(zip(record.heads, head_cells(record), strict=True)):
        first = i == 0 or head.run != names[i - 1]
        span = next((n for n, run in enumerate(names[i:]) if run != head.run), len(names) - i) if first else 0
        rows.append((head, cells, span))
    return rows


def _counter_sums(runs: Sequence[PhaseRun]) -> list[dict[str, Any]]:
    """For each counter what it counts, its sum over the runs, and what the models predicted."""
    rows = []
    for name in dict.fromkeys(name for run in runs for name in run.counters):
        unit, counts = COUNTER_INFO[name][:2] if name in COUNTER_INFO else ("", "")
        having = [run for run in runs if name in run.counters]
        known = [run for run in having if name in run.predicted]
        rows.append({"name": name, "counts": f"{unit} {counts}".replace("`", ""),
                     "total": sum(run.counters[name] for run in having),
                     "predicted": sum(run.predicted[name] for run in known) if len(known) == len(having) else None,
                     "compared": len(known), "wrong": sum(name in run.counter_mismatches() for run in known)})
    return rows


def _wrong_picture(pictures: Sequence[WrongPicture]) -> dict[str, str] | None:
    """Where the output differs from the golden model."""
    if not pictures:
        return None
    more = f" The first {DRAWN} of {len(pictures)} heads." if len(pictures) > DRAWN else ""
    return _picture(wrong_figure(pictures), "where wrong values lie",
                    f"Red: output values that differ from the golden model, token by channel.{more}")


def _charts(heads: Sequence[HeadRow], bounded: bool) -> list[tuple[str, list[dict[str, str]]]]:
    """The pictures of each phase."""
    found = []
    for phase in dict.fromkeys(h.phase for h in heads):
        rows = [h for h in heads if h.phase == phase]
        found.append((phase, [
            _picture(sqnr_figure(rows, bounded), f"SQNR per head, {phase}",
                     "SQNR against float32 SDPA on the float tensors. Grey is float attention on the same 8-bit operands; the "
                     "lower bars are what the engine loses to it (below 0: gained by chance), amber where the input is outside "
                     "the range that the bound is promised for."),
            _picture(error_figure(rows), f"error per head, {phase}",
                     "Error of the RTL's output against float32 SDPA, in units of the output.")]))
    return found


def _map(picture: HeadPicture) -> dict[str, str]:
    """One head's attention beside the error of its output."""
    large = max(picture.attention.shape) > MAX_PIXELS
    patches = f" Maps of more than {MAX_PIXELS} rows or columns show the maximum of each patch." if large else ""
    return _picture(head_figure(picture), f"attention map and output error of {picture.name}",
                    f"Layer {picture.layer}, head {picture.name}. Left: causal attention of the float tensors (keys that a query "
                    f"may not see are blank). Right: where the RTL's output is off, token by channel.{patches}")


def skipping(record: SimRecord) -> str:
    """Which key blocks the run left out, in a few words."""
    return f"blocks more than {record.octaves} octaves below" if record.octaves else "on" if record.skip else "off"


def _orders(record: SimRecord) -> list[tuple[str, Any]]:
    if record.orders:
        return [("schedule, fused first step and TAU", f"of each KV head, from {record.orders}")]
    return [("schedule", record.schedule), ("fused first step", "on" if record.fused else "off"), ("TAU", record.tau)]


def _operands(record: SimRecord) -> str:
    """What was done to Q, K and V before they became 8-bit codes."""
    done = [("K less its mean", record.smooth_k), ("Q and K balanced", record.balance), ("Q and K rotated", record.rotate),
            ("V with a multiplier per key", record.v_mult), ("scales of Q and K fitted", record.fit_scales)]
    return ", ".join(name for name, on in done if on) or "nothing"


def _about(record: SimRecord) -> list[tuple[str, Any]]:
    """What ran, on what, with what."""
    dirty = " with uncommitted changes" if record.git.get("dirty") else ""
    revision = f"{record.git.get('revision', 'unknown')}{dirty}"
    run = [("run", record.run), ("seed", str(record.seed)), ("simulator", record.simulator), *_orders(record),
           ("skipping", skipping(record)), ("before 8 bits", _operands(record)), ("git revision", revision),
           ("started", record.started or "unknown"), ("wall time", f"{record.wall_seconds:.1f} s")]
    return [("Run", run), ("Configuration", record.config.items()), ("Source of the tensors", record.source.items()),
            ("Tool versions", record.versions.items())]


def render_page(record: SimRecord, pictures: Sequence[HeadPicture] = (), wrong: Sequence[WrongPicture] = ()) -> str:
    """The whole page; that of a run that is under way or was stopped has no figures, only what ran and why there are none."""
    verdict, _, counts = record.verdict().partition(": ")
    values: dict[str, Any] = {"record": record, "verdict": verdict, "counts": counts, "about": _about(record), "finished": False}
    if record.state == DONE:
        bounded = any(c.name.startswith(LOSS_CHECK) for c in record.checks)
        notes = [text for text in (record.explanation(), f"{record.fit[:1].upper()}{record.fit[1:]}.") if text.strip(".")]
        values |= {
            "finished": True, "totals": record.totals(), "notes": notes, "failures": failures(record), "causes": causes(record),
            "tiles": _tiles(record), "heads": _heads(record), "counter_sums": _counter_sums(record.runs),
            "wrong_picture": _wrong_picture(wrong) if record.wrong_values else None,
            "maps": [_map(picture) for picture in sorted(pictures, key=lambda p: p.layer)],
            "charts": _charts(record.heads, bounded)}
    return render(TEMPLATES, "report.html.j2", **values)


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
    _write(record, render_page(record), folder)
    try:
        yield
    except BaseException as error:
        if _is_report_of(record.run, folder):   # a run that began later may have taken the place
            if isinstance(error, FcimError) and fresh:
                _remove(folder, was_there)
            else:
                record.state, record.stopped_by = STOPPED, _reason(error)
                with contextlib.suppress(FcimError):
                    _write(record, render_page(record), folder)
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
