"""The accelerator's registers: reset values, who may change what, strobes, interrupts, errors, counters, timing, reset."""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import ClockCycles

from models.system.register import Access
from models.system.registers import REGISTERS
from tb.common.clock import reset
from tb.common.rng import rng
from tb.common.stalls import each_pattern
from tb.registers import coverage
from tb.registers.agents import ENGINE_COUNTERS, EVENTS, PULSES, STEADY, Registers
from tb.registers.model import ADDRESSES, COUNTERS, END, PINS

WORD = 0xFFFF_FFFF
ERRORS = tuple(name for name in EVENTS if name != "done")
WRITABLE = [name for name, register in REGISTERS.items()
            if any(field.access is Access.READ_WRITE for field in register.fields)]


def control(**fields: int) -> int:
    """A word for the register control."""
    return REGISTERS["control"].encode(**fields)


@cocotb.test()
async def reset_values(dut: Any) -> None:
    """Every register after a reset; those of hardware parameters show them."""
    bench = Registers(dut)
    async with bench:
        bench.check_outputs()
        await bench.read_all()
        for name in (*COUNTERS, "engine_counter"):
            want = 0 if name in COUNTERS else bench.counters[0][0]
            assert await bench.counter(name) == want, f"{name} is not {want:#x} after a reset"


@cocotb.test()
@each_pattern()
async def writes(dut: Any, pattern: str) -> None:
    """Every register is written with every set of strobes, in any order of address and data; what may not change does not."""
    bench = Registers(dut, pattern, budget=120_000)
    draw = rng("writes")
    async with bench:
        for name, register in REGISTERS.items():
            if name == "control":
                continue
            strobes = draw.permutation(16).tolist() if name in WRITABLE else [15, int(draw.integers(16))]
            for strobe in strobes:
                data = int(draw.choice([0, WORD, *draw.integers(0, WORD + 1, 4).tolist()]))
                low_bits = int(draw.integers(4))
                await bench.write(register.offset | low_bits, data, strobe, ("", "aw", "w")[int(draw.integers(3))])
                bench.check_outputs()
                if name in STEADY:
                    await bench.read(register.offset | int(draw.integers(4)))
        await bench.read_all()
        for name in WRITABLE:      # all different, so that one that stands for another is found
            await bench.write(name, int(draw.integers(1 << 32)) & ~control(soft_reset=1, clear_errors=1, clear_counters=1))
        await bench.read_all()
        bench.check_outputs()
    assert bench.pulses == dict.fromkeys(PULSES, 0), f"something acted: {bench.pulses}"


@cocotb.test()
async def both_at_once(dut: Any) -> None:
    """A reader, and a writer that does not wait for answers, which know nothing of each other."""
    bench = Registers(dut, "both")
    draw = rng("both")
    fixed = [name for name in REGISTERS if name in bench.parameters or name in ("id", "version")]

    async def reads() -> None:
        for _ in range(60):
            await bench.read(str(draw.choice(fixed)))

    async with bench:
        reader = cocotb.start_soon(reads())
        for _ in range(15):
            names = [str(draw.choice(["ring_base_lo", "ring_base_hi", "ring_tail"])) for _ in range(4)]
            tasks = [cocotb.start_soon(bench.write(name, int(draw.integers(1 << 32)))) for name in names]
            for task in tasks:
                await task
            bench.check_outputs()
        await reader


@cocotb.test()
async def nothing_there(dut: Any) -> None:
    """Addresses without a register read as 0 and are answered with SLVERR, and writing there changes nothing."""
    bench = Registers(dut)
    draw = rng("addresses")
    async with bench:
        for name in WRITABLE:
            await bench.write(name, WORD & ~control(soft_reset=1, clear_errors=1, clear_counters=1))
        powers = [1 << bit for bit in range(2, 12) if 1 << bit >= END]
        aliases = [power | REGISTERS[name].offset for power in powers for name in WRITABLE if REGISTERS[name].offset < power]
        others = (draw.integers(END, 1 << 12, 20) & ~3).tolist()
        for address in (END, (1 << 12) - 4, *aliases, *others):
            await bench.write(address, 0)
            await bench.read(address)
        bench.check_outputs()
        await bench.read_all()
    assert bench.pulses == dict.fromkeys(PULSES, 0)


