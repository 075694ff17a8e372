"""What the commands that score a text share: the options that say which text, and what they start from."""

from __future__ import annotations

import argparse
from pathlib import Path

from models.errors import FcimError
from models.source import parse_count
from scripts.in_model.loaded import Loaded, add_options, context_of, load, output_folder

TOKENS = 4096


def add_scoring_options(parser: argparse.ArgumentParser, context: int) -> None:
    """The options of all commands, and the windows' length; ``context`` is its default."""
    add_options(parser, f"how many tokens of the text (default: {TOKENS})")
    parser.add_argument("--context", help=f"tokens of a window (default: {context}, or what the model takes)")


def load_scored(args: argparse.Namespace, context: int) -> tuple[Path, Loaded, int]:
    """The folder of the results, model and text, and the tokens of a window; ``context`` is their default.

    Raises:
        FcimError: anything the user can get wrong, in one line.
    """
    tokens = parse_count(args.tokens, "TOKENS") or TOKENS
    if tokens < 3:
        raise FcimError(f"TOKENS = {tokens} is illegal; use 3 or more")
    folder = output_folder(args.out)
    loaded = load(args, tokens)
    return folder, loaded, context_of(args.context, context, loaded.model.config.max_position_embeddings)
