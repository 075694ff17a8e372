"""The only source of randomness in a bench."""

from __future__ import annotations

import zlib

import cocotb
import numpy as np


def rng(name: str = "") -> np.random.Generator:
    """A generator that depends on the test's seed and on ``name`` alone.

    cocotb derives a test's seed from the run's seed and the test's full name, so two tests of one run differ and a run
    with the same seed repeats. Give every user of numbers (each stream, the stimulus) a name of its own: the same name
    gives the same sequence again, which would tie the gaps of two streams together.
    """
    return np.random.default_rng([int(cocotb.RANDOM_SEED), zlib.crc32(name.encode())])
