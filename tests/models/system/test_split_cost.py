"""What sharing keys out over engines costs, on tensors that take no time; docs/accuracy.md has the fixture model's figures."""

from __future__ import annotations

import pytest

from models.hardware.config import load_config
from scripts.figures.split import LAST, measured, with_sink
from scripts.studies.schedules.sources import gaussian

MEAN_DB = 0.01


@pytest.mark.parametrize("sink", [False, True], ids=["random", "sink"])
def test_the_mean_of_the_heads_stays(sink: bool, seed: int) -> None:
    cfg = load_config("default")
    tensors = gaussian(512, seed, cfg.head_dim).last_queries(LAST)
    db = measured(cfg, [with_sink(tensors) if sink else tensors])
    assert db.min() > 30
    assert (db[1:] - db[0]).mean(1).abs().max() <= MEAN_DB
