"""From a text to the token ids that a checkpoint is run on, and the facts to tell which text that was."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import Tensor

from models.errors import FcimError
from models.text import default_text
from models.weight_files import one_line

DEFAULT_TOKENS = 512
_TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "tokenizer_config.json")


@contextlib.contextmanager
def quiet_transformers() -> Iterator[None]:
    """Keep the library's warnings off the terminal: a command's errors are one line."""
    before = transformers.logging.get_verbosity()
    transformers.logging.set_verbosity(transformers.logging.CRITICAL)
    try:
        yield
    finally:
        transformers.logging.set_verbosity(before)


@dataclass
class Tokenizer:
    """``encode`` gives the ids of a text, begin-of-text first where there is one; ``decode`` the text of ids, without special
    tokens (empty where a checkpoint has no tokenizer).

    ``ordinary``: ids below it are ordinary tokens (special ones come after). ``name`` says which tokenizer it is.
    """

    encode: Callable[[str], list[int]]
    name: str
    ordinary: int
    bos: int | None = None
    decode: Callable[[Tensor], str] = lambda ids: ""


@dataclass
class TokenIds:
    """``ids`` int64 ``[T]`` and the facts of the text for ``AttentionTensors.source``."""

    ids: Tensor
    facts: dict[str, Any] = field(default_factory=dict)


def read_text(path: str | Path) -> str:
    """The UTF-8 text in ``path``. Raises FcimError when it is missing, empty or not text."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise FcimError(f"TEXT file '{path}' does not exist; give a text file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise FcimError(f"TEXT file '{path}' cannot be read as UTF-8 text ({one_line(error)}); give a text file") from None
    if not text:
        raise FcimError(f"TEXT file '{path}' is empty; give a text to run the model on")
    return text


def load_tokenizer(directory: Path, vocab_size: int) -> Tokenizer:
    """The directory's own tokenizer; without tokenizer files, the bytes of the text modulo ``vocab_size``.

    Raises:
        FcimError: there are tokenizer files but they cannot be loaded.
    """
    if not any((directory / name).is_file() for name in _TOKENIZER_FILES):
        return Tokenizer(lambda text: [b % vocab_size for b in text.encode()],
                         "none in the checkpoint: bytes of the text modulo the vocabulary size", vocab_size)
    try:
        with quiet_transformers():
            tokenizer = transformers.AutoTokenizer.from_pretrained(directory, local_files_only=True)
    except Exception as error:  # the library raises many kinds, whatever file of the directory is broken
        raise FcimError(f"the tokenizer files of {directory} cannot be loaded ({one_line(error)});"
                        " copy them again from the checkpoint") from None
    first = [] if tokenizer.bos_token_id is None else [tokenizer.bos_token_id]

    def encode(text: str) -> list[int]:
        with quiet_transformers():
            return first + tokenizer.encode(text, add_special_tokens=False)

    def decode(ids: Tensor) -> str:
        return tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)

    return Tokenizer(encode, type(tokenizer).__name__, min(tokenizer.vocab_size, vocab_size), tokenizer.bos_token_id, decode)


def _default_ids(tokenizer: Tokenizer, tokens: int) -> tuple[str, list[int]]:
    """Held-out text that is long enough for ``tokens`` tokens, and its ids."""
    size, text = 8 * tokens, ""
    while True:
        longer = default_text(size)
        ids = tokenizer.encode(longer)
        if len(ids) >= tokens or len(longer) == len(text):
            return longer, ids
        size, text = 4 * size, longer


def token_ids(tokenizer: Tokenizer, text: str | None, tokens: int | None, vocab_size: int, positions: int) -> TokenIds:
    """The first ``tokens`` ids of a text (default: as many as it has, up to 512).

    Args:
        tokenizer: from :func:`load_tokenizer`.
        text: the text itself, or None for held-out text of the standard library.
        tokens: how many tokens, begin-of-text included.
        vocab_size: rows of the embedding; every id must be below it.
        positions: the longest sequence that the model was made for.

    Raises:
        FcimError: ``tokens`` below 1 or above ``positions``, a text that is too short, or an id outside the vocabulary.
    """
    wanted = min(DEFAULT_TOKENS, positions) if tokens is None else tokens
    if not 1 <= wanted <= positions:
        raise FcimError(f"TOKENS = {wanted} is illegal; this model takes 1 to {positions}")
    used, ids = (text, tokenizer.encode(text)) if text is not None else _default_ids(tokenizer, wanted)
    if not ids or (tokens is not None and len(ids) < tokens):
        raise FcimError(f"the text has {len(ids)} tokens, fewer than TOKENS = {wanted}; give a longer text or lower TOKENS")
    ids = ids[:wanted]
    if max(ids) >= vocab_size:
        raise FcimError(f"the tokenizer gives token {max(ids)} but the model knows only {vocab_size};"
                        " the tokenizer files belong to another model")
    tensor = torch.tensor(ids, dtype=torch.int64)
    return TokenIds(tensor, {
        "tokens": len(ids), "tokenizer": tokenizer.name,
        "text": "given" if text is not None else "held-out sources of the Python standard library",
        "text_sha256": hashlib.sha256(used.encode()).hexdigest(),
        "ids_sha256": hashlib.sha256(tensor.numpy().astype("<i8").tobytes()).hexdigest(),
    })
