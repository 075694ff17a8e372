"""Store: every row of every job where it belongs, words after all rows, answers, order, rate."""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import ClockCycles, RisingEdge

from tb.common.clock import cycle, reset
from tb.common.rng import rng
from tb.common.stalls import each_pattern
from tb.store import coverage
from tb.store.agents import FIRST_BEAT, FIRST_COMMAND, JOBS, OPEN, Store
from tb.store.model import Call, Job

WRITER_LATENCY = 6      # cycles from a command to the first beat that fcim_axi_writer takes


@cocotb.test()
@each_pattern()
async def calls(dut: Any, pattern: str) -> None:
    """Calls with jobs of all slots, rows interleaved, also before their jobs; a word after each call and one more at once."""
    store = Store(dut, pattern)
    generator = rng("order")
    async with store.bench:
        for _ in range(3):
            await RisingEdge(dut.clk)
            store.set_call(store.draw_call())
            slots = generator.permutation(np.repeat(np.arange(store.slots), JOBS))[:10].tolist()
            jobs = [(slot, store.draw_job()) for slot in slots]
            rows, early = store.rows_of(jobs, generator), bool(generator.integers(2))
            if early:
                store.rows.append(rows)
                await ClockCycles(dut.clk, 30)
            store.jobs.append([store.job_beat(*job) for job in jobs])
            if not early:
                store.rows.append(rows)
            while not store.bench.monitors["s_job"].beats:      # a word may go before the first job
                await RisingEdge(dut.clk)
            store.words.append([store.word(), store.word()])
            await store.quiet()


