"""The mask of this attention: instead of a matrix of T x T, which tokens are there.

transformers builds a mask once per forward pass and hands it to every layer. Ours is an int64 tensor ``[B, 1, 1, 1 + n]``: the
index of the first query among the keys, then 1 for each key that is there and 0 for padding (and for places of a static cache
that nothing fills yet). Causality follows from the indices. It has four dimensions because a mask of two is taken for the
caller's padding mask and built again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from transformers.masking_utils import causal_mask_function

from models.errors import FcimError


def _foreign_mask(config: Any, mask_function: Callable[..., Any]) -> str:
    """What to call a mask that is not causality."""
    name = getattr(mask_function, "__qualname__", str(mask_function))
    if not getattr(config, "is_causal", True) or name == "bidirectional_mask_function":
        return "attention that is not causal"
    if getattr(config, "attention_chunk_size", None):
        return "attention in chunks"
    if getattr(config, "sliding_window", None):
        return "a sliding window"
    if "packed" in name:
        return "packed sequences (several texts in one row)"
    return "a mask other than causality and padding (packed sequences, or a function of its own)"


def position_mask(batch_size: int, q_length: int, kv_length: int, q_offset: int = 0, kv_offset: int = 0,
                  mask_function: Callable[..., Any] = causal_mask_function, attention_mask: Tensor | None = None,
                  device: torch.device | str = "cpu", config: Any = None, **_: Any) -> Tensor:
    """What transformers calls to build the mask; the parameters are its own.

    Raises:
        FcimError: the model asks for another mask than causality with padding.
    """
    if mask_function is not causal_mask_function:
        raise FcimError(f"this model or call uses {_foreign_mask(config, mask_function)}, which the hardware lacks; "
                        "use another attention implementation for it")
    if int(kv_offset):
        raise FcimError("this cache forgets its oldest keys (a sliding window), but the hardware needs all of them")
    first = int(q_offset)
    present = torch.zeros(batch_size, 1, 1, 1 + kv_length, dtype=torch.int64, device=device)
    present[..., 0] = first
    length = min(kv_length, first + q_length)
    present[..., 1:1 + length] = 1
    if attention_mask is not None:      # what a padding mask does not reach is padding
        given = torch.zeros(batch_size, length, dtype=torch.int64, device=device)
        reach = min(length, attention_mask.shape[1])
        given[:, :reach] = (attention_mask[:, :reach] != 0).to(given)
        present[..., 1:1 + length] *= given[:, None, None]
    return present


def tokens_there(mask: Tensor | None, row: int, q_length: int, kv_length: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Of one sequence the indices of its keys, and of its queries among ``q_length``, int64; the queries are its last tokens.

    Raises:
        FcimError: the mask is not :func:`position_mask`'s.
    """
    if mask is None:
        return torch.arange(kv_length, device=device), torch.arange(q_length, device=device)
    if mask.shape[1:] != (1, 1, 1 + kv_length) or mask.dtype != torch.int64:
        raise FcimError("this attention takes causality and padding only, but a mask with another bias was given")
    first = int(mask[row, 0, 0, 0])
    there = mask[row, 0, 0, 1:1 + first + q_length] != 0
    return there.nonzero()[:, 0], there[first:].nonzero()[:, 0]
