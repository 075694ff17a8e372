"""``python -m scripts.regress``: the regression, see docs/verification.md."""

from __future__ import annotations

from collections.abc import Sequence

from models.errors import run_cli
from scripts.flow.regress import command
from tb.workloads import DURATIONS, LIST

PROJECT = command.Project(LIST, DURATIONS, "scripts.regress")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the regression with these arguments, by default those of the process; gives the exit code."""
    return command.main(PROJECT, arguments)


if __name__ == "__main__":
    run_cli(main)
