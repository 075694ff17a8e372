"""Checks each output of ``fcim_online_softmax`` in every cycle, and the cycle rules of the specification once a run is over."""

from __future__ import annotations

from typing import Any

import cocotb
from cocotb.triggers import RisingEdge

from models.hardware.config import SHIFT_BITS
from tb.common.bench import Bench
from tb.common.clock import cycle
from tb.common.geometry import Geometry
from tb.common.rng import rng
from tb.common.stream import Beat
from tb.online_softmax.agents import NormalizerBfm, OpCimBfm
from tb.online_softmax.model import ExpectedBlock, SoftmaxModel
from tb.score_scaler.agents import COLUMN_FIELDS, TileDriver
from tb.score_scaler.sequences import TileStimulus

BLOCK_FIELDS = ("slot", "last_key", "first", "last", "bank")
DECISION_FIELDS = ("skip", "last", "bank", "zero")
QUIET = ("p_we", "tile_scaled", "ev_saturations", "ev_rescaled", "ev_amount", "ev_wait_slot", "ev_wait_bank")
EVENT_DELAY = 3  # from a pass of a judgement to its events
WRITE_DELAY = 4  # from the exponential phase's first cycle to the first write


class Checker:
    """One run: columns from ``tiles``, blocks to the OP-CIM's BFM, row sums to the normaliser's.

    Under "none" and "gaps" the OP-CIM is as fast as the real one; else it takes blocks and gives slots and banks back at random.
    """

    def __init__(self, dut: Any, pattern: str, budget: int) -> None:
        self.dut, self.size = dut, Geometry(dut)
        self.bench = Bench(dut, pattern, budget, QUIET)
        self.model = SoftmaxModel(self.size, self._expect)
        source = self.bench.input("s_col", COLUMN_FIELDS, lambda beat: self.model.column(beat, cycle()))
        self.board = self.bench.output("m_blk", BLOCK_FIELDS)
        self.requests = self.bench.output("m_decision", DECISION_FIELDS)
        self.bench.monitors["m_blk"].add_callback(self._block_taken)
        self.driver = TileDriver(dut, self.size, source, pattern, tau_port=True)
        slow, generator = pattern in ("backpressure", "both"), rng("surroundings")
        self.op_cim = OpCimBfm(dut, self.size, slow, generator)
        self.normalizer = NormalizerBfm(dut, self.size, slow, generator, self.model.tiles, self._complete)
        self.shift_width, self.sum_width = self.size.rows * SHIFT_BITS, self.size.rows * self.size.block_sum_bits
        self.events = dict.fromkeys(("saturations", "rescaled", "amount", "wait_slot", "wait_bank"), 0)
        self.wait_cycles: dict[str, list[int]] = {"wait_slot": [], "wait_bank": []}
        self.rescales: dict[int, int] = {}              # cycle: rows that were rescaled EVENT_DELAY cycles before
        self.asked: list[int] = []                      # first cycle in which a request, in order, was offered
        # blocks below are those that run, by their number among them
        self.writes: list[tuple[int, int]] = []         # cycle and block of each write
        self.valid_since: list[int] = []                # first cycle in which a column, in order, was offered
        self.shown: list[int] = []                      # first cycle in which a block, in order, was offered
        self.taken: list[int] = []                      # cycle in which it was taken
        self._done = 0

    def _expect(self, block: ExpectedBlock) -> None:
        self.requests.expect([block.request])
        if block.run is not None:
            self.board.expect([block.beat])

    def _block_taken(self, beat: Beat) -> None:
        """The OP-CIM takes the block, which occupies its slot from the next cycle on."""
        self.op_cim.take(self.model.running[len(self.taken)])
        self.taken.append(cycle())

    def _check_held(self, block: ExpectedBlock) -> None:
        """The block that the OP-CIM uses is complete, and its shift and sum are on the ports."""
        assert not block.writes, f"block {block.number} came with writes {sorted(block.writes)} missing"
        for name, width, want in (("blk_shift", self.shift_width, block.shift), ("blk_sum", self.sum_width, block.p_sum)):
            bits = str(getattr(self.dut, name).value)
            got = bits[len(bits) - (block.slot + 1) * width : len(bits) - block.slot * width]
            if got != format(want, f"0{width}b"):
                lane = width // self.size.rows
                rows = [(i, got[width - (i + 1) * lane : width - i * lane], want >> (i * lane) & (1 << lane) - 1)
                        for i in range(self.size.rows)]
                wrong = [(i, g, w) for i, g, w in rows if g != format(w, f"0{lane}b")]
                raise AssertionError(f"cycle {cycle()}: block {block.number}: {name} (row, got, expected) {wrong[:4]}")

    def _check_write(self) -> None:
        """A write of probabilities: one that is due, and to a slot that is not in use."""
        dut, now = self.dut, cycle()
        if str(dut.p_we.value) != "1":
            assert str(dut.p_we.value) == "0", f"p_we is {dut.p_we.value}"
            return
        assert self._done < len(self.model.running), f"cycle {now}: a write before any block is complete"
        block = self.model.running[self._done]
        slot, place = int(dut.p_slot.value), (int(dut.p_key.value), int(dut.p_pass.value))
        assert slot == block.slot, f"cycle {now}: a write to slot {slot}, block {block.number} belongs to {block.slot}"
        assert self.op_cim.in_use(slot, now) is None, f"cycle {now}: a write to slot {slot} while the OP-CIM uses it"
        want = block.writes.pop(place, None)
        assert want is not None, f"cycle {now}: block {block.number}: unexpected or second write of (key, pass) {place}"
        bits = str(dut.p_data.value)
        assert bits == format(want, f"0{len(bits)}b"), self._explain_write(block, place, bits, want)
        self.writes.append((now, self._done))
        self._done += not block.writes

    def _explain_write(self, block: ExpectedBlock, place: tuple[int, int], bits: str, want: int) -> str:
        width, lanes = self.size.prob_bits, self.size.lanes
        expected = format(want, f"0{lanes * width}b")
        parts = [slice((lanes - 1 - i) * width, (lanes - i) * width) for i in range(lanes)]
        wrong = [(i, bits[part], expected[part]) for i, part in enumerate(parts) if bits[part] != expected[part]]
        return f"cycle {cycle()}: block {block.number}, (key, pass) {place}: p (lane, got, expected) {wrong[:4]}"

    def _count_events(self) -> None:
        for name in self.events:
            bits = str(getattr(self.dut, f"ev_{name}").value)
            if "1" in bits:
                self.events[name] += int(bits, 2)
                if name in self.wait_cycles:
                    self.wait_cycles[name].append(cycle())
                if name == "rescaled":
                    self.rescales[cycle()] = int(bits, 2)
            else:
                assert set(bits) == {"0"}, f"ev_{name} is {bits}"

    async def watch(self) -> None:
        """Once per cycle, from the end of reset on."""
        dut, edge, offered = self.dut, RisingEdge(self.dut.clk), False
        while True:
            await edge
            now = cycle()
            self._check_write()
            self._count_events()
            if dut.s_col_valid.value == 1:
                if not offered:
                    self.valid_since.append(now)
                offered = dut.s_col_ready.value == 0
            if dut.m_decision_valid.value == 1 and len(self.asked) == len(self.decided) - (self.decided[-1:] == [now]):
                self.asked.append(now)
            if dut.m_blk_valid.value == 1 and len(self.shown) == len(self.taken) - (self.taken[-1:] == [now]):
                self.shown.append(now)
            if dut.row_we.value == 1:
                self.model.columns.row_write(dut)
            if dut.tile_scaled.value == 1:
                self.driver.released.append(int(dut.tile_scaled_bank.value))
            for slot in (0, 1):
                block = self.op_cim.in_use(slot, now)
                if block is not None:
                    self._check_held(block)
            self.op_cim.step(now)

    @property
    def decided(self) -> list[int]:
        """Cycle in which each block's request was taken."""
        return self.bench.monitors["m_decision"].cycles

    def _complete(self, t: int) -> bool:
        """The tile's last block is decided, and the OP-CIM has all that run."""
        blocks = self.model.blocks[: len(self.decided)]
        return any(b.tile == t and b.last for b in blocks) and all(
            b.run is None or b.run < len(self.taken) for b in blocks if b.tile == t)

    async def run(self, tiles: list[TileStimulus]) -> None:
        """Send the tiles, wait for the last sum, and look at the totals."""
        async with self.bench:
            watcher = cocotb.start_soon(self.watch())
            reader = cocotb.start_soon(self.normalizer.run(len(tiles)))
            await self.driver.send(tiles)
            await reader
        watcher.cancel()
        self._check_totals(tiles)

    def _check_totals(self, tiles: list[TileStimulus]) -> None:
        blocks, running = self.model.blocks, self.model.running
        assert sum(b.keys for b in blocks) == sum(len(t.keys) for t in tiles) == len(self.valid_since)
        assert self.normalizer.sums_read == sum(len(t.rows) for t in tiles)
        assert len(self.writes) == sum(b.keys for b in running) * self.size.cpk
        assert len(self.taken) == len(self.shown) == len(running)
        assert len(self.decided) == len(self.asked) == len(blocks)
        got = {name: self.events[name] for name in ("saturations", "rescaled", "amount")}
        want = {"saturations": self.model.saturations, "rescaled": sum(b.rescaled for b in blocks),
                "amount": sum(b.amount for b in blocks)}
        assert got == want, f"events: got {got}, expected {want}"


