"""The designs side by side on one chip, all with the same macros, clock, buffer and memory: what they are given, what they give.

What a cluster of a baseline does in how many cycles is exact: its model in time equals the RTL. How clusters make a chip is
modelled, always in the baseline's favour: they are never out of step, they share the buffer's port and the memory without losing
a cycle, and whatever is slowest decides alone. The accelerator's figures come from its exact model, its memory included.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from models.comparison.claims import BUFFER_BYTES, CLOCK_MHZ
from models.energy.events import Events
from models.errors import FcimError
from models.hardware.quantise import quantise
from models.hardware.tile import QuantisedGroup
from models.tensors.attention_tensors import AttentionTensors

OUT_BYTES, PARTIAL_BYTES = 2, 4     # of an element of O, and of a partial one


@dataclass(frozen=True)
class Memories:
    """What surrounds the macros, the same for all.

    Attributes:
        gbs: 10^9 bytes a second of the memory outside, reads and writes together.
        latency: cycles until its first answer.
        port: bytes that leave the buffer per cycle; as many go in. Infinite: partial sums and scores lie in memories of their own
            beside the macros, which are never in the way.
        buffer: bytes of the buffer.
    """

    gbs: float = 51.2
    latency: int = 100
    port: float = 256
    buffer: int = BUFFER_BYTES

    @property
    def beat(self) -> float:
        """Bytes per cycle of the memory outside."""
        return self.gbs * 1000 / CLOCK_MHZ


@dataclass(frozen=True)
class Outcome:
    """What a layer's attention takes.

    Attributes:
        cycles: of the whole. bounds: of its parts, had each been alone: the macros' units, the buffer's port, the memory.
        dram_bytes, buffer_bytes: read and written together. cell_bits: written into macros.
        events: for the energy; None where no operands were counted.
        choice: what was chosen as the quickest, where there was a choice.
    """

    design: str
    tokens: int
    cycles: float
    bounds: Mapping[str, float]
    dram_bytes: float
    buffer_bytes: float
    cell_bits: float
    events: Events | None = None
    choice: str = ""

    @property
    def milliseconds(self) -> float:
        """Time at the paper's clock."""
        return self.cycles / CLOCK_MHZ / 1000


@dataclass(frozen=True)
class Layer:
    """A layer's attention as operands: its KV heads quantised, of which ``counted`` have their activity counted for all."""

    groups: Sequence[QuantisedGroup]
    counted: int = 1

    @property
    def heads(self) -> int:
        """KV heads of the layer."""
        return len(self.groups)

    @property
    def group(self) -> int:
        """Query heads of each."""
        return self.groups[0].q.shape[0]

    @property
    def tokens(self) -> int:
        """Tokens, all of which have queries."""
        return self.groups[0].q.shape[1]

    @property
    def visible(self) -> int:
        """Scores that causality leaves."""
        return self.heads * self.group * self.tokens * (self.tokens + 1) // 2

    @property
    def head_dim(self) -> int:
        """Channels of a head."""
        return self.groups[0].q.shape[2]


def layer_of(tensors: AttentionTensors, counted: int = 1) -> Layer:
    """A prefill's tensors, quantised.

    Raises:
        FcimError: they are no prefill, or their head_dim is not the macros'.
    """
    groups = quantise(tensors)
    if groups[0].q.shape[1] != len(groups[0].k):
        raise FcimError("the designs are compared on a prefill: give tensors with a query for every key")
    return Layer(groups, min(counted, len(groups)))


@dataclass(frozen=True)
class Traffic:
    """Bytes of a baseline's chip.

    Attributes:
        read, written: what its units read from and write into the buffer.
        filled: what comes from the memory outside into the buffer. out: rows of O, which leave without passing it.
        spilled: what goes to the memory outside, and comes back, for want of room.
    """

    read: float
    written: float
    filled: float
    out: float
    spilled: float = 0

    @property
    def dram(self) -> tuple[float, float]:
        """Bytes read from and written to the memory outside."""
        return self.filled + self.spilled, self.out + self.spilled

    @property
    def buffer(self) -> float:
        """Bytes read from and written into the buffer, together."""
        return self.read + self.written + self.filled

    def bounds(self, inside: float, memories: Memories) -> dict[str, float]:
        """Cycles of the units, of the buffer's port, of the memory outside, had each been alone."""
        return {"macros": inside, "buffer": max(self.read, self.written + self.filled) / memories.port,
                "memory": sum(self.dram) / memories.beat}

    def outcome(self, design: str, choice: str, layer: Layer, memories: Memories, inside: float, cells: float) -> Outcome:
        """What a layer takes whose units alone would take ``inside`` cycles; ``cells``: bits written into macros."""
        bounds = self.bounds(inside, memories)
        return Outcome(design, layer.tokens, max(bounds.values()) + memories.latency, bounds, sum(self.dram), self.buffer, cells,
                       choice=choice)

    def events(self, inside: Events, cycles: float) -> Events:
        """What the units do, with all bytes of the chip."""
        read, written = self.dram
        return inside.replaced(cycles=cycles, buffer_read_bytes=self.read, buffer_written_bytes=self.written + self.filled,
                               stage_read_bytes=read + written, stage_written_bytes=read + written, dram_read_bytes=read,
                               dram_written_bytes=written)
