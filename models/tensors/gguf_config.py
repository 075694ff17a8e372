"""What the metadata of a GGUF file say about the model, as the entries of a LLaMA's config.json."""

from __future__ import annotations

from typing import Any

from models.errors import FcimError
from models.tensors.gguf_file import GgufFile
from models.tensors.gguf_weights import ROPE_FACTORS, read_tensor

ARCHITECTURE = "llama"
# what other models of this architecture's name have, with the value that means nothing
_NEUTRAL = {"expert_count": 0, "attention.scale": 0, "attention.clamp_kqv": 0, "attention.sliding_window": 0,
            "attention.causal": True, "embedding_scale": 1, "residual_scale": 1, "logit_scale": 1, "use_parallel_residual": False,
            "rope.scaling.attn_factor": 1}
_SIZES = {"hidden_size": "embedding_length", "intermediate_size": "feed_forward_length", "num_hidden_layers": "block_count",
          "num_attention_heads": "attention.head_count", "max_position_embeddings": "context_length"}


class _Metadata:
    """The entries ``llama.*`` of a file."""

    def __init__(self, file: GgufFile):
        self.file = file

    def get(self, key: str, default: Any = None) -> Any:
        return self.file.metadata.get(f"{ARCHITECTURE}.{key}", default)

    def size(self, key: str, default: int | None = None) -> int:
        value = self.get(key, default)
        if isinstance(value, list) and value and value == value[:1] * len(value):
            value = value[0]        # some converters give one for every layer
        if value is None:
            raise self.refused(key, "is missing")
        if type(value) is not int or value < 1:
            raise self.refused(key, f"is {value}, not one number of at least 1")
        return value

    def number(self, key: str, default: float) -> float:
        value = self.get(key, default)
        if type(value) not in (int, float) or not value > 0:
            raise self.refused(key, f"is {value}, not a number above 0")
        return float(value)

    def refused(self, key: str, problem: str) -> FcimError:
        return FcimError(f"{self.file.path}: {ARCHITECTURE}.{key} {problem}; take another GGUF of the model")


def llama_config(file: GgufFile) -> dict[str, Any]:
    """The configuration that transformers knows, from metadata, and from the tensors whatever only they tell.

    Raises:
        FcimError: another architecture, an entry that is missing or makes no sense, or one that asks for what a plain LLaMA does
            not have.
    """
    architecture = file.metadata.get("general.architecture")
    if architecture != ARCHITECTURE:
        raise FcimError(f"{file.path} is a GGUF of the architecture '{architecture}'; only '{ARCHITECTURE}' can be read")
    entries = _Metadata(file)
    for key, neutral in _NEUTRAL.items():
        if (value := entries.get(key, neutral)) != neutral:
            raise entries.refused(key, f"is {value}, which a plain LLaMA does not have")
    config: dict[str, Any] = {name: entries.size(key) for name, key in _SIZES.items()}
    heads = config["num_attention_heads"]
    rotated = entries.size("rope.dimension_count", config["hidden_size"] // heads)
    head_dim = entries.size("attention.key_length", rotated)
    if (rotated, entries.size("attention.value_length", head_dim)) != (head_dim, head_dim):
        raise entries.refused("attention.key_length", f"is {head_dim}, but RoPE turns {rotated} channels and V has"
                                                      f" {entries.get('attention.value_length', head_dim)}; all must be equal")
    epsilon = entries.get("attention.layer_norm_rms_epsilon")
    if not isinstance(epsilon, float):
        raise entries.refused("attention.layer_norm_rms_epsilon", "is missing")
    embedding = file.tensors.get("token_embd.weight")
    if embedding is None or len(embedding.shape) != 2:
        raise FcimError(f"{file.path} has no embedding (token_embd.weight); take another GGUF of the model")
    tokens = {name: file.metadata.get(f"tokenizer.ggml.{name}") for name in ("bos_token_id", "eos_token_id")}
    return {**config, **tokens, "model_type": "llama", "head_dim": head_dim, "vocab_size": embedding.shape[0],
            "num_key_value_heads": entries.size("attention.head_count_kv", heads),
            # metadata have 32 bits: 1e-5 and not 9.999999747378752e-06
            "rms_norm_eps": float(f"{epsilon:.7g}"),
            "attention_bias": "blk.0.attn_q.bias" in file.tensors, "mlp_bias": "blk.0.ffn_up.bias" in file.tensors,
            "tie_word_embeddings": "output.weight" not in file.tensors,
            "rope_parameters": _rope(entries, config["max_position_embeddings"], head_dim)}


def _rope(entries: _Metadata, positions: int, head_dim: int) -> dict[str, Any]:
    """How RoPE's frequencies come about, in the library's words."""
    theta = entries.number("rope.freq_base", 10000.0)
    kind = entries.get("rope.scaling.type", "none" if entries.get("rope.scale_linear") is None else "linear")
    factor = entries.number("rope.scaling.factor", entries.number("rope.scale_linear", 1.0))
    if tensor := entries.file.tensors.get(ROPE_FACTORS):
        factors = read_tensor(entries.file, tensor).tolist()
        if tensor.shape != (head_dim // 2,) or min(factors) <= 0 or (kind != "none" and factor != 1):
            raise FcimError(f"{entries.file.path}: {ROPE_FACTORS} has shape {list(tensor.shape)}, or does not go with the rest;"
                            f" a head of {head_dim} channels needs {head_dim // 2} factors above 0 and no other scaling")
        # The library has no name for any factors but this one, which takes a list for short and one for long texts. The factors
        # of LLaMA 3.1 stand in a file as numbers only, not as the four settings from which its formula makes them.
        return {"rope_type": "longrope", "rope_theta": theta, "short_factor": factors, "long_factor": factors, "factor": 1.0,
                "attention_factor": 1.0, "original_max_position_embeddings": positions}
    if kind == "none" or factor == 1:
        return {"rope_type": "default", "rope_theta": theta}
    if kind == "linear":
        return {"rope_type": "linear", "rope_theta": theta, "factor": factor}
    if kind == "yarn":
        original = entries.size("rope.scaling.original_context_length", positions)
        return {"rope_type": "yarn", "rope_theta": theta, "factor": factor, "original_max_position_embeddings": original}
    raise entries.refused("rope.scaling.type", f"is '{kind}', which is not known; none, linear and yarn are")
