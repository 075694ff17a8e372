"""What ``fcim_kv_loader`` may do: which block it asks for next, into which page, and which runs it takes. No simulator here."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from tb.common.bursts import SPACE, Command
from tb.common.stream import Beat

RESIDENT, STREAMED, DECODE = MODES = ("resident", "streamed", "decode")
MULTIPLIERS, K, V = KINDS = range(3)
SKID = 2        # times that a slot may be served before another one that waits: two blocks are chosen before they show


@dataclass(frozen=True)
class Sizes:
    """Parameters of the block; ``blocks``: of the longest head, ``pages``: of the buffer, ``width``: bytes of a beat."""

    engines: int
    head_dim: int
    keys_per_block: int
    blocks: int
    pages: int
    width: int

    @property
    def slots(self) -> int:
        """Runs that may be there at a time."""
        return max(self.engines, 2)

    def share(self, mode: str) -> int:
        """Pages of a slot."""
        return {RESIDENT: self.pages, STREAMED: self.pages // 2, DECODE: self.pages // self.engines}[mode]


@dataclass(frozen=True)
class Call:
    """What the pins ``call_*`` say; strides and bases in bytes."""

    mode: str
    k: int
    v: int
    k_table: int
    k_token_stride: int
    k_head_stride: int
    v_token_stride: int
    v_head_stride: int
    k_table_stride: int

    @classmethod
    def draw(cls, generator: np.random.Generator, mode: str, sizes: Sizes) -> Call:
        """Any strides and bases, also such that lead past the last address."""

        def multiple(bits: int) -> int:
            return int(generator.integers((1 << bits) - 1, dtype=np.uint64)) // sizes.width * sizes.width

        return cls(mode, SPACE - sizes.width, *(multiple(64) for _ in range(2)), *(multiple(32) for _ in range(5)))

    def pins(self) -> dict[str, int]:
        """Values of ``call_<name>``."""
        values = {name: value for name, value in vars(self).items() if name != "mode"}
        return {**values, "decode": int(self.mode == DECODE), "streamed": int(self.mode == STREAMED)}

    def command(self, kind: int, head: int, block: int, sizes: Sizes) -> Command:
        """One of the three commands of a block; a row's stride also where there is one row."""
        key, beats = block * sizes.keys_per_block, sizes.head_dim // sizes.width
        if kind == MULTIPLIERS:
            table = -(-4 * sizes.keys_per_block // sizes.width)
            return Command(self.k_table + head * self.k_table_stride + block * table * sizes.width, table, 1, self.k_token_stride)
        base, head_stride, stride = ((self.k, self.k_head_stride, self.k_token_stride) if kind == K else
                                     (self.v, self.v_head_stride, self.v_token_stride))
        return Command(base + head * head_stride + key * stride, beats, sizes.keys_per_block, stride)


@dataclass
class Run:
    """A run that was taken. ``left``: its blocks that were not asked for, in order; ``pages``: those that are not free again."""

    beat: Beat
    left: deque[int]
    base: int = 0
    pages: deque[int] = field(default_factory=deque)
    unloaded: int = 0
    asked: int = 0
    loaded: int = 0

    @property
    def done(self) -> bool:
        """All is loaded and free."""
        return not self.left and not self.unloaded and not self.pages


class Model:
    """Follows a call's runs and commands; whatever breaks a rule raises AssertionError."""

    def __init__(self, sizes: Sizes) -> None:
        self.sizes = sizes
        self.call: Call | None = None
        self.ring = 0
        self.runs: dict[int, Run] = {}
        self.order: deque[int] = deque()            # slots of runs with blocks to ask for, oldest first
        self.heads: deque[int] = deque()            # slots of resident heads, oldest first
        self.block: tuple[int, int, int] | None = None      # slot, page and block whose commands come
        self.kind = MULTIPLIERS
        self.beats = self.blocks = 0
        self.waits: dict[int, Counter[int]] = {}    # decode: how often others were served since a slot could have been

    def begin(self, call: Call) -> None:
        """A call begins: nothing of the one before is left."""
        assert self.idle and all(run.done for run in self.runs.values())
        self.call, self.runs = call, {}

    @property
    def idle(self) -> bool:
        """No block is to be asked for."""
        return not self.order and self.block is None

    def open(self, slot: int) -> bool:
        """The slot's run before is over."""
        return slot not in self.runs or self.runs[slot].done

    def accept(self, beat: Beat) -> None:
        """A run was taken."""
        assert self.call is not None and self.open(beat["slot"]), f"a run is taken while slot {beat['slot']} has one"
        blocks = range(beat["first"], beat["first"] + beat["blocks"])
        run = Run(beat, deque(reversed(blocks) if beat["descending"] else blocks), self.ring)
        self.runs[beat["slot"]] = run
        self.order.append(beat["slot"])
        if self.call.mode == RESIDENT:
            self.ring = (self.ring + beat["blocks"]) % self.sizes.pages
            self.heads.append(beat["slot"])

    def page(self, slot: int, block: int) -> int:
        """Where a block of the slot's run goes."""
        run, share, mode = self.runs[slot], self.sizes.share(self.call.mode), self.call.mode
        return ((run.base + block) % share if mode == RESIDENT else
                slot * share + (block if mode == STREAMED else block - run.beat["first"]) % share)

    def used(self) -> set[int]:
        """Pages that are not free."""
        return {page for run in self.runs.values() for page in run.pages}

    def waiting(self) -> Iterator[int]:
        """Slots of a decode that could be served."""
        return (slot for slot in self.order if len(self.runs[slot].pages) < self.sizes.share(DECODE))

    def _take(self, slot: int) -> None:
        """The next block of the slot gets its page."""
        assert slot in self.order, f"slot {slot} is served, but has no block to be asked for"
        assert self.call.mode == DECODE or slot == self.order[0], f"slot {slot} is served before slot {self.order[0]}"
        if self.call.mode == DECODE:
            self.waits = {other: self.waits.get(other, Counter()) for other in self.waiting() if other != slot}
            for other, counts in self.waits.items():
                counts[slot] += 1
                assert counts[slot] <= SKID, f"slot {slot} is served {counts[slot]} times while slot {other} waits"
        run = self.runs[slot]
        block = run.left.popleft()
        page = self.page(slot, block)
        assert page not in self.used(), f"page {page} gets block {block} of slot {slot} while it is in use"
        run.pages.append(page)
        run.unloaded += 1
        if not run.left:
            self.order.remove(slot)
        self.block, self.blocks = (slot, page, block), self.blocks + 1

    def command(self, beat: Beat) -> int | None:
        """A command has left; the slot of the block if it was the block's last."""
        if self.kind == MULTIPLIERS:
            self._take(beat["slot"])
        slot, page, block = self.block
        command = self.call.command(self.kind, self.runs[slot].beat["head"], block, self.sizes)
        want = {"kind": self.kind, "slot": slot, "page": page, **command.as_beat()}
        wrong = [f"{name} got {beat[name]:#x}, expected {value:#x}" for name, value in want.items() if beat[name] != value]
        assert not wrong, f"m_load beat {self.beats}: {'; '.join(wrong)}"
        self.beats += 1
        self.kind = (self.kind + 1) % len(KINDS)
        if self.kind:
            return None
        self.block = None
        self.runs[slot].asked += 1
        return slot

    def load(self, slot: int) -> None:
        """A block of the slot is in the buffer."""
        self.runs[slot].unloaded -= 1
        self.runs[slot].loaded += 1

    def free(self, slot: int) -> None:
        """The slot's oldest page is free."""
        self.runs[slot].pages.popleft()

    def free_head(self, slot: int) -> None:
        """All pages of a resident head are."""
        assert self.heads.popleft() == slot
        self.runs[slot].pages.clear()
