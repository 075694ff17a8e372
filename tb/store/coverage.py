"""Coverpoints of ``fcim_store`` and their samplers."""

from __future__ import annotations

from tb.common.coverage import BenchCoverGroup, numbers, points_of, sampler

point = points_of("fcim_store")

COUNTS = ("one", "several")
COVERPOINTS = (
    point("store.beats", "Beats of a row of O", numbers(2, 4, 8, 16)),
    point("store.job", "Jobs", axes=(("tokens", COUNTS), ("group", COUNTS))),
    point("store.jobs", "Jobs that a slot has when it takes another one", numbers(0, 1, 2, 3)),
    point("store.full", "Jobs that wait because their slot is full", ("one waits",)),
    point("store.row", "Rows of engines and of the merge unit, and what slot the row before was of",
          axes=(("slot", ("engine", "merge unit")), ("after", ("the same slot", "another one")))),
    point("store.early", "Rows that come before their jobs", ("one waits",)),
    point("store.end", "A tile's last row, and the job's", ("together", "too early", "too late")),
    point("store.lane", "A word's place in its beat", ("first", "between", "last")),
    point("store.word", "What a word waits for", ("nothing", "jobs", "answers")),
    point("store.answer", "Answers", axes=(("of", ("row", "word")), ("answer", ("written", "error")))),
    point("store.reset", "What a reset finds", ("jobs", "rows without answers")),
)
GROUP = BenchCoverGroup(COVERPOINTS)


@sampler
def sample_parameters(o_beats: int) -> None:
    """How a store is built."""
    GROUP.sample("store.beats", str(o_beats))


@sampler
def sample_job(tokens: int, group: int, there: int) -> None:
    """A job is taken; its slot has so many already."""
    GROUP.sample("store.job", f"{COUNTS[tokens > 1]}, {COUNTS[group > 1]}")
    GROUP.sample("store.jobs", str(min(there, 3)))


@sampler
def sample_waits(full: bool, early: bool, word_jobs: bool, word_answers: bool) -> None:
    """One cycle: a job waits for its slot, a row for its job, a word for jobs, for answers alone."""
    GROUP.sample("store.full", "one waits", int(full))
    GROUP.sample("store.early", "one waits", int(early))
    GROUP.sample("store.word", "jobs", int(word_jobs))
    GROUP.sample("store.word", "answers", int(word_answers))


@sampler
def sample_row(merged: bool, again: bool, last: bool, ends: bool) -> None:
    """A row is taken: of the merge unit, of the slot of the row before, with ``last``, at the end of its job."""
    GROUP.sample("store.row", f"{'merge unit' if merged else 'engine'}, {'the same slot' if again else 'another one'}")
    if last or ends:
        GROUP.sample("store.end", "together" if last == ends else "too early" if last else "too late")


@sampler
def sample_word(lane: int, lanes: int, waited: bool) -> None:
    """A word is taken."""
    GROUP.sample("store.lane", "first" if lane == 0 else "last" if lane == lanes - 1 else "between")
    if not waited:
        GROUP.sample("store.word", "nothing")


@sampler
def sample_answer(word: bool, error: bool) -> None:
    """A command is answered."""
    GROUP.sample("store.answer", f"{'word' if word else 'row'}, {'error' if error else 'written'}")


@sampler
def sample_reset(jobs: bool, rows: bool) -> None:
    """A reset finds jobs, and rows that are not answered."""
    for name, there in (("jobs", jobs), ("rows without answers", rows)):
        GROUP.sample("store.reset", name, int(there))