@cocotb.test()
async def inputs_are_shown(dut: Any) -> None:
    """What the hardware says, bit by bit."""
    bench = Registers(dut)
    async with bench:
        for name in (*dict.fromkeys(PINS.values()), *ADDRESSES):
            width = len(getattr(dut, name))
            for value in (*(1 << bit for bit in range(width)), (1 << width) - 1, 0):
                bench.pin(name, value)
                await bench.edge
                if name in ADDRESSES:
                    await bench.read(f"{name}_lo" if value < 1 << 32 else f"{name}_hi")
                else:
                    await bench.read(next(register for (register, _), pin in PINS.items() if pin == name))
        for name in (*dict.fromkeys(PINS.values()), *ADDRESSES):
            bench.pin(name, int(bench.draw.integers(1 << 63)) & ((1 << len(getattr(dut, name))) - 1))
        await bench.read_all()


@cocotb.test()
async def control_acts(dut: Any) -> None:
    """Each bit of control acts once, for a cycle, if its byte is written; a soft reset takes enable and tail along."""
    bench = Registers(dut)
    draw = rng("control")
    counted = dict.fromkeys(PULSES, 0)
    words = [(word, strobe) for word in range(16) for strobe in (15, 1)] + [(15, 14), (15, 0), (WORD & ~15, 15)]
    async with bench:
        for word, strobe in words:
            await bench.write("ring_tail", int(draw.integers(1, 1 << 16)))
            await bench.write("control", control(enable=int(draw.integers(2))))
            await bench.events(["refused"])
            acts = await bench.write("control", word, strobe)
            bench.check_outputs()
            await ClockCycles(dut.clk, 3)
            for name in acts:
                counted[name] += 1
            assert bench.pulses == counted, f"after a write of {word:#x}, {strobe:04b}: {bench.pulses}, not {counted}"
            bench.check_outputs()
            for name in ("control", "ring_tail", "errors"):
                await bench.read(name)


@cocotb.test()
async def interrupts(dut: Any) -> None:
    """Each event sets its bits, which stay until they are cleared; irq shows those that are enabled; none is lost to a clear."""
    bench = Registers(dut)
    draw = rng("events")
    async with bench:
        for enabled in (0, 1, 2, 3):
            await bench.write("irq_enable", enabled)
            for number in range(10):
                names = [EVENTS[number]] if number < len(EVENTS) else draw.choice(EVENTS, 3, replace=False).tolist()
                await bench.events(names)
                bench.check_outputs()
                await bench.read("irq_status")
                await bench.read("errors")
                for clears in (0, int(draw.integers(1, 4)), 3):
                    await bench.write("irq_status", clears)
                    bench.check_outputs()
                    await bench.read("irq_status")
                if number % 3 == 2:
                    await bench.write("control", control(clear_errors=1))
                    await bench.read("errors")
        for name in EVENTS:
            await bench.events_while_clearing([name], "irq_status", 3)
            bench.check_outputs()
            await bench.read("irq_status")
        for name in ERRORS:
            await bench.events_while_clearing([name], "control", control(clear_errors=1))
            await bench.read("errors")


@cocotb.test()
async def counting(dut: Any) -> None:
    """Each counter counts the cycles in which its own input is high; clearing zeroes all."""
    bench = Registers(dut)
    draw = rng("counts")
    counts = dict.fromkeys(COUNTERS, 0)
    async with bench:
        for part in range(3):
            for _ in range(120):
                for name, pin in COUNTERS.items():
                    high = int(draw.random() < (list(COUNTERS).index(name) + 1) / 9)
                    getattr(dut, f"count_{pin}").value = high
                    counts[name] += high
                await bench.edge
            for pin in COUNTERS.values():
                getattr(dut, f"count_{pin}").value = 0
            for name, want in counts.items():
                got = await bench.counter(name)
                assert got == want, f"{name} is {got}, not {want}"
            if part == 1:
                await bench.write("control", control(clear_counters=1))
                counts = dict.fromkeys(COUNTERS, 0)
                await bench.edge


