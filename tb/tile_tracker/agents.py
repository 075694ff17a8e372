"""Driver of ``fcim_tile_tracker``: decisions and finished blocks of random tiles, and when a tile's pulse is due."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

from tb.common.rng import rng
from tb.tile_tracker import coverage

TILES = 400
UNDER_WAY = 3       # blocks of a bank that may run and not be finished
ENDS = ("any", "last", "idle")
PIPELINE = 5        # most cycles from a block's decision to its finish


@dataclass(eq=False)
class Tile:
    """Blocks of a tile: which run, and how many decisions and finishes have come.

    ``end``: when a last block that is skipped is decided: at ``any`` time, with the ``last`` finish if it can, ``idle`` after it.
    """

    bank: int
    runs: list[bool]
    end: str
    decided: int = 0
    finished: int = 0

    @property
    def complete(self) -> bool:
        """Nothing is left to come."""
        return self.decided == len(self.runs) and self.finished == sum(self.runs)


class TrafficDriver:
    """Decides blocks in order and lets those that run finish in order, tile after tile; ``due`` is the model of the pulse.

    A bank's next tile waits for the bank before a block of it runs, as in the engine; blocks that are skipped do not wait.
    """

    def __init__(self, dut: Any) -> None:
        self.dut, self.g = dut, rng("traffic")
        self.todo = deque(Tile(t % 2, self._runs(), str(self.g.choice(ENDS))) for t in range(TILES))
        self.open: list[Tile] = []          # tiles of which a block has run, without their pulse
        self.running: deque[tuple[int, Tile]] = deque()
        self.busy = [False, False]
        self.due: int | None = None         # bank of the pulse of the next cycle
        self.pulses = 0
        self.ends = {"skipped last, idle": 0, "skipped last, then finished": 0, "finished and skipped at once": 0, "finished": 0}

    def _runs(self) -> list[bool]:
        runs = [bool(r) for r in self.g.integers(0, 2, int(self.g.integers(1, 7)))]
        runs[int(self.g.integers(len(runs)))] = True
        return runs

    def step(self, now: int) -> None:
        """Inputs of the cycle ``now``, and what must come in the next one."""
        dut, g = self.dut, self.g
        finish = self._finish(now)
        tile = self._decide(now, finish)
        noise = g.integers(0, 2, 4).tolist()
        coverage.sample_step(tile, finish)
        for bank in (0, 1):
            coverage.sample_under_way(bank, sum(t.bank == bank for _, t in self.running))
        dut.finish.value, dut.finish_bank.value = int(finish is not None), noise[0] if finish is None else finish.bank
        dut.decided.value = int(tile is not None)
        if tile is None:
            dut.decided_skip.value, dut.decided_last.value, dut.decided_bank.value = noise[1:]
        else:
            dut.decided_skip.value = int(not tile.runs[tile.decided - 1])
            dut.decided_last.value = int(tile.decided == len(tile.runs))
            dut.decided_bank.value = tile.bank
        self.due = None
        for done in [t for t in self.open if t.complete]:
            self.open.remove(done)
            self.busy[done.bank] = False
            self.due = done.bank
            ended, left = tile is done, finish is done
            how = "finished and skipped at once" if ended and left else "skipped last, idle" if ended else \
                "finished" if done.runs[-1] else "skipped last, then finished"
            self.ends[how] += 1
            coverage.sample_end(done.bank, how)

    def _finish(self, now: int) -> Tile | None:
        if not self.running or now < self.running[0][0] or self.g.integers(0, 4) == 0:
            return None
        tile = self.running.popleft()[1]
        tile.finished += 1
        return tile

    def _decide(self, now: int, finish: Tile | None) -> Tile | None:
        if not self.todo or self.g.integers(0, 3) == 0:
            return None
        tile = self.todo[0]
        runs, first = tile.runs[tile.decided], not any(tile.runs[:tile.decided])
        under_way = sum(t is tile for _, t in self.running)
        if runs and ((first and self.busy[tile.bank]) or under_way == UNDER_WAY):
            return None
        if not runs and tile.decided == len(tile.runs) - 1 and (
                tile.end != "any" and under_way or tile.end == "idle" and finish is tile):
            return None
        if runs:
            self.open += [tile] if first else []
            self.busy[tile.bank] = True
            self.running.append((now + int(self.g.integers(1, PIPELINE + 1)), tile))
        tile.decided += 1
        if tile.decided == len(tile.runs):
            self.todo.popleft()
        return tile
