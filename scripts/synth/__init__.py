"""Synthesis to the gates of a cell library: area, memory and the longest path of every block."""
