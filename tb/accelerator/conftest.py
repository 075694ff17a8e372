"""The engine's fixtures: a generator of one test's random numbers, and one thread for tiny tensors."""

from tb.core.conftest import generator, one_thread

__all__ = ["generator", "one_thread"]
