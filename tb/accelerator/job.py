"""What benches of the accelerator are given to do, as a pickle; no torch, for it is read inside the simulator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from models.system.config import SystemConfig
from models.system.driver import Layout


@dataclass(frozen=True)
class Job:
    """Calls one after the other. ``layouts``: each as it lies from address 0 on."""

    system: SystemConfig
    layouts: Sequence[Layout]
    latency: int
    rate_beats: int
    rate_cycles: int
    at_once: int
    stalls: bool
    sample_cycles: int
    budget: int


@dataclass(frozen=True)
class Known:
    """A call as it lies from address 0 on, and its golden ``O`` int16 ``[query heads, tokens, head_dim]``."""

    layout: Layout
    out: np.ndarray


@dataclass(frozen=True)
class Events:
    """An accelerator and calls by their names, for tests of what happens around calls."""

    system: SystemConfig
    calls: Mapping[str, Known]
