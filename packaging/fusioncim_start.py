"""What pip makes the command ``fcim`` from: it finds the project's folder, whatever else is called ``scripts``."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def main() -> None:
    """Run ``fcim``: of the installed copy beside this file, or of the checkout around it."""
    sys.path.insert(0, str(HERE / "fusioncim" if (HERE / "fusioncim").is_dir() else HERE.parent))
    from scripts.fcim import start

    start()
