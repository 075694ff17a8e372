"""What the precision study varies: one choice at a time around the default, and bits together."""

from __future__ import annotations

from dataclasses import dataclass, replace

from models.hardware.config import HardwareConfig
from models.hardware.schedules import TileOptions
from models.hf_attention import Quantisation
from models.hf_attention.calibrate import V_ROOM

BITS = (8, 6, 4)
PROB_BITS = (8, 9, 10, 11, 12, 14, 16)
TAUS = (0, 1, 2, 3, 4, 6, 8)
ROOMS = (1.0, 1.25, 1.5, 2.0)


@dataclass(frozen=True)
class Variant:
    """One line of the study; ``group`` is the table and the panel it belongs to, ``x`` its place on a numeric axis."""

    group: str
    name: str
    hardware: HardwareConfig
    options: TileOptions
    quantisation: Quantisation
    calibrated: bool = True
    x: int | None = None
    v_room: float = V_ROOM


def variants(cfg: HardwareConfig, options: TileOptions) -> list[Variant]:
    """All of them; the first is the default, and every group holds it again under its own name."""
    base = Quantisation()
    found = [Variant("default", "default", cfg, options, base)]

    def add(group: str, name: str, x: int | None = None, calibrated: bool = True, hardware: HardwareConfig = cfg,
            chosen: TileOptions = options, v_room: float = V_ROOM, **changes: object) -> None:
        found.append(Variant(group, name, hardware, chosen, replace(base, **changes), calibrated, x, v_room))

    for bits in BITS:
        for what, fields in (("Q", "q"), ("K", "k"), ("V", "v"), ("Q, K and V", "qkv")):
            add(f"bits of {what}", f"{bits}", bits, **{f"{f}_bits": bits for f in fields})
    for bits in PROB_BITS:
        if options.tau <= bits - 2:
            add("bits of P", f"{bits}", bits, hardware=replace(cfg, prob_bits=bits))
    for tau in TAUS:
        if tau <= cfg.max_tau():
            add("TAU", f"{tau}", tau, chosen=replace(options, tau=tau))
    for grain in ("token", "head", "tensor"):
        add("scales of Q and K", f"per {grain}", q_grain=grain, k_grain=grain)
    for grain in ("channel", "head", "tensor"):
        add("scales of V", f"per {grain}", v_grain=grain)
    for smooth in (True, False):
        for rotate in (False, True):
            add("K", f"{'smoothed' if smooth else 'as it is'}{', rotated' if rotate else ''}", smooth_k=smooth, rotate=rotate)
            add("Q and K of 4 bits", f"{'smoothed' if smooth else 'as it is'}{', rotated' if rotate else ''}", smooth_k=smooth,
                rotate=rotate, q_bits=4, k_bits=4)
    for room in ROOMS:
        add("room above the largest values", f"{room}", v_room=room)
    add("statistics of K and V", "of another text")
    add("statistics of K and V", "of the text itself", calibrated=False)
    return found
