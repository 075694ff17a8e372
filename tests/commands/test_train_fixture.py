"""How a training run of the fixture model is planned, and that another machine can train on the same bytes."""

from __future__ import annotations

from argparse import ArgumentTypeError, Namespace
from pathlib import Path

import pytest
import torch

from models.tensors.text import load_corpus
from scripts.train_fixture import Corpus, lr_scale, parse_stages, stage_length, steps_in_time


def test_stages() -> None:
    stages = parse_stages("0.5:64,0.9:256,1:512")
    assert [stage_length(step, 100, stages) for step in (0, 49, 50, 89, 90, 99, 100)] == [64, 64, 256, 256, 512, 512, 512]
    for wrong in ("0.5:64", "0.9:64,0.5:128,1:256", "0.5:64,0.5:128,1:256"):
        with pytest.raises(ArgumentTypeError, match="rise to 1"):
            parse_stages(wrong)


def test_learning_rate() -> None:
    assert [lr_scale(step, 100, 10, 0.4) for step in (0, 9, 60, 80, 100)] == [0.1, 1.0, 1.0, 0.5, 0.0]


@pytest.mark.parametrize("text", ["1:64", "0.3:64,1:128"])
def test_a_run_cut_short_is_one_that_was_planned_so(text: str) -> None:
    """Whatever the speed does, each step up to the end has the length and rate that the final number of steps gives it."""
    args = Namespace(steps=10000, decay=0.35, warmup=10, stages=parse_stages(text))
    made, step = [], 0
    while step < args.steps:
        made += [(stage_length(s, args.steps, args.stages), lr_scale(s, args.steps, 10, 0.35)) for s in range(step, step + 50)]
        step += 50
        rate = 5.0 if step % 100 else 20.0
        args.steps = steps_in_time(args, 10000, step, rate, 300.0 - step / 10.0)
    assert args.steps < 10000
    whole = [(stage_length(s, args.steps, args.stages), lr_scale(s, args.steps, 10, 0.35)) for s in range(args.steps)]
    assert made[:args.steps] == whole


def test_corpus_in_a_folder(tmp_path: Path) -> None:
    here = Corpus()
    assert here.training.numpy().tobytes() == b"\x00".join(load_corpus(held_out=False))
    here.write(tmp_path)
    there = Corpus(tmp_path)
    assert there.python == here.python
    assert torch.equal(there.training, here.training) and torch.equal(there.held_out, here.held_out)
