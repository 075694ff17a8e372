"""For tests/ and tb/ alike: the seed of a run, its waveforms, and what is said about them."""

pytest_plugins = ["scripts.flow.pytest_plugin"]
