"""``python -m scripts.regress``: the regression, see docs/verification.md."""

from __future__ import annotations

from models.errors import run_cli
from scripts.flow.regress.cli import main

if __name__ == "__main__":
    run_cli(main)
