"""Parameter sets of the engine's tests; any set in which ``EngineConfig`` finds no fault is meant to work."""

from __future__ import annotations

from dataclasses import replace

from models.hardware.config import EngineConfig, load_config

TINY = load_config("tiny")
# smallest probabilities and sums
NARROW = replace(TINY, name="narrow", rows=8, prob_bits=8, max_keys=64)
# the largest probabilities
WIDE = replace(TINY, name="wide", rows=8, prob_bits=18, max_keys=256)
# a key per cycle
BYTE = EngineConfig("byte", rows=8, head_dim=16, bits_per_cycle=8, keys_per_block=8, prob_bits=12, max_keys=1024)


def small(bits_per_cycle: int, **changes: int) -> EngineConfig:
    """The smallest engine with so many bits per cycle, for runs in which only time matters."""
    fields = {"rows": 8, "head_dim": 16, "keys_per_block": 8, "prob_bits": 16, "max_keys": 64, **changes}
    return EngineConfig(f"small{bits_per_cycle}", bits_per_cycle=bits_per_cycle, **fields)


# Chosen so that every value of every parameter occurs, and nearly every pair of values of two parameters that meet in the
# RTL (rows, head_dim, bits_per_cycle, keys_per_block); test_core_sweep.py counts them.
SWEEP = tuple(EngineConfig("-".join(map(str, values)), *values) for values in (
    # rows, head_dim, bits_per_cycle, keys_per_block, prob_bits, max_keys
    (8, 16, 8, 16, 18, 64),
    (16, 16, 4, 8, 9, 131072),
    (8, 128, 2, 8, 12, 2048),
    (24, 32, 8, 8, 15, 512),
    (16, 64, 8, 32, 8, 16384),
    (40, 32, 4, 16, 11, 128),
    (40, 64, 1, 8, 14, 65536),
    (8, 64, 4, 64, 10, 4096),
    (16, 128, 1, 16, 13, 256),
    (24, 64, 2, 16, 16, 32768),
    (8, 32, 2, 32, 8, 1024),
    (24, 128, 4, 32, 17, 8192),
    (40, 128, 8, 64, 18, 131072),
    (64, 16, 2, 8, 12, 64),
    (128, 16, 1, 8, 14, 512),
    (64, 32, 1, 32, 10, 16384),
    (128, 64, 8, 16, 11, 2048),
    (8, 64, 1, 64, 9, 128),
    (96, 64, 2, 64, 10, 64),
))
