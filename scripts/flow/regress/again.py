"""``make rerun``: which run was the last, and what of it is to run again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from models.errors import FcimError
from scripts.flow.processes import locked, shown
from scripts.flow.regress.entries import Entry
from scripts.flow.regress.plan import PlannedJob, failed_jobs
from scripts.flow.regress.record import FILE, NOT_RUN, Record, load_record

AGAIN_FOLDER = "rerun"      # below a run's folder: its record stays


@dataclass(frozen=True)
class Again:
    """What to repeat: the ``last`` run in ``base``, what failed in it (``bad``) and what it did not come to (``left``)."""

    base: Path
    last: Record
    bad: tuple[str, ...]
    left: tuple[str, ...]

    @property
    def out(self) -> Path:
        """Where the rerun's reports go."""
        return self.base / AGAIN_FOLDER

    def jobs(self, entries: Sequence[Entry]) -> list[PlannedJob]:
        """The jobs with their seeds.

        Raises:
            FcimError: the list has one of them no more.
        """
        return failed_jobs(entries, [*self.bad, *self.left], self.last.seed)

    def said(self) -> str:
        """One line for the user."""
        parts = [f"{len(self.bad)} that failed"] * bool(self.bad) + [f"{len(self.left)} that did not run"] * bool(self.left)
        return f"again: {' and '.join(parts)} of the run of {self.last.started} ({shown(self.base)})"


def last_run(bases: Sequence[Path]) -> Path:
    """The folder of the run that ended last, among ``bases`` and their reruns.

    Raises:
        FcimError: there was none.
    """
    places = [place for base in bases for place in (base, base / AGAIN_FOLDER) if (place / FILE).is_file()]
    if not places:
        raise FcimError(f"there is no record of a regression in {shown(bases[0])}; run one first (make regress)")
    return max(places, key=lambda place: (place / FILE).stat().st_mtime_ns)


def what_again(bases: Sequence[Path]) -> Again:
    """What of the last run failed or did not run.

    Raises:
        FcimError: there was no run, it is still under way, or all of it passed.
    """
    place = last_run(bases)
    last = load_record(place / FILE)
    base = place.parent if place.name == AGAIN_FOLDER else place
    if last.state == "running":     # or killed: then nobody holds the lock
        with locked(place, "regression"):
            pass
    bad = tuple(job.id for job in last.bad())
    left = tuple(job.id for job in last.ran_jobs() if job.status == NOT_RUN)
    if not bad and not left:
        raise FcimError(f"nothing to run again: no job failed in {shown(place / FILE)} ({last.verdict()})")
    return Again(base, last, bad, left)
