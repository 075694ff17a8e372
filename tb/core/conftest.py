"""Shared by the engine's tests."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

import numpy as np
import pytest
import torch


@pytest.fixture
def generator(seed: int, request: pytest.FixtureRequest) -> np.random.Generator:
    """Random numbers that depend on the run's seed and on the test's name alone."""
    return np.random.default_rng([seed, zlib.crc32(request.node.name.encode())])


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """The tensors are tiny: more threads would only wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