@cocotb.test()
@cocotb.parametrize(slots=[cocotb.Param(value=name, name=name) for name in ("one", "all")])
async def full_rate(dut: Any, slots: str) -> None:
    """A row per max(2, O_BEATS) cycles, of one slot of all in turn; the writer takes a beat 6 cycles after its command."""
    store = Store(dut, words=False, errors=0, latency=(0, 0), sinks=False)
    rate, edge, rows = max(2, store.o_beats), RisingEdge(dut.clk), 24
    commands = store.bench.monitors["m_cmd"].cycles

    dut.m_cmd_ready.value, dut.m_data_ready.value = 1, 0

    async def writer() -> None:
        while True:
            await edge
            late = sum(at + WRITER_LATENCY - 1 <= cycle() for at in commands)
            dut.m_data_ready.value = int(late * store.o_beats > store.beats)

    async with store.bench:
        cocotb.start_soon(writer())
        store.set_call(Call(1, 0x1000 * store.width, 3 * store.width, 5 * store.width))
        used = range(store.slots) if slots == "all" else [store.slots - 1]
        each = -(-rows // len(used))
        jobs = [(slot, Job(7 * slot, 0, each)) for slot in used]
        await store.jobs.send([store.job_beat(*job) for job in jobs])
        await store.rows.send([store.row(slot, last=number == each - 1) for number in range(each) for slot in used])
        await store.quiet()
    taken, offered = store.bench.monitors["s_o"].cycles, store.bench.monitors["s_o"].offers
    assert set(np.diff(taken).tolist()) == {rate}, f"rows are {sorted(set(np.diff(taken).tolist()))} cycles apart, not {rate}"
    assert store.bench.monitors["m_cmd"].offers[0] - offered[0] == FIRST_COMMAND, "when the first command comes"
    assert store.bench.monitors["m_data"].offers[0] - offered[0] == FIRST_BEAT, "when the first beat comes"


@cocotb.test()
async def four_jobs_wait(dut: Any) -> None:
    """Each slot takes four jobs without a row; the fifth when the first one's last row is there. Other slots are not hindered."""
    store = Store(dut, words=False)
    async with store.bench:
        store.set_call(Call(2, 0, store.width, store.width))
        for slot in range(store.slots):
            await store.jobs.send([store.job_beat(slot, Job(slot, 8 * number, 1)) for number in range(JOBS)])
        store.jobs.append([store.job_beat(0, Job(0, 32, 1))])
        await ClockCycles(dut.clk, 10)
        assert len(store.bench.monitors["s_job"].beats) == JOBS * store.slots, "a slot takes a fifth job"
        for slot in [0, *range(store.slots), *range(store.slots), *range(store.slots), *range(store.slots)]:
            await store.rows.send([store.row(slot, last) for last in (False, True)])
        await store.quiet()


@cocotb.test()
async def answers_that_do_not_come(dut: Any) -> None:
    """Rows go on until 511 are without an answer, and again when answers come."""
    store = Store(dut, words=False, errors=0, latency=(0, 0))
    store.answers = False
    async with store.bench:
        store.set_call(Call(1, 0, store.width, store.width))
        for number in range(OPEN + 3):
            if number % 8 == 0:
                store.jobs.append([store.job_beat(0, Job(0, 0, min(8, OPEN + 3 - number)))])
            store.rows.append([store.row(0, number % 8 == 7 or number == OPEN + 2)])
        while len(store.taken) < OPEN:
            await RisingEdge(dut.clk)
        await ClockCycles(dut.clk, 40)
        assert len(store.taken) == OPEN, f"{len(store.taken)} rows are without an answer, not {OPEN}"
        store.answers = True
        await store.quiet()


@cocotb.test()
async def last_rows_are_checked(dut: Any) -> None:
    """A tile's last row before or after its job's last one raises error_rows, until a reset; rows go on by the jobs."""
    store = Store(dut, words=False)
    async with store.bench:
        for flags in ([0, 0, 1], [1, 0, 1], [0, 1, 1], [0, 0, 0]):
            store.set_call(Call(3, 0x40 * store.width, store.width, 7 * store.width))
            for again in (False, True):
                await store.jobs.send([store.job_beat(slot, Job(5, 4, 1)) for slot in range(2)])
                await store.rows.send([store.row(0, bool(flag)) for flag in (flags if not again else [0, 0, 1])])
                await store.rows.send([store.row(1, bool(flag)) for flag in (0, 0, 1)])
                await store.quiet()
            assert str(dut.error_rows.value) == str(int(flags != [0, 0, 1]))
            dut.rst_n.value = 0
            await RisingEdge(dut.clk)
            store.forget()
            await reset(dut)
            assert str(dut.error_rows.value) == "0", "a reset does not lower error_rows"


@cocotb.test()
async def words_wait(dut: Any) -> None:
    """A word is taken only after the last answer, and rows that come while it waits or is written are not mixed with it."""
    store = Store(dut, latency=(15, 25))
    draw = rng("moments")
    async with store.bench:
        store.set_call(Call(1, 0, store.width, store.width))
        for moment in [*range(12), 50, *draw.integers(12, 60, 7).tolist()]:
            slot = int(draw.integers(store.slots))
            await store.jobs.send([store.job_beat(slot, Job(moment, 9, 2))])
            await store.rows.send([store.row(slot, False)])
            store.words.append([store.word()])
            await ClockCycles(dut.clk, moment)
            await store.rows.send([store.row(slot, True)])
            await store.words.drain()
            store.jobs.append([store.job_beat(slot, Job(3, 2, 1))])
            store.rows.append([store.row(slot, True)])
            await store.quiet()


@cocotb.test()
async def rows_that_come_with_a_word(dut: Any) -> None:
    """A row without a job, and the job itself, that come in any cycle around a word's: each is written as it should be."""
    store = Store(dut, errors=0)
    async with store.bench:
        store.set_call(Call(1, 0, store.width, store.width))
        for moment in range(-4, 5):
            async def word(wait: int = max(moment, 0)) -> None:
                await ClockCycles(dut.clk, wait + 1)
                store.words.append([store.word()])

            task = cocotb.start_soon(word())
            await ClockCycles(dut.clk, max(-moment, 0) + 1)
            store.rows.append([store.row(store.slots - 1, True)])
            await ClockCycles(dut.clk, 6)
            store.jobs.append([store.job_beat(store.slots - 1, Job(1, 1, 1))])
            await task
            await store.quiet()


@cocotb.test()
async def reset_in_the_middle(dut: Any) -> None:
    """A reset drops jobs, rows and words; nothing of them comes after it, and jobs begin at their first rows."""
    store = Store(dut, "backpressure", latency=(30, 40))
    async with store.bench:
        for moment in (0, 1, 2, 3, 5, 8, 13, 21):
            store.set_call(store.draw_call())
            jobs = [(slot % store.slots, store.draw_job()) for slot in range(4)]
            await store.jobs.send([store.job_beat(*job) for job in jobs])
            rows = store.rows_of(jobs, store.draw)
            await store.rows.send(rows[:1 + moment % len(rows)])
            await ClockCycles(dut.clk, moment)
            coverage.sample_reset(any(store.model.jobs), "row" in store.model.unanswered)
            dut.rst_n.value = 0
            await RisingEdge(dut.clk)
            await RisingEdge(dut.clk)
            store.forget()
            await reset(dut)
            assert str(dut.idle.value) == "1"
            job = store.draw_job()
            await store.jobs.send([store.job_beat(0, job)])
            await store.rows.send(store.rows_of([(0, job)], store.draw))
            await store.words.send([store.word()])
            await store.quiet()
