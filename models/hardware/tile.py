"""What one query tile is made of and what the engine gives back for it: the data that golden model and RTL share."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from models.hardware.config import V_MULT_BITS

V_MULT_ONE = (1 << V_MULT_BITS) - 1
"""The multiplier of a value that counts as it is."""


@dataclass
class TileJob:
    """One query tile and its key stream, in the order in which the engine meets them.

    ``q`` int8 ``[R, D]``, ``q_pos`` and ``q_mult`` int64 ``[R]``; ``k``, ``v`` int8 ``[n, D]``,
    ``k_pos`` and ``k_mult`` int64 ``[n]``; ``shift`` 0 to 63, ``tau`` 0 to 8.
    ``fused``: the first running maximum of every row is taken over the first two key blocks. ``skip``: a block whose
    probabilities are all 0 is left out; ``v`` holds its values all the same, :attr:`TileResult.ran` says which are streamed.
    ``octaves`` 1 to 31: so is one whose scores all lie further than that below their rows' running maxima, which costs
    accuracy; 0 leaves out nothing that matters. ``partial``: the rows are not divided, they leave as
    :class:`PartialRows`. ``v_mult`` int64 ``[n]``, 0 to 15: the values of key j count
    ``(v_mult + 1) / 16`` times; without it all count once.
    """

    q: Tensor
    q_pos: Tensor
    q_mult: Tensor
    k: Tensor
    v: Tensor
    k_pos: Tensor
    k_mult: Tensor
    shift: int
    tau: int = 0
    fused: bool = False
    skip: bool = False
    octaves: int = 0
    v_mult: Tensor | None = None
    partial: bool = False

    def __post_init__(self) -> None:
        if self.v_mult is None:
            self.v_mult = torch.full((len(self.k),), V_MULT_ONE, dtype=torch.int64)


@dataclass
class TileStats:
    """Counts of one tile that do not depend on timing; names as in the engine's counters.

    ``op_bit_ops`` counts only the values of blocks that ran; ``zero_blocks`` counts skipped ones too.
    """

    rows: int = 0
    keys: int = 0
    blocks: int = 0
    zero_blocks: int = 0
    rescaled_rows: int = 0
    rescale_amount: int = 0
    saturations: int = 0
    ip_bit_ops: int = 0
    op_bit_ops: int = 0
    skipped_blocks: int = 0


@dataclass
class PartialRows:
    """What the rows of a tile hold when its keys are through: ``row_max`` int64 ``[R]``, the running maxima, -512 for a row that
    saw no key; ``row_sum`` int64 ``[R]``, the denominators; ``acc`` int64 ``[R, D]``, the accumulators."""

    row_max: Tensor
    row_sum: Tensor
    acc: Tensor


@dataclass
class TileResult:
    """``out`` int16 ``[R, D]`` in units of v_scale / 256, ``empty`` bool ``[R]`` (the row saw no key).

    ``ran`` bool ``[blocks]``: which key blocks were exponentiated and accumulated; all of them unless the tile skips.
    ``partial``: the rows of a partial tile, whose ``out`` and ``empty`` have none; None for any other.
    """

    out: Tensor
    empty: Tensor
    stats: TileStats = field(default_factory=TileStats)
    ran: Tensor = field(default_factory=lambda: torch.zeros(0, dtype=torch.bool))
    partial: PartialRows | None = None


@dataclass
class QuantisedGroup:
    """One KV head with the query heads that share it.

    ``q`` int8 ``[G, Tq, D]``, ``q_mult`` int64 ``[G, Tq]``, ``q_pos`` int64 ``[Tq]``; ``k``, ``v`` int8 ``[Tk, D]``,
    ``k_mult`` int64 ``[Tk]`` (key j has position j); ``shift`` 0 to 63; ``v_scale`` float32 ``[D]``. ``v_mult`` int64 ``[Tk]``,
    0 to 15: a value is ``v * v_scale * (v_mult + 1) / 16``; without it all are 15.
    ``q_scale`` float64 ``[G, Tq]`` and ``k_scale`` float64 ``[Tk]`` are not seen by the engine: they are what
    float attention on the same quantised operands needs. The quantiser always fills them.
    """

    q: Tensor
    q_mult: Tensor
    q_pos: Tensor
    k: Tensor
    k_mult: Tensor
    v: Tensor
    v_scale: Tensor
    shift: int
    q_scale: Tensor | None = None
    k_scale: Tensor | None = None
    v_mult: Tensor | None = None

    def __post_init__(self) -> None:
        if self.v_mult is None:
            self.v_mult = torch.full((len(self.k),), V_MULT_ONE, dtype=torch.int64, device=self.k.device)
