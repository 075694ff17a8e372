"""The regression runner: entries become jobs, each in a process of its own; the record is valid at any moment."""
