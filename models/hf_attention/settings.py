"""What a model's attention computes with (hardware, choices of each tile, quantisation, layers), and what it refuses to."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from torch import nn

from models.errors import FcimError
from models.hardware.config import EngineConfig
from models.hardware.operands import OperandOptions
from models.hardware.orders import Orders
from models.hardware.schedules import DEFAULT_OPTIONS, TileOptions
from models.hf_attention.statistics import LayerStatistics, preparation
from models.tensors.fit import choose_config

_ATTRIBUTE = "fcim_settings"
_GRAINS = {"q": ("token", "head", "tensor"), "k": ("token", "head", "tensor"), "v": ("channel", "head", "tensor")}
# arguments that do not change the result of an attention layer
_HARMLESS = {"position_ids", "cache_position", "use_cache", "output_hidden_states", "return_dict", "logits_to_keep",
             "num_items_in_batch", "past_key_values", "position_embeddings", "labels"}
_NAMES = {"sliding_window": "a sliding window", "softcap": "soft-capped scores", "s_aux": "attention sinks as parameters",
          "position_bias": "a position bias", "head_mask": "a head mask", "output_attentions": "attention weights as an output"}

MODEL_TYPES = ("llama", "mistral", "qwen2", "qwen3")
"""Architectures whose attention is a plain softmax over scaled dot products, causal, with RoPE already applied."""


@dataclass(frozen=True)
class Quantisation(OperandOptions):
    """From floats to the engine's operands: beside what :class:`models.hardware.operands.OperandOptions` says, bits and scales.

    ``q_bits``, ``k_bits``, ``v_bits``: 2 to 8; the engine's operands have 8 bits, fewer use a part of their range.
    ``q_grain``, ``k_grain``: one scale per ``token`` (and head), ``head`` or ``tensor`` (all heads of the layer);
    ``v_grain``: per ``channel`` (and head), ``head`` or ``tensor``. With ``v_mult`` every key takes a part of it, in sixteenths.
    """

    q_bits: int = 8
    k_bits: int = 8
    v_bits: int = 8
    q_grain: str = "token"
    k_grain: str = "token"
    v_grain: str = "channel"

    def __post_init__(self) -> None:
        for name in "qkv":
            bits, grain = getattr(self, f"{name}_bits"), getattr(self, f"{name}_grain")
            if not 2 <= bits <= 8:
                raise FcimError(f"{name}_bits = {bits} is illegal; the engine's operands take 2 to 8 bits")
            if grain not in _GRAINS[name]:
                raise FcimError(f"{name}_grain = '{grain}' is unknown; use one of {', '.join(_GRAINS[name])}")


@dataclass(frozen=True)
class Settings:
    """Everything that :func:`configure` sets on a model.

    ``hardware``: None takes the shipped configuration with the model's head_dim, or the next larger one.
    ``quantise`` off computes in float, through the same tiles and key blocks. ``layers``: those that compute as the hardware
    does, None for all; the others run PyTorch's attention. ``statistics``: of each layer, from
    :func:`models.hf_attention.calibrate`; without them they come from the queries and keys at hand, call by call. ``orders``:
    schedule, first step and threshold of each KV head, instead of those of ``options``.
    """

    hardware: EngineConfig | None = None
    options: TileOptions = DEFAULT_OPTIONS
    quantisation: Quantisation = field(default_factory=Quantisation)
    quantise: bool = True
    layers: frozenset[int] | None = None
    statistics: dict[int, LayerStatistics] = field(default_factory=dict)
    orders: Orders | None = None

    def options_of(self, layer: int, kv_head: int) -> TileOptions:
        """The options of one KV head."""
        return self.orders.options_of(layer, kv_head, self.options) if self.orders else self.options

    def check_statistics(self) -> None:
        """Raise :class:`FcimError` if the statistics were taken of Q and K that were prepared in another way."""
        wanted = preparation(self.quantisation)
        if any(known.prepared != wanted for known in self.statistics.values()):
            raise FcimError("the statistics were taken with another smooth_k, balance or rotate; give statistics={} and "
                            "calibrate again")

    def hardware_for(self, head_dim: int) -> EngineConfig:
        """The configuration for heads of ``head_dim`` elements, which may have more; see :mod:`models.tensors.fit`.

        Raises:
            FcimError: the chosen one, or every one that ships, is smaller, or it cannot do the options.
        """
        cfg = self.hardware or choose_config(None, head_dim)
        if cfg.head_dim < head_dim:
            raise FcimError(f"the model has head_dim {head_dim}, configuration '{cfg.name}' takes up to {cfg.head_dim}; "
                            "choose another CONFIG or leave it out")
        self.options.check(cfg)
        if self.orders:
            self.orders.check(cfg)
        return cfg


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


def attention_modules(model: nn.Module) -> dict[int, nn.Module]:
    """The attention modules of a model by layer.

    Raises:
        FcimError: the model is not LLaMA-like.
    """
    refuse_model(getattr(model, "config", None), type(model).__name__)
    found = {m.layer_idx: m for m in model.modules() if hasattr(m, "layer_idx") and hasattr(m, "num_key_value_groups")}
    if not found:
        raise FcimError(f"no attention layer was found in this {type(model).__name__}")
    return found


def configure(model: nn.Module, settings: Settings | None = None, **changes: object) -> Settings:
    """Set what a model's attention computes with; ``changes`` replace single fields of ``settings`` or of what is set.

    Raises:
        FcimError: the model is not LLaMA-like, or the settings cannot serve it.
    """
    modules = attention_modules(model)
    first = next(iter(modules.values()))
    chosen = replace(settings or settings_of(first), **changes)
    chosen.check_statistics()
    cfg = chosen.hardware_for(first.head_dim)
    if first.num_key_value_groups > cfg.rows:
        raise FcimError(f"{first.num_key_value_groups} query heads on one KV head do not fit {cfg.rows} rows; "
                        "choose a CONFIG with more rows")
    if chosen.orders:
        heads = model.config.num_attention_heads
        chosen.orders.check_model(len(modules), heads, heads // first.num_key_value_groups)
    if wrong := sorted(set(chosen.layers or ()) - set(modules)):
        raise FcimError(f"layer {wrong[0]} is not in this model; choose from 0 to {max(modules)}")
    for module in modules.values():
        setattr(module, _ATTRIBUTE, chosen)
    return chosen


def settings_of(module: nn.Module) -> Settings:
    """The settings of an attention module; the default ones where nothing was configured."""
    return getattr(module, _ATTRIBUTE, None) or Settings()
