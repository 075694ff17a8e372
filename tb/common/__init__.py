"""Bench library: runs inside the simulator, so nothing here imports torch."""
