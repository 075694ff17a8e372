"""What this attention refuses rather than compute something else."""

from __future__ import annotations

from typing import Any

from torch import nn

from models.errors import FcimError

# arguments that do not change the result of an attention layer
_HARMLESS = {"position_ids", "cache_position", "use_cache", "output_hidden_states", "return_dict", "logits_to_keep",
             "num_items_in_batch", "past_key_values", "position_embeddings", "labels"}
_NAMES = {"sliding_window": "a sliding window", "softcap": "soft-capped scores", "s_aux": "attention sinks as parameters",
          "position_bias": "a position bias", "head_mask": "a head mask", "output_attentions": "attention weights as an output"}


MODEL_TYPES = ("llama", "mistral", "qwen2", "qwen3")
"""Architectures whose attention is a plain softmax over scaled dot products, causal, with RoPE already applied."""


def refuse_model(config: Any, name: str = "") -> None:
    """Raise :class:`FcimError` unless the model is LLaMA-like."""
    kind = getattr(config, "model_type", name)
    if kind not in MODEL_TYPES:
        raise FcimError(f"model_type '{kind}' is not LLaMA-like; this attention serves {', '.join(MODEL_TYPES)}")


def refuse_unknown(module: nn.Module, dropout: float, arguments: dict[str, Any]) -> None:
    """Raise :class:`FcimError` naming the feature if a layer asks for one that the hardware lacks, or is of another model."""
    if dropout and module.training:
        raise FcimError("attention dropout is on; call model.eval() first, the hardware does not train")
    causal = arguments.get("is_causal")
    if causal is False or (causal is None and not getattr(module, "is_causal", True)):
        raise FcimError("this layer's attention is not causal; the hardware's visibility rule is causality")
    for name, value in arguments.items():
        if value is None or value is False or name in _HARMLESS or name == "is_causal":
            continue
        feature = _NAMES.get(name, f"the attention argument {name!r}")
        raise FcimError(f"this model uses {feature}, which the hardware lacks; use another attention implementation for it")
    refuse_model(getattr(module, "config", None), type(module).__name__)
