"""Compares what the design gave with what the model expects, exactly and in order.

Not derived from the scoreboard of cocotb-bus: reading that one's ``result`` ends the test with a pass on the spot.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable, Mapping, Sequence

from tb.common.pack import unpack

SHOWN_LANES = 4


class Scoreboard:
    """One output stream's expectations. ``monitor.add_callback(scoreboard.got)`` feeds it, the model calls :meth:`expect`.

    The model must itself be fed from monitored inputs. An output may be seen before its expectation when both happen at
    the same clock edge, so beats wait for each other in either order; what is left over at the end is an error.

    Args:
        name: shown in messages, by custom the stream's name.
        fields: fields that are compared.
        lanes: for a packed field ``(width in bits, signed)``, so that messages give lanes and numbers.
        limit: the test fails as soon as this many beats differ.
    """

    def __init__(
        self,
        name: str,
        fields: Sequence[str] = ("data",),
        lanes: Mapping[str, tuple[int, bool]] | None = None,
        limit: int = 5,
    ) -> None:
        self.name, self.fields, self.limit = name, tuple(fields), limit
        self.lanes = dict(lanes or {})
        self.compared = 0
        self.mismatches: list[str] = []
        self._expected: deque[Mapping[str, int]] = deque()
        self._got: deque[Mapping[str, int]] = deque()
        self._log = logging.getLogger(f"cocotb.scoreboard.{name}")

    def expect(self, beats: Iterable[Mapping[str, int]]) -> None:
        """Append beats that the design must give next.

        Raises:
            ValueError: a beat lacks a compared field.
        """
        for beat in beats:
            if missing := set(self.fields) - set(beat):
                raise ValueError(f"{self.name}: the expected beat lacks field '{min(missing)}'")
            self._expected.append(beat)
        self._match()

    def got(self, beat: Mapping[str, int]) -> None:
        """Take one beat from the design (a monitor's callback)."""
        self._got.append(beat)
        self._match()

    def forget(self) -> None:
        """What is awaited will not come: the design was reset."""
        self._expected.clear()

    def pending(self) -> int:
        """Expected beats that have not come yet."""
        return len(self._expected)

    def __str__(self) -> str:
        return f"{self.name}: {self.compared} compared, {len(self._expected)} awaited, {len(self._got)} unexpected"

    def _match(self) -> None:
        while self._expected and self._got:
            got, expected = self._got.popleft(), self._expected.popleft()
            if any(got[field] != expected[field] for field in self.fields):
                text = "; ".join(self._difference(field, got[field], expected[field]) for field in self.fields
                                 if got[field] != expected[field])
                self.mismatches.append(f"{self.name} beat {self.compared}: {text}")
                self._log.error(self.mismatches[-1])
            self.compared += 1
            if len(self.mismatches) >= self.limit:
                raise AssertionError(f"{len(self.mismatches)} beats differ; the first: {self.mismatches[0]}")

    def _difference(self, field: str, got: int, expected: int) -> str:
        if field not in self.lanes:
            return f"{field} got {got:#x}, expected {expected:#x}"
        width, signed = self.lanes[field]
        count = -(-max(got.bit_length(), expected.bit_length(), 1) // width)
        g, e = (unpack(word, count, width, signed).tolist() for word in (got, expected))
        wrong = [lane for lane in range(count) if g[lane] != e[lane]]
        shown = ", ".join(f"lane {lane} got {g[lane]} expected {e[lane]}" for lane in wrong[:SHOWN_LANES])
        return f"{field} {shown}" + (f" and {len(wrong) - SHOWN_LANES} more lanes" if len(wrong) > SHOWN_LANES else "")

    def finish(self, minimum: int = 1) -> None:
        """The verdict.

        Raises:
            AssertionError: a beat differed, is missing or came unasked, or fewer than ``minimum`` beats were compared.
            ValueError: ``minimum`` is below 1, which would let a test pass that compares nothing.
        """
        if minimum < 1:
            raise ValueError("a scoreboard must compare at least one beat; use minimum >= 1")
        problems = []
        if self.mismatches:
            problems.append(f"{len(self.mismatches)} beats differ; the first: {self.mismatches[0]}")
        if self._expected:
            problems.append(f"{len(self._expected)} expected beats did not come")
        if self._got:
            problems.append(f"{len(self._got)} beats came that were not expected")
        if self.compared < minimum:
            problems.append(f"only {self.compared} beats were compared, at least {minimum} must be")
        assert not problems, f"{self.name}: " + "; ".join(problems)
