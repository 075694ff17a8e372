"""The regression: its list of entries, what their jobs take, and the workloads that the list names."""

from pathlib import Path

LIST = Path(__file__).parent / "regression.yaml"
DURATIONS = Path(__file__).parent / "durations.json"
