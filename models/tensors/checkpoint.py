"""Attention tensors of a LLaMA-3 checkpoint in a Hugging Face directory, captured from transformers' own modules.

The model is walked layer by layer with one layer's weights in memory at a time, so that a checkpoint may be
larger than the memory. Layers, RoPE and masks are the library's: a function registered with its attention
interface receives Q and K after RoPE and K and V before they are repeated, notes them, and hands on to SDPA.
"""

from __future__ import annotations

import contextlib
import copy
import platform
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch
import transformers
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface, GenerationConfig, LlamaConfig, LlamaForCausalLM
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import create_causal_mask, sdpa_mask
from transformers.models.llama.modeling_llama import LlamaDecoderLayer, LlamaRotaryEmbedding

from models.errors import FcimError, note
from models.tensors.attention_tensors import AttentionTensors, decode_step
from models.tensors.checkpoint_folder import checkpoint_directory, model_name, one_line, read_json
from models.tensors.token_ids import Tokenizer, load_tokenizer, quiet_transformers, token_ids
from models.tensors.weight_files import EMBEDDING, HEAD, NORM, WeightFiles, Weights, grouped, places

__all__ = ["Checkpoint", "Probe", "decode_step"]

PROBE = "fcim_probe"


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


def _library_config(data: dict[str, Any]) -> LlamaConfig:
    """The library's configuration. It refuses a hidden size that is no multiple of the heads, although nothing depends on that
    once head_dim is stated (there are published models of 1792 with 24 heads of 128): so that size is put in afterwards."""
    hidden, heads, head_dim = (data.get(name) for name in ("hidden_size", "num_attention_heads", "head_dim"))
    apart = all(type(x) is int and x > 0 for x in (hidden, heads, head_dim)) and hidden % heads != 0
    config = LlamaConfig.from_dict({**data, "hidden_size": heads * head_dim} if apart else data)
    if apart:
        config.hidden_size = hidden
    return config


def _read_config(directory: Path) -> LlamaConfig:
    path = directory / "config.json"
    data = read_json(path)
    if data.get("model_type") != "llama":
        raise FcimError(f"{path} says model_type '{data.get('model_type')}'; only 'llama' checkpoints can be read")
    if quantised := data.get("quantization_config"):
        method = quantised.get("quant_method") if isinstance(quantised, dict) else None
        raise FcimError(f"{path} describes a quantised checkpoint{f' ({method})' if method else ''};"
                        " use the float16, bfloat16 or float32 one")
    return legal_config(data, path)


