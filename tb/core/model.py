"""What one engine must do: the golden model for every bit, the timeline for every cycle, fed with what its monitors saw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from models.hardware.config import EngineConfig
from models.hardware.golden import run_tile
from models.hardware.tile import TileJob, TileResult
from models.hardware.timeline import Prediction, predict_run
from tb.core.transactions import Transactions


@dataclass(frozen=True)
class Expected:
    """What a run must give.

    Attributes:
        golden: per tile what the golden model gives.
        timeline: handshakes and counters at the pace at which the streams came; without their pace if ``problem`` says so.
        at_full_speed: the counters if all streams were always ready; None if nobody asked.
        problem: why the timeline cannot follow the run; empty if it can.
    """

    golden: list[TileResult]
    timeline: Prediction
    at_full_speed: dict[str, int] | None = None
    problem: str = ""


class Predictor:
    """The models of one engine; a bench of several engines has one for each. It keeps nothing from run to run."""

    def __init__(self, cfg: EngineConfig) -> None:
        self.cfg = cfg

    def predict(self, tiles: Sequence[TileJob], seen: Transactions, at_speed: bool = False) -> Expected:
        """What the engine must have done with ``tiles`` at the pace that was ``seen``; ``at_speed``: and at full speed."""
        golden, problem = [run_tile(self.cfg, tile) for tile in tiles], ""
        try:
            timeline = predict_run(self.cfg, tiles, golden, seen.pace)
        except (ValueError, IndexError) as error:
            timeline, problem = predict_run(self.cfg, tiles, golden), f"the timeline model cannot follow the run: {error}"
        ideal = predict_run(self.cfg, tiles, golden).counters if at_speed else None
        return Expected(golden, timeline, ideal, problem)
