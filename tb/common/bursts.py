"""Commands of the AXI engines and the bursts that they are to become, from docs/axi.md; answers of AXI4. No simulator here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tb.common.stream import Beat

PAGE = 4096
SPACE = 1 << 64
OKAY, SLVERR, DECERR = 0, 2, 3
COMMAND_FIELDS = ("address", "beats", "rows", "stride")


@dataclass(frozen=True)
class Burst:
    """``beats`` beats from ``address`` on; ``last`` of its command. ``ended_by``: what kept it from being longer."""

    address: int
    beats: int
    last: bool
    ended_by: frozenset[str]

    def addresses(self, width: int) -> list[int]:
        """Address of every beat of ``width`` bytes."""
        return [self.address + i * width for i in range(self.beats)]


@dataclass(frozen=True)
class Command:
    """``rows`` rows of ``beats`` beats, the first at ``address``, each next one ``stride`` bytes further."""

    address: int
    beats: int
    rows: int = 1
    stride: int = 0

    def as_beat(self) -> Beat:
        """The beat of s_cmd that says it."""
        return {"address": self.address % SPACE, "beats": self.beats, "rows": self.rows, "stride": self.stride % SPACE}

    @classmethod
    def from_beat(cls, beat: Beat) -> Command:
        """The command that a beat of s_cmd says."""
        return cls(**{field: beat[field] for field in COMMAND_FIELDS})

    def contiguous(self, width: int) -> bool:
        """Several rows that lie one behind the other."""
        return self.rows > 1 and self.stride % SPACE // width == self.beats

    def runs(self, width: int) -> Iterator[tuple[int, int]]:
        """Address and beats of what lies together, with a bus of ``width`` bytes."""
        start, stride = self.address // width * width, self.stride // width * width
        if self.contiguous(width):
            yield start, self.beats * self.rows
        else:
            yield from (((start + row * stride) % SPACE, self.beats) for row in range(self.rows))

    def bursts(self, width: int, most: int) -> Iterator[Burst]:
        """Its bursts of at most ``most`` beats, in order."""
        count = 1 if self.contiguous(width) else self.rows
        for run, (start, left) in enumerate(self.runs(width)):
            while left:
                limits = {"run": left, "MAX_BURST": most, "4 KB": (PAGE - start % PAGE) // width}
                beats = min(limits.values())
                left -= beats
                yield Burst(start, beats, not left and run == count - 1,
                            frozenset(name for name, limit in limits.items() if limit == beats))
                start = (start + beats * width) % SPACE

    def addresses(self, width: int) -> list[int]:
        """Address of every beat."""
        return [(start + i * width) % SPACE for start, beats in self.runs(width) for i in range(beats)]


def corners(width: int, most: int) -> list[Command]:
    """Commands at the edges of what is legal, short ones first: every way to end a burst, to step to a row, to wrap."""
    page = PAGE // width
    burst = min(page, most)
    near_end = [Command(0x1_0000 + PAGE - n * width, beats) for n in (1, 2, 3) for beats in (n - 1, n, n + 1) if beats]
    return [
        Command(0x2000, 1), Command(0x3FF0 // width * width, 1), *near_end,
        Command(0x5000, page), Command(0x6000 + width, page), Command(0x7000, page + 1),
        Command(0x8000, burst), Command(0x8000 + width, burst - 1 or 1), Command(0x8000, burst + 1),
        Command(0xA000, 1, 9, width), Command(0xA000 + 5 * width, 3, 2 * page // 3, 3 * width),      # rows that are one run
        Command(0xE000, 1, 1, SPACE - width), Command(0xE000, 2, 1, 2 * width),
        Command(0x1_2000 - width, 1, 5, PAGE), Command(0x1_2000 - width, 2, 4, 3 * width),
        Command(0x2_0000, 3, 4, PAGE - 3 * width),
        Command(0x2_2000, 2, 3, 0), Command(0x2_3000, 2, 4, -2 * width), Command(0x2_4000, 1, 3, -width),
        Command(0x2_5000 + width - 1, 2, 3, 3 * width + width - 1), Command(0x2_6000 + 1, 2, 2, 2 * width + 3),  # low bits
        Command(SPACE - PAGE, page), Command(SPACE - PAGE - width, page + 1), Command(SPACE - width, 1),
        Command(SPACE - 2 * width, 2, 2, 2 * width),
    ]


def random_commands(generator: np.random.Generator, count: int, width: int) -> list[Command]:
    """Any of up to about 40 beats, near the ends of pages as often as elsewhere; a third of those with rows are one run."""
    found = []
    for _ in range(count):
        page = int(generator.integers(1, SPACE // PAGE - 16)) * PAGE
        beat = int(generator.integers(-4, 4)) if generator.integers(2) else int(generator.integers(PAGE // width))
        beats, rows = int(generator.integers(1, 12)), int(generator.choice([1, 1, 2, 3]))
        stride = beats * width if generator.integers(3) == 0 else int(generator.integers(-8, 2 * PAGE // width)) * width
        found.append(Command(page + beat * width, beats, rows, stride))
    return found
