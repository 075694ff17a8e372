"""Attention tensors of a LLaMA-3 checkpoint in a Hugging Face directory, captured from transformers' own modules.

The model is walked layer by layer with one layer's weights in memory at a time, so that a checkpoint may be
larger than the memory. Layers, RoPE and masks are the library's: a function registered with its attention
interface receives Q and K after RoPE and K and V before they are repeated, notes them, and hands on to SDPA.
"""

from __future__ import annotations

import platform
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch
import transformers
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface, LlamaConfig
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import create_causal_mask, sdpa_mask
from transformers.models.llama.modeling_llama import LlamaDecoderLayer, LlamaRotaryEmbedding

from models.attention_tensors import AttentionTensors, decode_step
from models.errors import FcimError
from models.token_ids import Tokenizer, load_tokenizer, quiet_transformers, token_ids
from models.weight_files import WeightFiles, checkpoint_directory, one_line, read_json

__all__ = ["Checkpoint", "Probe", "decode_step"]

PROBE = "fcim_probe"
_EMBEDDING = "embed_tokens.weight"


class Probe(NamedTuple):
    """What one layer did with a batch: ``q [B, Hq, T, D]``, ``k``, ``v`` ``[B, Hkv, T, D]``, ``hidden [B, T, C]`` after it."""

    q: Tensor
    k: Tensor
    v: Tensor
    scale: float
    hidden: Tensor


def _probe_attention(module: nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None,
                     **kwargs: Any) -> tuple[Tensor, None]:
    module.fcim_seen = (query, key, value, kwargs["scaling"])
    return sdpa_attention_forward(module, query, key, value, attention_mask, **kwargs)


# The mask has a registry of its own: an attention name that is missing there silently runs without causality.
AttentionInterface.register(PROBE, _probe_attention)
AttentionMaskInterface.register(PROBE, sdpa_mask)


def _read_config(directory: Path) -> LlamaConfig:
    path = directory / "config.json"
    data = read_json(path)
    if data.get("model_type") != "llama":
        raise FcimError(f"{path} says model_type '{data.get('model_type')}'; only 'llama' checkpoints can be read")
    if data.get("quantization_config"):
        raise FcimError(f"{path} describes a quantised checkpoint; use the float16, bfloat16 or float32 one")
    try:
        with quiet_transformers():
            config = LlamaConfig.from_dict(data)
            config._attn_implementation = PROBE
            LlamaRotaryEmbedding(config)
    except Exception as error:  # the library raises many kinds, whatever entry is wrong
        raise FcimError(f"{path} is not a legal LLaMA configuration ({type(error).__name__}: {one_line(error)});"
                        " copy it again from the checkpoint") from None
    sizes = ("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
             "num_key_value_heads", "head_dim", "max_position_embeddings")
    for name in sizes:
        if getattr(config, name) < 1:
            raise FcimError(f"{path}: {name} = {getattr(config, name)} is illegal; it must be at least 1")
    if config.num_attention_heads % config.num_key_value_heads:
        raise FcimError(f"{path}: num_attention_heads = {config.num_attention_heads} is not a multiple of"
                        f" num_key_value_heads = {config.num_key_value_heads}")
    return config