@cocotb.test()
async def engines(dut: Any) -> None:
    """Every counter of engines; high words are those of the moment at which the low word was read."""
    bench = Registers(dut)
    draw = rng("choice")
    select = REGISTERS["counter_select"]
    async with bench:
        for number in (*range(ENGINE_COUNTERS), *range(ENGINE_COUNTERS, 32)):
            engine = int(draw.integers(16))
            await bench.write("counter_select", select.encode(engine=engine, counter=number))
            coverage.sample_counter(number)
            words = bench.counters[engine % bench.parameters["engines"]]
            want = words[number] if number < ENGINE_COUNTERS else 0
            low = await bench.word("engine_counter_lo")
            if number < ENGINE_COUNTERS:
                words[number] = int(draw.integers(1 << 48))     # it counts on
                await ClockCycles(dut.clk, 8)
            await bench.read("counter_select")
            high = await bench.word("engine_counter_hi")
            assert high << 32 | low == want, f"counter {number} of engine {engine} is {high << 32 | low:#x}, not {want:#x}"
        await bench.write("counter_select", select.encode(counter=3))
        await bench.counter("engine_counter")
        assert await bench.word("engine_counter_hi") == bench.counters[0][3] >> 32, "a high word does not stay"
        await bench.word("cycles_lo")
        assert await bench.word("cycles_hi") == 0, "a high word is not that of the last low word"


@cocotb.test()
async def when(dut: Any) -> None:
    """Latency and throughput of reads and writes, as the header has them."""
    bench = Registers(dut)
    async with bench:
        for first in ("", "aw", "w"):
            await bench.write("ring_tail", 1, first=first)
            later = max(bench.monitors[channel].cycles[-1] for channel in ("aw", "w"))
            took = bench.monitors["b"].offers[-1] - later
            assert took == 2, f"bvalid comes {took} cycles after address and data"
        await bench.read("ring_tail")
        took = bench.monitors["r"].offers[-1] - bench.monitors["ar"].cycles[-1]
        assert took == 4, f"rvalid comes {took} cycles after its address"
        tasks = [cocotb.start_soon(bench.master.read(REGISTERS["id"].offset)) for _ in range(8)]
        tasks += [cocotb.start_soon(bench.master.write(REGISTERS["ring_tail"].offset, 0)) for _ in range(8)]
        for task in tasks:
            await task
        for channel, cycles in (("r", 4), ("b", 2)):
            steps = np.diff(bench.monitors[channel].cycles[-8:])
            assert (steps == cycles).all(), f"answers on {channel} come {steps.tolist()} cycles apart, not {cycles}"
        # an event in irq
        await bench.write("irq_enable", 3)
        for name in EVENTS:
            getattr(dut, f"event_{name}").value = 1
            await bench.edge
            getattr(dut, f"event_{name}").value = 0
            assert str(dut.irq.value) == "0", "irq rises early"
            await bench.edge
            assert str(dut.irq.value) == "1", "irq rises late"
            await bench.write("irq_status", 3)


@cocotb.test()
async def reset_in_the_middle(dut: Any) -> None:
    """A reset leaves nothing: no answer that was due, and every register has its reset value."""
    bench = Registers(dut, "both")
    draw = rng("moments")
    async with bench:
        for number in range(8):
            found = ("nothing", "a write", "a read")[number % 3]
            for name in (*WRITABLE, "irq_status"):
                await bench.write(name, int(draw.integers(1 << 32)) & ~control(soft_reset=1))
            await bench.events(EVENTS)
            dut.count_row.value = 1
            coverage.sample_reset(found)
            tasks = []
            if found == "a write":
                tasks.append(cocotb.start_soon(bench.master.write(REGISTERS["ring_tail"].offset, 5)))
            elif found == "a read":
                tasks.append(cocotb.start_soon(bench.master.read(REGISTERS["id"].offset)))
            await ClockCycles(dut.clk, int(draw.integers(2, 12)))
            for task in tasks:
                task.cancel()
            dut.count_row.value = 0
            dut.rst_n.value = 0
            await bench.edge
            bench.master.clear()
            await reset(dut)
            bench.model.reset()
            await ClockCycles(dut.clk, 5)
            assert str(dut.s_axil_bvalid.value) == str(dut.s_axil_rvalid.value) == "0", "an answer outlives a reset"
            bench.check_outputs()
            await bench.read_all()
            assert await bench.word("rows_hi") == 0, "a high word outlives a reset"
            assert await bench.counter("rows") == 0
