"""What the paper claims (FusionCIM, arXiv 2604.25317), figure by figure, as numbers that a command can be held against.

The paper's abstract and introduction are public; its figures are known here through published notes on the full text, which give
most of them as the two ends of a range. What is between the ends is not known and is not made up.
"""

from __future__ import annotations

from typing import NamedTuple

PAPER = "arXiv 2604.25317"
MODEL = "llama3-8b"
ENGINES = 16
"""Engines of the paper's Table I."""
BUFFER_BYTES, CLOCK_MHZ = 1 << 20, 400                      # of the same
SHORTEST, LONGEST = 256, 4096                           # tokens of Figs. 6 to 9


class Claim(NamedTuple):
    """One claim. ``low`` and ``high`` are the ends of what is reported, equal where there is one figure; ``unit`` is ``x`` for a
    ratio, ``%`` for what is less than in the design it is compared with."""

    where: str
    what: str
    low: float
    high: float
    unit: str

    @property
    def text(self) -> str:
        """As the paper gives it."""
        ends = f"{self.low:g}" if self.low == self.high else f"{self.low:g} to {self.high:g}"
        return f"{ends} {self.unit}"


SPEED = Claim("Fig. 6", "time of baseline 1 over its own, at 4,096 tokens", 1.98, 1.98, "x")
LATENCY = Claim("Fig. 6", "less time than baseline 2", 21, 40, "%")
ENERGY = Claim("abstract, IV-B", "energy of prior designs over its own", 3.85, 3.86, "x")
OFF_CHIP = Claim("Fig. 8", "fewer off-chip bytes than baseline 1, 256 to 4,096 tokens", 46.2, 58.9, "%")
ON_CHIP = Claim("Fig. 9", "fewer on-chip bytes than baseline 2, 256 to 4,096 tokens", 64.3, 71.0, "%")
RESCALES = Claim("III-D, IV-B", "fewer rescales, LLaMA-3, diagonal first against natural order", 58.5, 61.4, "%")
EFFICIENCY = Claim("Table II", "system efficiency", 29.4, 29.4, "TOPS/W")
CLAIMS = (SPEED, LATENCY, ENERGY, OFF_CHIP, ON_CHIP, RESCALES, EFFICIENCY)
