"""Probabilities looked up by a score's distance from its row's running maximum, for code that takes many scores at once."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from models.hardware import numerics as nx

CPU = torch.device("cpu")


def lowest_distance(tau: int, prob_bits: int) -> int:
    """The largest distance from the running maximum, in units of z, whose probability is 0; so is that of every one below it."""
    return ((tau - prob_bits) << nx.Z_FRAC) - 1


@lru_cache
def probability_table(tau: int, prob_bits: int, device: torch.device = CPU) -> Tensor:
    """Probabilities by distance from the running maximum in units of z, float64 ``[n]``; shared by all callers:
    not to be changed.

    Entry i is that of the distance ``lowest_distance(tau, prob_bits) + i``. A caller clamps the index: entry 0 stands for
    all smaller distances (and for hidden scores), the last for the largest that a threshold of ``tau`` leaves,
    ``((tau + 1) << Z_FRAC) - 1``.
    """
    distances = torch.arange(lowest_distance(tau, prob_bits), (tau + 1) << nx.Z_FRAC, device=CPU)
    return nx.probability(distances, torch.tensor(0, device=CPU), tau, prob_bits).double().to(device)
