"""What others publish for a digital compute-in-memory MAC of 8 by 8 bits, and what their process makes of it in ours."""

from __future__ import annotations

from dataclasses import dataclass

LOW, TYPICAL, HIGH = 37.0, 75.0, 115.0      # fJ in 28 nm
NODE, VOLT, NAND2_PIN = 28, 0.9, 0.7        # nm, V; fF of a NAND2's pin: the gates of zigzag-imc's 28 nm model


@dataclass(frozen=True)
class Macro:
    """A published macro; fJ of a MAC from its TOPS/W, two operations each."""

    where: str
    node: int
    tops_per_watt: str
    femtojoule: str


MACROS = (
    Macro("ISSCC 2023, 16.2 (sparse attention)", 28, "53.8", "37"), Macro("ISSCC 2022, 15.5 (ReDCIM)", 28, "36.5", "55"),
    Macro("CIMple, arXiv 2604.15944 (standard cells, 0.85 V)", 28, "26.1", "77"),
    Macro("ISSCC 2022, 11.7", 28, "22 to 27.4", "73 to 91"),
    Macro("ISSCC 2023, 7.2 (0.9 V, half of all bits set)", 28, "19.5", "103"),
    Macro("VLSI 2022 (4 by 4 bits, a quarter)", 12, "30.3", "66"),
    Macro("ISSCC 2022, 11.6 (4 by 4 bits, a quarter)", 5, "63.5", "31"),
)


def scaled(femtojoule: float, volt: float) -> float:
    """An energy of the 28 nm process at another supply, capacitances as they are: what is known for sure of another process."""
    return femtojoule * (volt / VOLT) ** 2