# ---- cycle rules, which hold under every stall pattern
def check_cycles(run: Checker) -> dict[str, int]:
    """Every column accept, judgement, request, start and block offer has its cycle. Returns how many starts each cause decided.

    ``C[k] = max(offered, C[k-1] + CPK)``, for a block's first key also ``E[b-3] + 1``;
    ``J[b] = max(C[last key, of block b+1 for a joint start] + CPK + 4, J[b-1] + CPK, E[b-3] + n[b-3] * CPK if that one ran)``,
    seen where rows are rescaled, a pass's three cycles after it;
    the request is offered from ``max(J[b] + CPK + 1, E[b-1] + n[b-1] * CPK, or + 1 if that one was skipped)`` on, for a block
    that runs also slot free and, for a tile's first one, bank free; E[b] is the cycle in which it is taken;
    ``ev_wait_slot`` and ``ev_wait_bank`` mark the cycles in which nothing else holds a block up;
    a block is offered from ``E[b] + n * CPK + 3`` on, but not before the one ahead of it has been taken.
    """
    cpk, blocks, starts = run.size.cpk, run.model.blocks, run.decided
    judged = _check_judgements(run)
    causes = {"scaled": 0, "before": 0, "slot": 0, "bank": 0}
    waits: dict[str, list[int]] = {"wait_slot": [], "wait_bank": []}
    for b, block in enumerate(blocks):
        bounds = {"scaled": judged[b] + cpk + 1}
        if b >= 1:
            bounds["before"] = starts[b - 1] + (1 if blocks[b - 1].run is None else blocks[b - 1].keys * cpk)
        # A cycle counts as a wait for one thing only: for the slot as long as that is not free, then for the bank.
        ready = roomy = max(bounds.values())
        if block.run is not None and block.run >= 2:
            bounds["slot"] = run.op_cim.free_from[block.run - 2]
            roomy = max(ready, bounds["slot"])
        waits["wait_slot"] += range(ready, roomy)
        if block.run is not None and block.first and block.tile >= 2:
            bounds["bank"] = run.normalizer.free_from[block.tile - 2]
            waits["wait_bank"] += range(roomy, bounds["bank"])
        due = max(bounds.values())
        assert run.asked[b] == due, f"block {b}: the request comes in cycle {run.asked[b]}, expected the largest of {bounds}"
        causes[max(bounds, key=bounds.__getitem__)] += 1
        if block.run is not None:
            _check_run(run, block.run, starts[b], block.keys)
    assert waits == run.wait_cycles, f"cycles of waiting: got {run.wait_cycles}, expected {waits}"
    return causes


