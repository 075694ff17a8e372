"""What none of the published figures has: the accelerator's energy on a model's own tensors, by phase, by what its tiles skip, by
the order of their keys and by the bits of p."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from models.comparison.accelerator import variant
from models.energy.accelerator import accelerator_run
from models.energy.constants import LEVELS, Constants
from models.energy.events import Events
from models.energy.formula import energy
from models.hardware.quantise import quantise
from models.hardware.schedules import TileOptions
from models.hardware.tile import TileStats
from models.system.call import Call, layer_call
from models.system.config import SystemConfig
from models.tensors.attention_tensors import AttentionTensors
from models.tensors.fit import fit_tensors
from scripts.paper.study import each

PREFILL, DECODE = "prefill", "decode"
OCTAVES = 9         # below which a block is left out where results may change
MOST_LAYERS = 6
MACROS = ("inner product macros", "outer product macros")


@dataclass(frozen=True)
class Mode:
    """One way to run a layer's attention.

    Attributes:
        phase: ``prefill`` of all tokens, or ``decode`` of the last one against all keys, shared out over all engines.
        options: of all tiles. own_start: the tiles of a prefill begin with their own diagonals.
        engine: what is not as in the default configuration.
    """

    text: str
    phase: str = PREFILL
    options: TileOptions = TileOptions(fused=True)
    own_start: bool = True
    engine: Mapping[str, int] = field(default_factory=dict)

    def call(self, system: SystemConfig, tensors: AttentionTensors) -> Call:
        """The call of a layer.

        Raises:
            FcimError: it does not fit the accelerator.
        """
        groups = quantise(tensors.last_queries(1) if self.phase == DECODE else tensors)
        call = layer_call(system, groups, self.options)
        return call if self.own_start else replace(call, own_start=False)


_SKIP, _LOSSY = TileOptions(fused=True, skip=True), TileOptions(fused=True, skip=True, octaves=OCTAVES)
_WIDE = {"keys_per_block": 64, "max_keys": 8192}
MODES = (
    Mode("as shipped"),
    Mode("no block judged with another", options=TileOptions()),
    Mode("tiles begin where their wave does, not at their diagonals", own_start=False),
    Mode("blocks of p = 0 skipped", options=_SKIP),
    Mode(f"blocks of p < 2^-{OCTAVES} skipped", options=_LOSSY),
    Mode("p of 14 bits", engine={"prob_bits": 14}),
    Mode("p of 12 bits", engine={"prob_bits": 12}),
    Mode("blocks of 64 keys", engine=_WIDE),
    Mode("blocks of 64 keys, p of 12 bits", engine={**_WIDE, "prob_bits": 12}),
    Mode("as shipped", DECODE),
    Mode("blocks of p = 0 skipped", DECODE, _SKIP),
    Mode(f"blocks of p < 2^-{OCTAVES} skipped", DECODE, _LOSSY),
    Mode("p of 12 bits", DECODE, engine={"prob_bits": 12}))


@dataclass(frozen=True)
class _Task:
    mode: Mode
    layers: Sequence[AttentionTensors]
    constants: Constants


def spread(layers: Sequence[AttentionTensors]) -> list[AttentionTensors]:
    """At most :data:`MOST_LAYERS` of a model's layers, evenly from the first to the last."""
    if len(layers) <= MOST_LAYERS:
        return list(layers)
    return [layers[i * (len(layers) - 1) // (MOST_LAYERS - 1)] for i in range(MOST_LAYERS)]


def _measure(task: _Task) -> dict[str, Any]:
    """All layers together."""
    torch.set_num_threads(1)
    mode, system = task.mode, variant(**task.mode.engine)
    events, stats = Events(), TileStats()
    for layer in task.layers:
        channels = min(layer.q.shape[-1], system.engine.head_dim)
        run = accelerator_run(system, mode.call(system, fit_tensors(layer, system.engine)), channels=channels)
        events = events + run.events
        stats.blocks += run.activity.total.stats.blocks
        stats.skipped_blocks += run.activity.total.stats.skipped_blocks
    keys = task.layers[0].k.shape[1]
    tokens = 1 if mode.phase == DECODE else keys
    found: dict[str, Any] = {"phase": mode.phase, "mode": mode.text, "tokens": tokens, "keys": keys,
                             "cycles": events.cycles / len(task.layers), "useful_macs": events.useful_macs,
                             "skipped": 100 * stats.skipped_blocks / stats.blocks}
    for level in LEVELS:
        cost = energy(events, task.constants, level)
        arrays = sum(cost.parts[part] for part in MACROS)
        found[level] = {"chip": cost.chip / len(task.layers), "total": cost.total / len(task.layers),
                        "arrays": arrays / len(task.layers),
                        "tops_chip": cost.tops_per_watt(events.useful_macs),
                        "tops_total": cost.tops_per_watt(events.useful_macs, dram=True),
                        "token": cost.per_token(tokens * len(task.layers))}
    return found


def measure_modes(layers: Sequence[AttentionTensors], constants: Constants, jobs: int,
                  done: Callable[[int, int], None]) -> list[dict[str, Any]]:
    """A row for each of :data:`MODES`: cycles and J of a layer, the mean over some, at every level of the constants.

    Args:
        layers: tensors of a prefill, a layer each. done: told how many modes of how many there are.

    Raises:
        FcimError: the tensors do not fit the accelerator.
    """
    found = []
    for row in each(_measure, [_Task(mode, layers, constants) for mode in MODES], jobs):
        found.append(row)
        done(len(found), len(MODES))
    return found
