"""Where the project's files lie, and where what it makes goes: a checkout keeps both together, an installed copy does not.

Installed, ``models``, ``scripts``, ``tb``, ``rtl``, ``config`` and the file list stand in one folder as they do in a checkout, so
that every path between them is the same; what a command writes goes below the folder that it was started in. Only the standard
library is needed.
"""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CHECKOUT = (ROOT / "pyproject.toml").is_file()
"""Whether this is a checkout; an installed copy was built and is built no more."""
PLACE = ROOT if CHECKOUT else Path.cwd()
"""From where paths are told, and where ``build`` is."""
BUILD = PLACE / "build"
FRONT = "make" if CHECKOUT else "fcim"
"""What a user types before the name of a command."""


def fetched_models() -> Path:
    """Where models lie that were fetched from a package index: not in ``build``, which is removed without a thought."""
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return ROOT / ".models" if CHECKOUT else Path(cache) / "fusioncim"
