"""Samples the points of a parameter set."""

from __future__ import annotations

from models.hardware.config import HardwareConfig
from scripts.flow.coverage.model import SEPARATOR, Coverage


def _between(value: int, low: int, high: int, name: str) -> str:
    return name if low <= value <= high else str(value)


def sample_config(cov: Coverage, cfg: HardwareConfig) -> None:
    """An engine of this configuration ran."""
    rows = _between(cfg.rows, 32, 56, "32 to 56")
    cov.sample("config.rows", rows if " " in rows else _between(cfg.rows, 72, 120, "72 to 120"))
    cov.sample("config.prob_bits", str(cfg.prob_bits))
    cov.sample("config.max_keys", str(cfg.max_keys))
    lanes = cfg.lanes
    cov.sample("config.lanes", "64 or more" if lanes >= 64 else "9 to 63" if lanes > 8 else _between(lanes, 3, 7, "3 to 7"))
    cov.sample("config.columns", str(cfg.columns))
    for name, a, b in (("config.head_dim_and_block", cfg.head_dim, cfg.keys_per_block),
                       ("config.head_dim_and_bits", cfg.head_dim, cfg.bits_per_cycle),
                       ("config.block_and_bits", cfg.keys_per_block, cfg.bits_per_cycle)):
        cov.sample(name, f"{a}{SEPARATOR}{b}")
