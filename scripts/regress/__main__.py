"""``python -m scripts.regress``."""

from __future__ import annotations

from models.errors import run_cli
from scripts.regress.cli import main

if __name__ == "__main__":
    run_cli(main)