class Checkpoint:
    """A LLaMA checkpoint directory; the weights stay on disk until a walk needs them.

    Raises:
        FcimError: the directory, its config.json or its weights cannot be used; the message says why.
    """

    def __init__(self, directory: str | Path):
        self.directory = checkpoint_directory(directory)
        self.config = _read_config(self.directory)
        self.weights = WeightFiles(self.directory)
        self._tokenizer: Tokenizer | None = None

    @property
    def tokenizer(self) -> Tokenizer:
        """The directory's tokenizer, loaded when first asked for."""
        if self._tokenizer is None:
            self._tokenizer = load_tokenizer(self.directory, self.config.vocab_size)
        return self._tokenizer

    @property
    def middle_layer(self) -> int:
        """The default layer of a capture."""
        return self.config.num_hidden_layers // 2

    def _empty_layer(self, index: int) -> LlamaDecoderLayer:
        with torch.device("meta"):
            return LlamaDecoderLayer(self.config, index).eval()

    def _load_layer(self, index: int) -> LlamaDecoderLayer:
        layer = self._empty_layer(index)
        state = {name: self.weights.read(f"layers.{index}.{name}") for name in layer.state_dict()}
        layer.load_state_dict(state, assign=True)
        return layer

    def check_weights(self, last_layer: int) -> str:
        """Check all weights up to a layer from the file headers, before any work; gives the stored type."""
        shapes = {_EMBEDDING: (self.config.vocab_size, self.config.hidden_size)}
        one_layer = {name: tuple(t.shape) for name, t in self._empty_layer(0).state_dict().items()}
        for index in range(last_layer + 1):
            shapes |= {f"layers.{index}.{name}": shape for name, shape in one_layer.items()}
        return self.weights.check(shapes)

    @torch.no_grad()
    def walk(self, sequences: list[Tensor], last_layer: int | None = None) -> Iterator[tuple[int, list[Probe]]]:
        """Run the layers in order and give, after each, its index and one :class:`Probe` for every sequence.

        Args:
            sequences: token ids, each ``[B, T]``; they may differ in shape. Each layer is loaded once for all.
            last_layer: where to stop (default: the model's last layer).

        Raises:
            FcimError: a weight is missing, damaged, of a wrong shape or type, or holds NaN or infinity.
        """
        last_layer = self.config.num_hidden_layers - 1 if last_layer is None else last_layer
        self.check_weights(last_layer)
        rotary = LlamaRotaryEmbedding(self.config)
        hidden = [self.weights.read_rows(_EMBEDDING, ids) for ids in sequences]
        shared: list[dict[str, Any]] = []
        for h in hidden:
            position_ids = torch.arange(h.shape[1])[None]
            mask = create_causal_mask(config=self.config, inputs_embeds=h, attention_mask=None, past_key_values=None,
                                      position_ids=position_ids)
            shared.append({"attention_mask": mask, "position_ids": position_ids, "use_cache": False,
                           "position_embeddings": rotary(h, position_ids=position_ids)})
        for index in range(last_layer + 1):
            layer = self._load_layer(index)
            probes = []
            for i, h in enumerate(hidden):
                hidden[i] = layer(h, **shared[i])
                probes.append(Probe(*layer.self_attn.fcim_seen, hidden[i]))
            del layer  # one layer's weights at a time
            yield index, probes

    def capture(self, layers: list[int] | None = None, heads: list[int] | None = None, text: str | None = None,
                tokens: int | None = None) -> list[AttentionTensors]:
        """Attention tensors of a prefill of ``text``, one for each layer asked, in ascending order.

        Args:
            layers: layer numbers from 0 (default: the middle one).
            heads: query heads to keep (default: all).
            text: the text itself (default: held-out text that every machine has).
            tokens: how many tokens of it, begin-of-text included (default: up to 512).

        Raises:
            FcimError: see :meth:`walk`; also a layer or head that is not there, or a text that is too short.
        """
        count = self.config.num_hidden_layers
        wanted = sorted(set([self.middle_layer] if layers is None else layers))
        wrong = [layer for layer in wanted if not 0 <= layer < count]
        if wrong or not wanted:
            raise FcimError(f"layer {wrong[0] if wrong else 'none'} is not in this model; choose from 0 to {count - 1}")
        wrong = [h for h in heads or [] if not 0 <= h < self.config.num_attention_heads]
        if wrong:
            raise FcimError(f"head {wrong[0]} is not in this model; choose from 0 to {self.config.num_attention_heads - 1}")
        taken = token_ids(self.tokenizer, text, tokens, self.config.vocab_size, self.config.max_position_embeddings)
        facts = {**self.facts(wanted[-1]), **taken.facts}
        captured = []
        for index, (probe,) in self.walk([taken.ids[None]], wanted[-1]):
            if index not in wanted:
                continue
            names = [f"L{index}H{h}" for h in range(self.config.num_attention_heads)]
            try:
                tensors = AttentionTensors(probe.q[0], probe.k[0], probe.v[0], probe.scale, {**facts, "layer": index}, names)
            except FcimError as error:
                raise FcimError(f"layer {index} of {self.directory}: {error}") from None
            captured.append(tensors if heads is None else tensors.select_heads(heads))
        return captured

    def facts(self, last_layer: int) -> dict[str, Any]:
        """What this checkpoint is, in JSON-able facts without the path to it."""
        rope = self.config.rope_parameters
        return {
            "model": self.directory.resolve().name, "layers": self.config.num_hidden_layers,
            "query_heads": self.config.num_attention_heads, "kv_heads": self.config.num_key_value_heads,
            "head_dim": self.config.head_dim, "rope_type": rope["rope_type"], "rope_theta": rope["rope_theta"],
            "stored_dtype": self.check_weights(last_layer), "dtype": "float32",
            "versions": {"python": platform.python_version(), "torch": torch.__version__,
                         "transformers": transformers.__version__},
        }
