"""For tests/ and tb/ alike: the seed of a run, its waveforms, and what is said about them."""

import pytest

from tb.workloads import DURATIONS

pytest_plugins = ["scripts.flow.pytest_plugin"]


def pytest_configure(config: pytest.Config) -> None:
    """How long this project's tests take."""
    config.option.durations_file = config.option.durations_file or DURATIONS
