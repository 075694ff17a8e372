"""From a text to the token ids that a checkpoint is run on, and the facts to tell which text that was."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import pre_tokenizers
from torch import Tensor

from models.errors import FcimError
from models.tensors.checkpoint_folder import one_line
from models.tensors.text import CODE, KINDS, default_text

DEFAULT_TOKENS = 512
_VOCABULARIES = ("tokenizer.json", "tokenizer.model", "vocab.json")     # files that say what the tokens are
# pre-tokenizers of GGUF files that cut numbers into digits first, of which the library does not know
_SINGLE_DIGITS = ("smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b")
_SETTINGS = ("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json")


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
    """``ids_of`` gives the ids of a text alone, ``decode`` the text of ids without special tokens (empty where a checkpoint has
    no tokenizer), ``show`` one token as its name.

    ``first``: what the tokenizer puts before a text, often one begin-of-text token or nothing. ``ordinary``: ids below it are
    ordinary tokens (special ones come after). ``name`` says which tokenizer it is. ``chat`` gives the text in which a message
    of a user is put to the model, where there is a chat template.
    """

    ids_of: Callable[[str], list[int]]
    name: str
    ordinary: int
    first: list[int] = field(default_factory=list)
    decode: Callable[[Tensor], str] = lambda ids: ""
    show: Callable[[int], str] = str
    chat: Callable[[str], str] | None = None

    @property
    def bos(self) -> int | None:
        """The token that begins every text, None where the tokenizer puts none."""
        return self.first[0] if self.first else None

    def _lacking(self, ids: list[int]) -> list[int]:
        """What of ``first`` a text does not begin with already."""
        own = next((n for n in range(len(self.first), 0, -1) if ids[:n] == self.first[-n:]), 0)
        return self.first[:len(self.first) - own]

    def encode(self, text: str) -> list[int]:
        """The ids of a text as the tokenizer begins it: what it puts first is not put before a text that has it already. A token
        that would end the text is left out."""
        ids = self.ids_of(text)
        return self._lacking(ids) + ids

    def beginning(self, text: str, ids: list[int]) -> str:
        """The first of the ids that ``encode`` gave for a text, and who put it there."""
        shown = f"{self.show(ids[0])} ({ids[0]})"
        if not self.first:
            return f"{shown}, the text's own, as the tokenizer puts none before it"
        put = self._lacking(self.ids_of(text[:1000]))
        return f"{shown}, {'put first by the tokenizer' if put else 'as the text itself begins with it'}"


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


def load_tokenizer(directory: Path, config: transformers.LlamaConfig) -> Tokenizer:
    """The directory's own tokenizer; without tokenizer files, the bytes of the text modulo the vocabulary's size.

    Raises:
        FcimError: there are tokenizer files but they cannot be loaded; the message says what is missing.
    """
    vocab_size = config.vocab_size
    there = [name for name in _VOCABULARIES if (directory / name).is_file()]
    if not there:
        if settings := [name for name in _SETTINGS if (directory / name).is_file()]:
            raise FcimError(f"{directory} has {settings[0]} but no tokenizer.json and no tokenizer.model;"
                            " copy that file from the checkpoint too")
        return _bytes_alone(vocab_size)
    try:
        with quiet_transformers():
            # the configuration goes along, else the library would read (and perhaps refuse) the file itself
            tokenizer = transformers.AutoTokenizer.from_pretrained(directory, config=config, local_files_only=True,
                                                                   trust_remote_code=False)
    except Exception as error:  # the library raises many kinds, whatever file of the directory is broken
        raise FcimError(_why_no_tokenizer(directory, there, error)) from None

    return _from_library(tokenizer, vocab_size)


def load_gguf_tokenizer(path: Path, metadata: dict[str, Any], vocab_size: int) -> Tokenizer:
    """The tokenizer that a GGUF file holds; without one, the bytes of the text modulo the vocabulary's size.

    Args:
        path: the file, or the first part.
        metadata: what it says.
        vocab_size: rows of the embedding.

    Raises:
        FcimError: the library cannot make a tokenizer from it.
    """
    if "tokenizer.ggml.tokens" not in metadata:
        return _bytes_alone(vocab_size)
    try:
        with quiet_transformers():
            # not through AutoTokenizer, which would read the whole file's header once more, slowly
            tokenizer = transformers.PreTrainedTokenizerFast.from_pretrained(path.parent, gguf_file=path.name,
                                                                             local_files_only=True)
    except Exception as error:  # the library raises many kinds, whatever is wrong
        raise FcimError(f"the tokenizer in {path} cannot be loaded ({one_line(error)}); take another GGUF of the model") from None
    if metadata.get("tokenizer.ggml.pre") in _SINGLE_DIGITS:
        split = [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
        tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(split)
    return _from_library(tokenizer, vocab_size)


def _bytes_alone(vocab_size: int) -> Tokenizer:
    return Tokenizer(lambda text: [b % vocab_size for b in text.encode()],
                     "none in the checkpoint: bytes of the text modulo the vocabulary size", vocab_size)


def _from_library(tokenizer: transformers.PreTrainedTokenizerBase, vocab_size: int) -> Tokenizer:
    def ids_of(text: str, special: bool = False) -> list[int]:
        with quiet_transformers():
            return tokenizer.encode(text, add_special_tokens=special)

    def decode(ids: Tensor) -> str:
        return tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)

    def show(index: int) -> str:
        return str(tokenizer.convert_ids_to_tokens(index))

    first = _put_first(ids_of("a", special=True), ids_of("a"))
    chat = _chat_of(tokenizer) if tokenizer.chat_template else None
    return Tokenizer(ids_of, type(tokenizer).__name__, min(tokenizer.vocab_size, vocab_size), first, decode, show, chat)


def _chat_of(tokenizer: transformers.PreTrainedTokenizerBase) -> Callable[[str], str]:
    def chat(message: str) -> str:
        try:
            return tokenizer.apply_chat_template([{"role": "user", "content": message}], tokenize=False,
                                                 add_generation_prompt=True)
        except Exception as error:  # a template is a program of its own
            raise FcimError(f"the checkpoint's chat template cannot be used ({one_line(error)});"
                            " give the text without it") from None

    return chat


def _put_first(with_special: list[int], plain: list[int]) -> list[int]:
    """What a tokenizer put before the ids ``plain`` of a text."""
    for start in range(len(with_special) - len(plain) + 1):
        if with_special[start:start + len(plain)] == plain:
            return with_special[:start]
    return []


def _why_no_tokenizer(directory: Path, there: list[str], error: Exception) -> str:
    """The cause, where it is a package that is missing; the library's own message blames another one."""
    if there == ["tokenizer.model"]:
        with (directory / "tokenizer.model").open("rb") as file:
            text = re.match(rb"[A-Za-z0-9+/=]+ \d+\r?\n", file.read(4096))     # Meta's own file of LLaMA 3
        needed = {"tiktoken": "tiktoken"} if text else {"sentencepiece": "sentencepiece", "protobuf": "google.protobuf"}
        if missing := [package for package, module in needed.items() if not _installed(module)]:
            return (f"the tokenizer of {directory} is a tokenizer.model alone, which needs {' and '.join(missing)};"
                    f" 'pip install {' '.join(missing)}', or copy tokenizer.json from the checkpoint too")
    return f"the tokenizer files of {directory} cannot be loaded ({one_line(error)}); copy them again from the checkpoint"


