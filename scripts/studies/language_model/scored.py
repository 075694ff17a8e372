"""What the commands that score a text share: what they start from."""

from __future__ import annotations

import argparse
from pathlib import Path

from models.tensors.source import open_checkpoint
from scripts.call import check_call
from scripts.studies.language_model.loaded import Loaded, context_of, load, output_folder

TOKENS = 4096


def load_scored(args: argparse.Namespace, context: int) -> tuple[Path, Loaded, int]:
    """The folder of the results, model and text, and the tokens of a window; ``context`` is their default.

    Raises:
        FcimError: anything the user can get wrong, in one line.
    """
    check_call(args)
    folder = output_folder(args.out)
    checkpoint = open_checkpoint(args.checkpoint)
    window = context_of(args.context, context, checkpoint.config.max_position_embeddings)
    return folder, load(args, args.tokens or TOKENS, checkpoint), window
