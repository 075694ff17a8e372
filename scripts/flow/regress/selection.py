"""From entries to jobs: ids, seeds, and which of them run."""

from __future__ import annotations

import difflib
import fnmatch
import hashlib
import itertools
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from models.errors import FcimError
from scripts.flow.regress.entries import NIGHTLY, Entry, Scalar, value_text
from scripts.flow.simulator import PROGRAM

AGREEMENT = "agreement"     # stands in the place of the simulator in the id of a comparison
JOB_ID = re.compile(r"(?P<name>[a-z][a-z0-9_-]*)(?P<set>\[[^]*?]*\])?#(?P<iteration>\d{1,6})(@(?P<sim>\w+))?")
FOLDER_CHARS = 180


@dataclass(frozen=True)
class PlannedJob:
    """One job: an entry with everything chosen."""

    entry: Entry
    config: str | None
    parameters: Mapping[str, Scalar]
    iteration: int
    sim: str
    seed: int

    @property
    def base(self) -> str:
        """The id without the simulator: what jobs share whose results must be equal."""
        chosen = [self.config] if self.config else []
        chosen += [f"{name}={value_text(value)}" for name, value in self.parameters.items()]
        return f"{self.entry.name}{'[' + ','.join(chosen) + ']' if chosen else ''}#{self.iteration}"

    @property
    def id(self) -> str:
        """Unique and readable, for example ``heads[default,length=512]#0@verilator``."""
        return f"{self.base}@{self.sim}"

    @property
    def folder_name(self) -> str:
        """The id without characters that make and compilers stumble over in a path."""
        return folder_name(self.id)


def folder_name(job_id: str) -> str:
    """A name for the job's folder: as readable as the id, safe in makefiles, unique through six digits of the id's hash."""
    words = re.sub(r"[^A-Za-z0-9_-]+", ".", job_id).strip(".")
    return f"{words[:FOLDER_CHARS]}.{hashlib.sha256(job_id.encode()).hexdigest()[:6]}"


def job_seed(master: int, name: str, config: str | None, parameters: Mapping[str, Scalar], iteration: int) -> int:
    """32 bits that depend on everything but the simulator, so that both simulators see the same data."""
    text = json.dumps([master, name, config, sorted(parameters.items()), iteration])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "little")


def expand(entry: Entry, master: int, iterations: Sequence[int], simulators: Sequence[str]) -> list[PlannedJob]:
    """All jobs of an entry, in the order of its list."""
    names = list(entry.parameters)
    jobs = []
    for config, values, iteration in itertools.product(
        entry.configurations or (None,), itertools.product(*entry.parameters.values()), iterations
    ):
        chosen = dict(zip(names, values, strict=True))
        seed = job_seed(master, entry.name, config, chosen, iteration)
        jobs += [PlannedJob(entry, config, chosen, iteration, sim, seed) for sim in simulators]
    return jobs


def exact_jobs(entries: Sequence[Entry], job_id: str, master: int, sim: str | None = None) -> list[PlannedJob] | None:
    """The jobs that ``job_id`` (with or without simulator) names, in any iteration and on any simulator; None if it is no id.

    Raises:
        FcimError: its entry is there, but not such a job.
    """
    parts = JOB_ID.fullmatch(job_id)
    entry = next((e for e in entries if parts and e.name == parts["name"]), None)
    if parts is None or entry is None:
        return None
    wanted = parts["sim"] if parts["sim"] != AGREEMENT else None
    if wanted and wanted not in PROGRAM:
        raise FcimError(f"job '{job_id}': unknown simulator '{wanted}'; use {' or '.join(PROGRAM)}")
    simulators = [wanted] if wanted else [sim] if sim else entry.simulators
    jobs = expand(entry, master, [int(parts["iteration"])], simulators)
    found = [job for job in jobs if job.base == job_id.partition("@")[0]]
    if not found:
        raise FcimError(f"entry '{entry.name}' has no job '{job_id}'; it has for example '{_nearest(job_id, jobs)}'")
    return found


def _nearest(text: str, jobs: Sequence[PlannedJob]) -> str:
    ids = [job.id for job in jobs]
    return next(iter(difflib.get_close_matches(text, ids, 1, cutoff=0)), ids[0])


def _matching(jobs: Sequence[PlannedJob], test: str) -> list[PlannedJob]:
    """By the name of an entry, else by a pattern with * or ?, else by a part of the id."""
    named = [job for job in jobs if job.entry.name == test]
    if named:
        return named
    if "*" in test or "?" in test:
        pattern = test.replace("[", "[[]")      # brackets stand in every id: here they mean themselves
        return [job for job in jobs if fnmatch.fnmatchcase(job.id, pattern) or fnmatch.fnmatchcase(job.base, pattern)
                or fnmatch.fnmatchcase(job.entry.name, pattern)]
    return [job for job in jobs if test in job.id]


def select_jobs(entries: Sequence[Entry], master: int, tags: Sequence[str] = (), test: str | None = None,
                iterations: int | None = None, sim: str | None = None) -> list[PlannedJob]:
    """The jobs to run.

    Args:
        tags: entries with any of them; () means all but the nightly ones.
        test: a job's id, an entry's name, a pattern or a part of an id; nightly ones too.
        iterations: instead of each entry's own number.
        sim: instead of each entry's own simulators.

    Raises:
        FcimError: unknown tag or simulator, or nothing is selected.
    """
    if sim is not None and sim not in PROGRAM:
        raise FcimError(f"SIM = {sim!r} is unknown; use {' or '.join(PROGRAM)}")
    known = {tag for entry in entries for tag in entry.tags}
    for tag in tags:
        if tag not in known:
            raise FcimError(f"TAGS: no entry has the tag '{tag}'; the tags are {', '.join(sorted(known)) or 'none at all'}")
    if test and (exact := exact_jobs(entries, test, master, sim)) is not None:
        jobs = exact
    else:
        jobs = [job for entry in entries for job in expand(entry, master, range(iterations or entry.iterations),
                                                           [sim] if sim else entry.simulators)]
        if test:
            every, jobs = jobs, _matching(jobs, test)
            if not jobs:
                raise FcimError(f"TEST = '{test}' fits no job; the nearest is '{_nearest(test, every)}' "
                                "(make regress LIST=1 shows them all)")
        elif not tags:
            jobs = [job for job in jobs if NIGHTLY not in job.entry.tags]
    if tags:
        jobs = [job for job in jobs if set(tags) & set(job.entry.tags)]
    if not jobs:
        why = "no job fits both TEST and TAGS" if test else "every entry is nightly; use TAGS=nightly"
        raise FcimError(f"nothing is selected: {why}")
    return jobs


def failed_jobs(entries: Sequence[Entry], ids: Sequence[str], master: int) -> list[PlannedJob]:
    """The jobs with the given ids, each once; the id of a comparison stands for both jobs that it compared.

    Raises:
        FcimError: the list has no such job any more.
    """
    jobs: dict[str, PlannedJob] = {}
    for job_id in ids:
        found = exact_jobs(entries, job_id, master)
        if found is None:
            raise FcimError(f"the job '{job_id}' of the last record is not in the list any more; run the regression again")
        jobs |= {job.id: job for job in found}
    return list(jobs.values())
