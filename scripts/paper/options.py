"""The options of ``make paper``, and what can be wrong in them that is told before PyTorch is loaded."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from models.energy.constants import DEFAULT, load_constants
from models.errors import FcimError
from models.place import BUILD
from models.values import parse_wholes
from scripts.checks import check_call
from scripts.flow.arguments import Parser

FOLDER = BUILD / "paper"
LENGTHS = (256, 512, 1024, 2048, 4096)
LEAST, TILE = 64, 16
USUAL_SEED = 1          # that of the pages' figures


def lengths_of(text: str | None) -> list[int]:
    """The lengths to work out, ascending.

    Raises:
        FcimError: one does not fill whole query tiles.
    """
    lengths = parse_wholes(text, "TOKENS", LEAST) if text else list(LENGTHS)
    for tokens in lengths:
        if tokens % TILE:
            raise FcimError(f"TOKENS = {tokens} is no multiple of {TILE}; use whole query tiles, as in 256,512,1024")
    return sorted(set(lengths))


def parse_args(arguments: Sequence[str] | None = None, folder: Path = FOLDER) -> argparse.Namespace:
    """The options.

    Raises:
        FcimError: one is wrong.
    """
    args = Parser("paper", "The paper's claims beside what this project gives.", jobs=2, constants=DEFAULT,
                  out=folder).parse_args(arguments)
    check_call(args, args.out)
    lengths_of(args.tokens)
    load_constants(args.constants)
    return args
