"""Bench of ``fcim_unfused``."""
