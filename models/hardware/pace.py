"""When the partners of the engine's streams are there: the outside of a run, as far as time is concerned."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat

EARLY = -(1 << 40)      # before every cycle of any run


@dataclass(frozen=True)
class Pace:
    """Offers of the inputs and readiness of the outputs, in cycles counted from the acceptance of the first row of Q.

    ``q``, ``k``, ``v``: per beat the first cycle in which it stands valid. ``o``, ``part``, ``decision``: the cycles in which
    ``ready`` is other than in the one before, ascending; it is low before the first of them, and stays as the last one leaves it.
    ``skips_wait``: a skipped block waits for ``decision`` as one that runs does; inside ``fcim_engine`` it waits for nothing.
    """

    q: Sequence[int]
    k: Sequence[int]
    v: Sequence[int]
    o: Sequence[int] = (EARLY,)
    decision: Sequence[int] = (EARLY,)
    skips_wait: bool = True
    part: Sequence[int] = (EARLY,)


def offers(pace: Pace | None, stream: str, beats: int) -> Iterator[int]:
    """The offers of ``beats`` beats of an input, in order; without a pace all stand from cycle 0 on.

    Raises:
        ValueError: the pace knows another number of beats.
    """
    if pace is None:
        return repeat(0, beats)
    known = getattr(pace, stream)
    if len(known) != beats:
        raise ValueError(f"{len(known)} beats of {stream} were offered, the tiles have {beats}")
    return iter(known)


class Ready:
    """The readiness of an output, from the cycles in which it changes (see :class:`Pace`); without a pace it is always high."""

    def __init__(self, pace: Pace | None, stream: str) -> None:
        self.stream, self._changes = stream, (EARLY,) if pace is None else getattr(pace, stream)

    def first(self, cycle: int) -> int:
        """The first cycle from ``cycle`` on in which it is high.

        Raises:
            ValueError: there is none.
        """
        passed = bisect_right(self._changes, cycle)
        if passed % 2:
            return cycle
        if passed == len(self._changes):
            raise ValueError(f"{self.stream} is not ready from cycle {cycle} on")
        return self._changes[passed]
