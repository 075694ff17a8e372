"""What less memory for the accumulators would cost: one tile of them in an engine instead of two.

Nothing of this is in the RTL. The accelerator's model in time runs with engines whose next tile cannot begin its outer products
before the accumulators of the one before are empty; all else, buses, buffer and memory, is as it is.
"""

from __future__ import annotations

from dataclasses import dataclass

from models.comparison.accelerator import pace_of
from models.comparison.cells import own_cells
from models.comparison.chip import Memories
from models.hardware.config import OUT_BITS, EngineConfig
from models.hardware.pace import EARLY
from models.hardware.progress import PIPE_RMW, PIPE_SKIP, Progress
from models.system.call import Shape
from models.system.config import SystemConfig
from models.system.timed.cluster import engine_of
from models.system.timeline import predict_call

KIB = 8 * 1024


@dataclass(frozen=True)
class Accumulators:
    """How an engine holds accumulators.

    Attributes:
        banks: tiles of them: 2 as in the RTL, or 1.
        columns: that leave them in a cycle, each through a divider of its own; of no matter with two banks. With more than in
            the RTL, rows have to wait behind the dividers, since they leave the engine at the RTL's pace.
        queued: rows of O that wait behind the dividers until the port takes them.
    """

    banks: int = 2
    columns: int = 0
    queued: int = 0

    def __str__(self) -> str:
        if self.banks == 2:
            return "two tiles, as built"
        if not self.queued:
            return f"one tile, {self.columns} dividers"
        return f"one tile, {self.columns} dividers, a queue of {self.queued} rows of O"

    def kib(self, system: SystemConfig) -> float:
        """KiB of all engines: what :func:`models.comparison.cells.own_cells` counts, and the queue."""
        cells = own_cells(system)
        kept = sum(cells.values()) - cells["accumulators"] * (2 - self.banks) // 2
        return (kept + system.engines * self.queued * system.engine.head_dim * OUT_BITS) / KIB


KINDS = (Accumulators(), Accumulators(1, 16), Accumulators(1, 16, 64), Accumulators(1, 32, 64), Accumulators(1, 64, 64),
         Accumulators(1, 32, 48))
"""What is compared; 16 dividers as in the RTL, 64 rows are a tile."""


class OneBank(Progress):
    """An engine with the accumulators of one tile, for tiles whose rows leave divided.

    A tile's first accumulators are written as long after its first outer product begins as they are in the RTL. They wait until
    those of the tile before have left, ``columns`` a cycle, and as far as there is room for rows of O behind; from there rows
    leave as they do in the RTL.
    """

    def __init__(self, cfg: EngineConfig, columns: int, queued: int) -> None:
        super().__init__(cfg, keep=False)
        self.row_cycles, self.queued = cfg.head_dim // columns, queued
        self.rows_taken: list[int] = []     # the cycle of each row of O

    def take(self, cycle: int) -> None:
        """The next beat is taken in ``cycle``."""
        self.rows_taken.append(cycle)
        super().take(cycle)

    def emptied(self, tile: int) -> int | None:
        """The cycle from which a tile's accumulators may be written over; None as long as that is not known."""
        complete = max(self.outer[self.last_run[tile]] + self.cfg.block_cycles + self.cpk + PIPE_RMW,
                       self.starts[self.last_block[tile]] + PIPE_SKIP)
        left = complete + self.tile_rows[tile] * self.row_cycles
        gone = sum(self.tile_rows[:tile + 1]) - self.queued     # rows that the port must have taken
        if gone <= 0:
            return left
        return max(left, self.rows_taken[gone - 1] + 1) if len(self.rows_taken) >= gone else None

    def _outer(self) -> bool:
        run = len(self.outer)
        if not self.value_offers or run >= self.decided_runs:
            return False
        block = self.run_blocks[run]
        tile = self.tile_of[block]
        free = self.emptied(tile - 1) if self.opens_bank[block] and tile else EARLY
        if free is None or not super()._outer():
            return False
        self.outer[-1] = max(self.outer[-1], free - self.cpk - PIPE_RMW)
        return True


def cycles(system: SystemConfig, shape: Shape, memories: Memories, kind: Accumulators) -> int:
    """Cycles of a call on an accelerator whose engines hold accumulators in that way.

    Raises:
        FcimError: the call does not fit the accelerator.
    """
    engine = (lambda cfg: OneBank(cfg, kind.columns, kind.queued)) if kind.banks == 1 else engine_of
    return predict_call(system, shape, pace_of(memories, system), engine=engine).cycles
