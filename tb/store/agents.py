"""The bench around ``fcim_store``: jobs, rows, words, and a writer that answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import RisingEdge

from tb.common.bench import Bench
from tb.common.clock import cycle
from tb.common.rng import rng
from tb.common.scoreboard import Scoreboard
from tb.common.stalls import sink_stalls
from tb.common.stream import Beat, StreamMonitor, StreamSink
from tb.store import coverage
from tb.store.model import WORD_BYTES, Call, Job, Model

JOBS = 4        # that wait per slot
OPEN = 511      # rows without an answer, at most
JOB_FIELDS = ("slot", "q_head", "token", "tokens")
FIRST_COMMAND, FIRST_BEAT = 5, 2    # cycles after the row


def bytes_of(strobe: int, width: int) -> int:
    """The bits of the bytes that a strobe names."""
    return sum(0xFF << 8 * byte for byte in range(width) if strobe >> byte & 1)


class Store:
    """The store with all around it.

    Attributes:
        latency: least and most cycles from a command and its beats to its answer.
        errors: of how many commands one is answered with an error, beside the first row and the first word; 0 for none.
        answers: some come.
    """

    def __init__(self, dut: Any, pattern: str = "none", latency: tuple[int, int] = (0, 20), errors: int = 6, words: bool = True,
                 budget: int = 15_000, sinks: bool = True) -> None:
        """``words``: some come. ``sinks``: of the writer; without them the test drives its readies."""
        self.dut, self.latency, self.errors = dut, latency, errors
        self.engines, self.head_dim, self.width = (int(getattr(dut, name).value) // scale for name, scale in
                                                   (("ENGINES", 1), ("HEAD_DIM", 1), ("DATA_BITS", 8)))
        self.max_keys, self.slots = int(dut.MAX_KEYS.value), self.engines + 1
        self.o_beats = 2 * self.head_dim // self.width
        self.bench = Bench(dut, pattern, budget)
        self.jobs = self.bench.input("s_job", JOB_FIELDS, self._job)
        self.rows = self.bench.input("s_o", ("engine", "data", "last"), self._row)
        self.words = self.bench.input("s_word", ("address", "data"), self._word)
        boards = {name: self._output(name, fields, callback, sinks) for name, fields, callback in
                  (("m_cmd", ("address", "beats", "rows"), self._command), ("m_data", ("data", "strobe"), self._beat))}
        if words:
            boards["word"] = self.bench.pulses("word", "word_done", {"error": "word_error"})
        if errors:
            boards["write_error"] = self.bench.pulses("write_error", "write_error")
        self.boards = boards
        self.model = Model(self.width, self.head_dim, self.slots, lambda name, beat: boards[name].expect([beat]))
        self.draw, self.pace = rng("jobs"), rng("answers")
        self.call = Call(1, 0, 0, 0)
        self.accepted = self.beats = 0          # commands and beats that the writer has taken
        self.taken: list[int] = []              # beats of each command that the writer has taken
        self.answered, self.answers = 0, True
        self.failed: set[str] = set()           # of what there was an error already
        self.changed_at = 0                     # the last edge at which something was accepted or answered
        self.slot: int | None = None            # of the row that was taken last
        self.word_waits = False
        dut.done.value = dut.done_error.value = 0
        coverage.sample_parameters(self.o_beats)
        cocotb.start_soon(self._answer())
        cocotb.start_soon(self._watch())

    def _output(self, name: str, fields: tuple[str, ...], callback: Callable[[Beat], Beat], sink: bool) -> Scoreboard:
        """``callback`` makes of a beat what is compared."""
        board = Scoreboard(name, fields)
        self.bench.scoreboards[name] = (board, 1)
        self.bench.monitors[name] = StreamMonitor(self.dut, name, fields, lambda beat: board.got(callback(beat)))
        if sink:
            StreamSink(self.dut, name, sink_stalls(self.bench.pattern, rng(f"stalls {name}")))
        return board

    # ---- what the streams tell
    def _job(self, beat: Beat) -> None:
        self.changed_at = cycle()
        coverage.sample_job(beat["tokens"], self.call.group, len(self.model.jobs[beat["slot"]]))
        self.model.job(self.call, beat["slot"], Job(beat["q_head"], beat["token"], beat["tokens"]))
        jobs = self.model.jobs[beat["slot"]]
        leaves = len(jobs[0]) == 1 and self.dut.s_o_valid.value == 1 and int(self.dut.s_o_engine.value) == beat["slot"]
        assert len(jobs) <= JOBS + leaves, f"slot {beat['slot']} has more than {JOBS} jobs"

    def _row(self, beat: Beat) -> None:
        self.changed_at = cycle()
        assert self.model.jobs[beat["engine"]], f"a row of slot {beat['engine']} is taken, which has no job"
        ends = self.model.row(beat["engine"], beat["data"], bool(beat["last"]))
        coverage.sample_row(beat["engine"] == self.engines, beat["engine"] == self.slot, bool(beat["last"]), ends)
        self.slot = beat["engine"]

    def _word(self, beat: Beat) -> None:
        self.changed_at = cycle()
        self.model.word(beat["address"], beat["data"])
        coverage.sample_word(beat["address"] % self.width // WORD_BYTES, self.width // WORD_BYTES, self.word_waits)
        self.word_waits = False

    def _command(self, beat: Beat) -> Beat:
        self.taken.append(beat["beats"])
        return beat | {"address": beat["address"] // self.width * self.width}     # the writer takes the others as 0

    def _beat(self, beat: Beat) -> Beat:
        self.beats += 1
        return beat | {"data": beat["data"] & bytes_of(beat["strobe"], self.width)}

    async def _answer(self) -> None:
        """The writer's answers: in order, some time after a command and all its beats are there."""
        edge, dut, beats = RisingEdge(self.dut.clk), self.dut, 0
        while True:
            dut.done.value = 0
            await edge
            if dut.rst_n.value != 1:
                beats, self.answered, self.beats = 0, 0, 0
                self.taken.clear()
                continue
            if not self.answers or self.answered == len(self.taken) or self.beats < beats + self.taken[self.answered]:
                continue
            beats += self.taken[self.answered]
            self.answered += 1
            wait = int(self.pace.integers(self.latency[0], self.latency[1] + 1))
            while wait and dut.rst_n.value == 1:
                await edge
                wait -= 1
            if dut.rst_n.value == 1:
                kind = self.model.unanswered[0]
                error = self.errors > 0 and (self.pace.integers(self.errors) == 0 or kind not in self.failed)
                self.failed.add(kind)
                dut.done.value, dut.done_error.value = 1, int(error)
                await edge
                dut.done_error.value = int(not error)       # it counts with done alone
            if dut.rst_n.value == 1:
                self.changed_at = cycle()
                coverage.sample_answer(kind == "word", bool(error))
                self.model.done(bool(error), cycle())

    async def _watch(self) -> None:
        edge, dut = RisingEdge(self.dut.clk), self.dut
        while True:
            await edge
            if dut.rst_n.value != 1:
                continue
            jobs, word = any(self.model.jobs), dut.s_word_valid.value == 1
            self.word_waits = self.word_waits or (word and (jobs or bool(self.model.unanswered)))
            coverage.sample_waits(
                full=dut.s_job_valid.value == 1 and dut.s_job_ready.value == 0,
                early=dut.s_o_valid.value == 1 and not self.model.jobs[int(dut.s_o_engine.value)],
                word_jobs=word and jobs, word_answers=word and not jobs and bool(self.model.unanswered))
            if self.changed_at < cycle() and dut.s_word_valid.value == 0:
                left = bool(self.model.unanswered) or any(self.model.jobs) or dut.s_o_valid.value == 1
                assert str(dut.idle.value) == str(int(not left)), f"idle is {dut.idle.value} at cycle {cycle()}"
            if self.changed_at < cycle() and dut.s_o_valid.value == 0:
                assert str(dut.error_rows.value) == str(int(self.model.misplaced)), f"error_rows is {dut.error_rows.value}"
            assert self.errors or str(dut.write_error.value) == "0", "an error is told that is none"

    # ---- stimulus
    def draw_call(self, rows: int = 8) -> Call:
        """A call whose tiles have up to ``rows`` rows."""
        draw, beats = self.draw, 1 << 32
        stride = [(int(draw.integers(beats)) if draw.integers(3) else beats - 1) // self.width * self.width for _ in range(2)]
        base = (int(draw.integers(1 << 63)) << 1) // self.width * self.width
        return Call(int(draw.integers(1, rows + 1)), base, *stride)

    def draw_job(self, rows: int = 8) -> Job:
        """A job of the present call with up to ``rows`` rows; heads and tokens up to the last."""
        draw = self.draw
        tokens = int(draw.integers(1, rows // self.call.group + 1))
        first = self.max_keys - tokens if draw.integers(4) == 0 else int(draw.integers(self.max_keys - tokens))
        head = (1 << 16) - 1 - self.call.group if draw.integers(4) == 0 else int(draw.integers((1 << 16) - self.call.group))
        return Job(head, first, tokens)

    def set_call(self, call: Call) -> None:
        """Its pins; nothing of another call may be under way."""
        self.call = call
        dut = self.dut
        dut.call_group.value, dut.call_o.value = call.group, call.o
        dut.call_o_token_stride.value, dut.call_o_head_stride.value = call.o_token_stride, call.o_head_stride

    def row(self, slot: int, last: bool) -> Beat:
        """A random row."""
        return {"engine": slot, "data": int.from_bytes(self.draw.bytes(2 * self.head_dim), "little"), "last": int(last)}

    def word(self) -> Beat:
        """A random word at any multiple of 8."""
        return {"address": int(self.draw.integers(1 << 61)) * 8, "data": int.from_bytes(self.draw.bytes(8), "little")}

    def job_beat(self, slot: int, job: Job) -> Beat:
        """A job as a beat."""
        return {"slot": slot, "q_head": job.q_head, "token": job.token, "tokens": job.tokens}

    def rows_of(self, jobs: list[tuple[int, Job]], generator: np.random.Generator) -> list[Beat]:
        """Rows of all jobs, the slots' ones interleaved at random."""
        left: dict[int, list[bool]] = {}
        for slot, job in jobs:
            count = job.tokens * self.call.group
            left.setdefault(slot, []).extend([False] * (count - 1) + [True])
        found = []
        while left:
            slot = int(generator.choice(sorted(left)))
            found.append(self.row(slot, left[slot].pop(0)))
            if not left[slot]:
                del left[slot]
        return found

    async def quiet(self) -> None:
        """Return when everything that was given is taken, written and answered."""
        edge = RisingEdge(self.dut.clk)
        for source in (self.jobs, self.rows, self.words):
            await source.drain()
        while self.model.unanswered or any(board.pending() for board in self.boards.values()):
            await edge
        await edge

    def forget(self) -> None:
        """The store was reset: nothing that is expected comes."""
        for board in self.boards.values():
            board.forget()
        self.model.unanswered.clear()
        self.model.misplaced = False
        for jobs in self.model.jobs:
            jobs.clear()