def legal_config(data: dict[str, Any], path: Path) -> LlamaConfig:
    """The library's configuration from entries of a config.json, with this module's attention.

    Raises:
        FcimError: they make no model; ``path`` is the file to blame.
    """
    try:
        with quiet_transformers():
            config = _library_config(data)
            config._attn_implementation = PROBE
            LlamaRotaryEmbedding(config)
    except Exception as error:  # the library raises many kinds, whatever entry is wrong
        raise FcimError(f"{path} is not a legal LLaMA configuration to transformers {transformers.__version__}"
                        f" ({type(error).__name__}: {one_line(error)}); mend that entry or copy the file again") from None
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

    Attributes:
        path: the directory.
        config: the library's configuration, with this module's attention.
        weights: what the weights are read from.

    Raises:
        FcimError: the directory, its config.json or its weights cannot be used; the message says why.
    """

    def __init__(self, directory: str | Path):
        self.path = checkpoint_directory(directory)
        config = _read_config(self.path)
        self._take(config, WeightFiles(self.path, getattr(config, "transformers_weights", None), config.tie_word_embeddings))

    def _take(self, config: LlamaConfig, weights: Weights) -> None:
        self.config, self.weights = config, weights
        self.weights.check_names((EMBEDDING, NORM, *(f"layers.{index}.{name}" for name in self._layer_shapes()
                                                     for index in range(self.config.num_hidden_layers))),
                                 self.config.num_hidden_layers)
        self._tokenizer: Tokenizer | None = None

    @property
    def tokenizer(self) -> Tokenizer:
        """The directory's tokenizer, loaded when first asked for."""
        if self._tokenizer is None:
            self._tokenizer = self._load_tokenizer()
        return self._tokenizer

    def _load_tokenizer(self) -> Tokenizer:
        return load_tokenizer(self.path, self.config)

    @property
    def name(self) -> str:
        """What to call the model."""
        return model_name(self.path)

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

    def _layer_shapes(self) -> dict[str, tuple[int, ...]]:
        return {name: tuple(t.shape) for name, t in self._empty_layer(0).state_dict().items()}

    def check_weights(self, last_layer: int | None = None) -> str:
        """Check all weights up to a layer, or (without one) of the whole model, from the file headers, before any work.

        Returns:
            The stored type, such as ``BF16``.
        """
        vocabulary = (self.config.vocab_size, self.config.hidden_size)
        shapes: dict[str, tuple[int, ...]] = {EMBEDDING: vocabulary}
        one_layer = self._layer_shapes()
        for index in range(self.config.num_hidden_layers if last_layer is None else last_layer + 1):
            shapes |= {f"layers.{index}.{name}": shape for name, shape in one_layer.items()}
        if last_layer is None:
            shapes[NORM] = self.config.hidden_size,
            if not self.config.tie_word_embeddings or self.weights.holds(HEAD):
                shapes[HEAD] = vocabulary
        return self.weights.check(shapes)

    def load_model(self, device: torch.device | str = "cpu") -> LlamaForCausalLM:
        """The whole model in float32, loaded by transformers from the same files, with SDPA and without generation settings of
        its own.

        Raises:
            FcimError: a weight is missing, damaged or does not fit, whatever else the library reports about its reading included.
        """
        self.check_weights()
        config = copy.deepcopy(self.config)
        config._attn_implementation = "sdpa"
        transformers.utils.logging.disable_progress_bar()
        try:
            with quiet_transformers():
                model, report = LlamaForCausalLM.from_pretrained(
                    self.path, config=config, dtype=torch.float32, attn_implementation="sdpa", local_files_only=True,
                    use_safetensors=True, generation_config=GenerationConfig(), output_loading_info=True)
        except Exception as error:  # the library raises many kinds, whatever is wrong with the files
            raise FcimError(f"transformers {transformers.__version__} cannot load {self.path}"
                            f" ({type(error).__name__}: {one_line(error)})") from None
        unexpected = places(report["unexpected_keys"], self.config.num_hidden_layers)
        for names, problem in ((report["missing_keys"], "no weights for"), (unexpected, "weights not placed by config.json:"),
                               ({x[0] for x in report["mismatched_keys"]}, "a wrong shape for")):
            if names:
                raise FcimError(f"transformers finds in {self.path} {problem} {grouped(sorted(names))};"
                                " copy the checkpoint again")
        if report["error_msgs"]:
            raise FcimError(f"transformers reports about {self.path}: {one_line(report['error_msgs'][0])}")
        if config.tie_word_embeddings and model.lm_head.weight is not model.model.embed_tokens.weight:
            note(f"config.json of {self.path} ties lm_head to the embedding, but another {HEAD} is stored:"
                 " that one is used, as transformers does, and nothing is tied")
        return model.eval().to(device)

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
        hidden = [self.weights.read_rows(EMBEDDING, ids) for ids in sequences]
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
        """All of :meth:`each_layer` at once."""
        return list(self.each_layer(layers, heads, text, tokens))

    def each_layer(self, layers: list[int] | None = None, heads: list[int] | None = None, text: str | None = None,
                   tokens: int | None = None) -> Iterator[AttentionTensors]:
        """Attention tensors of a prefill of ``text``, one for each layer asked, in ascending order, as the walk comes to it.

        Args:
            layers: layer numbers from 0 (default: the middle one).
            heads: query heads to keep (default: all).
            text: the text itself (default: held-out text that every machine has).
            tokens: how many tokens of it, a begin-of-text token included (default: up to 512).

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
        for index, (probe,) in self.walk([taken.ids[None]], wanted[-1]):
            if index not in wanted:
                continue
            names = [f"L{index}H{h}" for h in range(self.config.num_attention_heads)]
            try:
                tensors = AttentionTensors(probe.q[0], probe.k[0], probe.v[0], probe.scale, {**facts, "layer": index}, names)
            except FcimError as error:
                raise FcimError(f"layer {index} of {self.path}: {error}") from None
            yield tensors if heads is None else tensors.select_heads(heads)

    def end_tokens(self) -> list[int]:
        """The tokens after which a text has ended, all that is taken from generation_config.json; where that has none, or none
        that can be used, config.json's."""
        for name in ("generation_config.json", "config.json"):
            with contextlib.suppress(FcimError):
                found = read_json(self.path / name).get("eos_token_id")
                ends = found if isinstance(found, list) else [found]
                if ends and all(type(end) is int and end >= 0 for end in ends):
                    return ends
        return []

    def facts(self, last_layer: int | None = None) -> dict[str, Any]:
        """What this checkpoint is, in JSON-able facts without the path to it; ``last_layer`` as for :meth:`check_weights`."""
        rope = self.config.rope_parameters
        return {
            "model": self.name, "layers": self.config.num_hidden_layers,
            "query_heads": self.config.num_attention_heads, "kv_heads": self.config.num_key_value_heads,
            "head_dim": self.config.head_dim, "rope_type": rope["rope_type"], "rope_theta": rope["rope_theta"],
            "stored_dtype": self.check_weights(last_layer), "dtype": "float32",
            "versions": {"python": platform.python_version(), "torch": torch.__version__,
                         "transformers": transformers.__version__},
        }
