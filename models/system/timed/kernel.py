"""Time in steps of a cycle, of which those are left out in which nothing can happen.

A :class:`Part` is a block of the RTL. In a cycle parts are asked from the last consumer to the first producer: each sees its own
registers and those of the parts before it as they are in that cycle, and tells these what it took. What a step changes holds from
the next cycle on. A part that changes what another one sees wakes it for the cycle in which it does.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from models.hardware.pace import EARLY

NEVER = 1 << 60


class Part:
    """A block. ``wake``, ``again``: the next two cycles in which it has to be asked. What lies further ahead it says itself each
    time it is asked."""

    wake = again = NEVER

    def step(self, now: int) -> None:
        """What it does in cycle ``now``."""
        raise NotImplementedError

    def wake_at(self, cycle: int) -> None:
        """Ask it in ``cycle``, too."""
        if cycle < self.wake:
            self.wake, self.again = cycle, self.wake
        elif self.wake < cycle < self.again:
            self.again = cycle


class Clock:
    """Runs parts, given in the order in which they are asked in a cycle."""

    def __init__(self) -> None:
        self.parts: Sequence[Part] = ()
        self._events: list[tuple[int, int, Callable[[], None]]] = []
        self._number = 0

    def at(self, cycle: int, event: Callable[[], None]) -> None:
        """Call ``event`` in ``cycle``, before any part is asked."""
        self._number += 1
        heapq.heappush(self._events, (cycle, self._number, event))

    def run(self, now: int, ends: Callable[[int], bool]) -> int:
        """Run from cycle ``now`` on until ``ends`` says so of a cycle, before its parts are asked; that cycle.

        Raises:
            RuntimeError: nothing is left that could happen.
        """
        events, parts = self._events, self.parts
        while True:
            while events and events[0][0] <= now:
                heapq.heappop(events)[2]()
            if ends(now):
                return now
            for part in parts:
                if part.wake <= now:
                    part.wake, part.again = part.again, NEVER
                    part.step(now)
            after = min(part.wake for part in parts)
            if events and events[0][0] < after:
                after = events[0][0]
            if after >= NEVER:
                raise RuntimeError(f"the accelerator's model stands still from cycle {now} on")
            now = max(after, now + 1)


class Fifo:
    """``fcim_fifo``: a beat is offered 2 cycles after it is accepted, or in the cycle after the one before it has left."""

    def __init__(self, words: int, source: Part | None = None, sink: Part | None = None) -> None:
        self.words, self.source, self.sink = words, source, sink
        self.items: deque[tuple[int, Any]] = deque()
        self.taken = EARLY
        self.after = EARLY      # when the head can stand at the output as far as the beat before it goes

    def room(self, now: int) -> bool:
        """``s_ready``."""
        return self.inside(now) < self.words

    def inside(self, now: int) -> int:
        """Beats, with the one at the output."""
        items = self.items
        return len(items) + (self.taken == now) - bool(items and items[-1][0] == now)

    def empty(self, now: int) -> bool:
        """Nothing is inside."""
        return self.taken != now and (not self.items or self.items[0][0] == now)

    def push(self, now: int, item: Any = None) -> None:
        """It is accepted in ``now``."""
        self.items.append((now, item))
        if self.sink is not None:
            self.sink.wake_at(now + 2)

    def valid(self, now: int) -> bool:
        """``m_valid``."""
        return bool(self.items) and self.items[0][0] + 2 <= now and self.after <= now

    def when(self) -> int:
        """When the head is valid, if there is one."""
        return max(self.items[0][0] + 2, self.after) if self.items else NEVER

    @property
    def head(self) -> Any:
        """What is at the output while it is valid."""
        return self.items[0][1]

    def take(self, now: int) -> Any:
        """It leaves in ``now``."""
        self.taken, self.after = now, now + 1
        if self.source is not None:
            self.source.wake_at(now + 1)
        return self.items.popleft()[1]
