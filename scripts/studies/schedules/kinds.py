"""Which kind each head of a model is, so that a schedule's effect can be told apart by kind."""

from __future__ import annotations

from models.tensors.checkpoint import Checkpoint
from models.tensors.token_ids import token_ids
from scripts.head_stats import checkpoint_stats, kinds

ORDER = ("sink", "induction", "local", "diffuse")
# what a head is called if it passes several thresholds of models/head_stats: the first that is found
_NAMES = (("sink", "sink"), ("induction", "induction"), ("previous", "local"), ("local", "local"))


def kind_of(passed: list[str]) -> str:
    """One kind from those that a head passes: a previous-token head counts as local, a head without a kind is diffuse."""
    return next((name for kind, name in _NAMES if kind in passed), "diffuse")


def head_kinds(model: Checkpoint, text: str | None, tokens: int) -> dict[str, str]:
    """The kind of every head, ``{"L0H0": "local", ...}``, from that many tokens of the text and from repeated random text."""
    taken = token_ids(model.tokenizer, text, tokens, model.config.vocab_size, model.config.max_position_embeddings)
    return {f"L{s.layer}H{s.head}": kind_of(kinds(s)) for s in checkpoint_stats(model, taken.ids)}