def _check_judgements(run: Checker) -> list[int]:
    """J of every block, from the columns, whose cycles are checked, and from the starts of earlier blocks."""
    cpk, blocks, starts = run.size.cpk, run.model.blocks, run.decided
    column, last = 0, None
    for b, block in enumerate(blocks):
        for j, accept in enumerate(block.accepts):
            bounds = [run.valid_since[column]]
            if last is not None:
                bounds.append(last + cpk)
            if j == 0 and b >= 3:
                bounds.append(starts[b - 3] + 1)
            assert accept == max(bounds), f"block {b}, key {j}: taken in cycle {accept}, expected the largest of {bounds}"
            last = accept
            column += 1
    judged: list[int] = []
    rescaled = dict(run.rescales)
    for b, block in enumerate(blocks):
        bounds = [blocks[b + block.joint].accepts[-1] + cpk + 4]
        bounds += [judged[b - 1] + cpk] if b >= 1 else []
        bounds += [starts[b - 3] + blocks[b - 3].keys * cpk] if b >= 3 and blocks[b - 3].run is not None else []
        judged.append(max(bounds))
        seen = sum(rescaled.pop(cycle, 0) for cycle in range(judged[b] + EVENT_DELAY, judged[b] + EVENT_DELAY + cpk))
        assert seen == block.rescaled, f"block {b}: {seen} of {block.rescaled} rescales after cycle {judged[b]}, of {bounds}"
    assert not rescaled, f"rescales of no block in cycles {sorted(rescaled)}"
    return judged


def _check_run(run: Checker, number: int, start: int, keys: int) -> None:
    """The writes of a block that runs, one per cycle, and when it is offered."""
    cpk = run.size.cpk
    writes = [cycle for cycle, other in run.writes if other == number]
    assert writes == list(range(start + WRITE_DELAY, start + WRITE_DELAY + keys * cpk)), f"block {number}: writes in {writes[:3]}"
    offer = max(start + keys * cpk + 3, run.taken[number - 1] + 1 if number else 0)
    assert run.shown[number] == offer, f"block {number}: offered in cycle {run.shown[number]}, expected {offer}"