def _installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:     # the package above it
        return False


def _default_ids(tokenizer: Tokenizer, tokens: int, kind: str) -> tuple[str, list[int]]:
    """Held-out text of a kind that is long enough for ``tokens`` tokens, and its ids."""
    size, text = 8 * tokens, ""
    while True:
        longer = default_text(size, kind)
        ids = tokenizer.encode(longer)
        if len(ids) >= tokens or len(longer) == len(text):
            return longer, ids
        size, text = 4 * size, longer


def token_ids(tokenizer: Tokenizer, text: str | None, tokens: int | None, vocab_size: int, positions: int,
              kind: str = CODE) -> TokenIds:
    """The first ``tokens`` ids of a text (default: as many as it has, up to 512).

    Args:
        tokenizer: from :func:`load_tokenizer`.
        text: the text itself, or None for held-out text that every machine has.
        tokens: how many tokens, a begin-of-text token included.
        vocab_size: rows of the embedding; every id must be below it.
        positions: the longest sequence that the model was made for.
        kind: of the held-out text, one of :data:`models.tensors.text.KINDS`.

    Raises:
        FcimError: ``tokens`` below 1 or above ``positions``, a text that is too short, or an id outside the vocabulary.
    """
    wanted = min(DEFAULT_TOKENS, positions) if tokens is None else tokens
    if not 1 <= wanted <= positions:
        raise FcimError(f"TOKENS = {wanted} is illegal; this model takes 1 to {positions}")
    used, ids = (text, tokenizer.encode(text)) if text is not None else _default_ids(tokenizer, wanted, kind)
    if not ids or (tokens is not None and len(ids) < tokens):
        raise FcimError(f"the text has {len(ids)} tokens, fewer than TOKENS = {wanted}; give a longer text or lower TOKENS")
    ids = ids[:wanted]
    if max(ids) >= vocab_size:
        raise FcimError(f"the tokenizer gives token {max(ids)} but the model knows only {vocab_size};"
                        " the tokenizer files belong to another model")
    tensor = torch.tensor(ids, dtype=torch.int64)
    return TokenIds(tensor, {
        "tokens": len(ids), "tokenizer": tokenizer.name,
        "text": "given" if text is not None else KINDS[kind],
        "text_sha256": hashlib.sha256(used.encode()).hexdigest(),
        "first_token": tokenizer.beginning(used, ids),
        "ids_sha256": hashlib.sha256(tensor.numpy().astype("<i8").tobytes()).hexdigest(),
    })
