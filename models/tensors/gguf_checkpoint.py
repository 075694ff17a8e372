"""A LLaMA model in a GGUF file, walked and loaded like a Hugging Face directory."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import torch
from transformers import GenerationConfig, LlamaForCausalLM
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding

from models.tensors.checkpoint import Checkpoint, legal_config
from models.tensors.gguf_config import llama_config
from models.tensors.gguf_file import GgufFile
from models.tensors.gguf_weights import ROPE_FACTORS, GgufWeights
from models.tensors.packaged import MODELS, name_of
from models.tensors.token_ids import Tokenizer, load_gguf_tokenizer, quiet_transformers
from models.tensors.weight_files import HEAD

_ENDS = ("eos_token_id", "eot_token_id")


class GgufCheckpoint(Checkpoint):
    """A GGUF file of the LLaMA architecture, or all parts of a split one; one layer's weights are dequantised at a time.

    Attributes:
        path: the file, or the first part.

    Raises:
        FcimError: it cannot be used; the message says why.
    """

    def __init__(self, path: Path):
        self.file = GgufFile(path)
        self.path = self.file.path
        config = legal_config(llama_config(self.file), self.path)
        self._take(config, GgufWeights(self.file, config.num_attention_heads, config.num_key_value_heads))

    @property
    def name(self) -> str:
        """The file's name."""
        return self.file.name

    def _load_tokenizer(self) -> Tokenizer:
        return load_gguf_tokenizer(self.path, self.file.metadata, self.config.vocab_size)

    def load_model(self, device: torch.device | str = "cpu") -> LlamaForCausalLM:
        """The whole model in float32 with SDPA and without generation settings of its own.

        Raises:
            FcimError: a weight is missing, damaged or does not fit.
        """
        self.check_weights()
        config = copy.deepcopy(self.config)
        config._attn_implementation = "sdpa"
        with quiet_transformers(), torch.device("meta"):
            model = LlamaForCausalLM(config)
        tied = {HEAD} if config.tie_word_embeddings else set()
        state = {name: self.weights.read(name.removeprefix("model.")) for name in model.state_dict() if name not in tied}
        model.load_state_dict(state, strict=False, assign=True)
        model.tie_weights()
        model.model.rotary_emb = LlamaRotaryEmbedding(config)       # its frequencies are no weights of the file
        model.generation_config = GenerationConfig()
        return model.eval().to(device)

    def end_tokens(self) -> list[int]:
        """The tokens after which a text has ended."""
        found = [self.file.metadata.get(f"tokenizer.ggml.{name}") for name in _ENDS]
        return [end for end in dict.fromkeys(found) if type(end) is int and end >= 0]

    def facts(self, last_layer: int | None = None) -> dict[str, Any]:
        """As for a directory; where the file gives RoPE's factors as numbers, that is what its type is called. ``package`` is
        the one from which the file comes, if it was fetched."""
        facts = super().facts(last_layer)
        if ROPE_FACTORS in self.file.tensors:
            facts["rope_type"] = f"factors of {ROPE_FACTORS}"
        if name := name_of(self.path):
            facts["package"] = f"{MODELS[name].package} {MODELS[name].version}"
        return facts
