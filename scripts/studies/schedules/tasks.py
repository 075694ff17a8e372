"""The work of an ablation, cut into one task a layer, phase and length, and run in several processes."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass

import torch

from models.tensors.attention_tensors import AttentionTensors
from scripts.studies.schedules.measure import Measured, measure_layer
from scripts.studies.schedules.points import Sweep
from scripts.studies.schedules.sources import decode, planted_sink, prefill


@dataclass
class Task:
    """One layer at one length: ``tensors`` are longer or as long. ``source``, ``phase`` and ``tokens`` name what it adds to."""

    source: str
    phase: str
    tokens: int
    tensors: AttentionTensors
    sink: bool
    sweeps: list[Sweep]

    @property
    def key(self) -> tuple[str, str, int]:
        """Tasks of one key are summed."""
        return self.source, self.phase, self.tokens


def run_task(task: Task) -> Measured:
    """Measure one layer. One thread: the tensors of a tile are small, and other tasks run beside it."""
    torch.set_num_threads(1)
    tensors = task.tensors.first_tokens(task.tokens)
    if task.sink:
        tensors = planted_sink(tensors)
    layer = decode(tensors) if task.phase == "decode" else prefill(tensors)
    return measure_layer(layer, task.sweeps)


def run_tasks(tasks: list[Task], jobs: int, done: Callable[[Task], None]) -> dict[tuple[str, str, int], Measured]:
    """Run all, ``jobs`` at a time; ``done`` is called after each. Sums by key, in the order of ``tasks``."""
    results: dict[int, Measured] = {}
    for number, measured in _in_any_order(tasks, jobs):
        results[number] = measured
        done(tasks[number])
    total: dict[tuple[str, str, int], Measured] = {}
    for number, task in enumerate(tasks):
        total.setdefault(task.key, Measured()).add(results[number])
    return total


def _in_any_order(tasks: list[Task], jobs: int) -> Iterable[tuple[int, Measured]]:
    if jobs == 1:
        yield from ((number, run_task(task)) for number, task in enumerate(tasks))
        return
    # a forked child would inherit torch's locked thread pools
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        running = {pool.submit(run_task, task): number for number, task in enumerate(tasks)}
        for future in as_completed(running):
            yield running[future], future.result()
