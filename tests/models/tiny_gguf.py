"""Tiny LLaMA models as GGUF files, written as llama.cpp's converter writes them: names, order of Q's and K's rows, metadata."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch
from gguf import GGMLQuantizationType as Kind
from torch import Tensor

from models.tensors.byte_tokenizer import build_tokenizer
from models.tensors.gguf_weights import usual_name

SIZES = {"vocab_size": 259, "hidden_size": 256, "intermediate_size": 256, "num_hidden_layers": 2, "num_attention_heads": 4,
         "num_key_value_heads": 2, "head_dim": 64, "max_position_embeddings": 512}
_INNER = ("attn_norm", "attn_q", "attn_k", "attn_v", "attn_output", "ffn_norm", "ffn_gate", "ffn_up", "ffn_down")
KINDS = ("F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K",
         "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ3_XXS", "IQ3_S", "IQ1_S", "IQ1_M", "IQ4_NL", "IQ4_XS",
         "TQ1_0", "TQ2_0", "MXFP4", "NVFP4")


def random_weights(seed: int = 5, tied: bool = False, bias: bool = False, **sizes: int) -> dict[str, Tensor]:
    """All weights of a model by the names of a bare one, float32."""
    n = {**SIZES, **sizes}
    c, f, q, kv = n["hidden_size"], n["intermediate_size"], *(n["head_dim"] * n[h] for h in ("num_attention_heads",
                                                                                             "num_key_value_heads"))
    shapes = {"attn_norm": (c,), "attn_q": (q, c), "attn_k": (kv, c), "attn_v": (kv, c), "attn_output": (c, q),
              "ffn_norm": (c,), "ffn_gate": (f, c), "ffn_up": (f, c), "ffn_down": (c, f)}
    stored = {"token_embd.weight": (n["vocab_size"], c), "output_norm.weight": (c,)}
    stored |= {} if tied else {"output.weight": (n["vocab_size"], c)}
    for index in range(n["num_hidden_layers"]):
        stored |= {f"blk.{index}.{name}.weight": shapes[name] for name in _INNER}
        stored |= {f"blk.{index}.{name}.bias": shapes[name][:1] for name in _INNER if bias and "norm" not in name}
    generator = torch.Generator().manual_seed(seed)
    return {usual_name(name): 0.1 * torch.randn(shape, generator=generator) for name, shape in stored.items()}


def _converted(name: str, weight: Tensor, heads: int, kv_heads: int) -> np.ndarray:
    """llama.cpp's order of the rows of Q and K: those of a head's two halves alternate."""
    count = heads if "q_proj" in name else kv_heads if "k_proj" in name else None
    values = weight.float().numpy()
    if count is None:
        return values
    return values.reshape(count, 2, -1, *values.shape[1:]).swapaxes(1, 2).reshape(values.shape)


def blocks(values: np.ndarray, kind: Kind) -> np.ndarray:
    """A matrix in blocks of a type, uint8; where the gguf package cannot quantise, blocks of random bytes, all finite."""
    try:
        return gguf.quantize(values, kind).view(np.uint8)
    except NotImplementedError:
        shape = gguf.quant_shape_to_byte_shape(values.shape, kind)
        return np.random.default_rng(values.size).integers(0, 0x3C, shape, np.uint8)


def write_gguf(path: Path, weights: dict[str, Tensor], kind: str = "F32", *, more: dict[str, np.ndarray] | None = None,
               architecture: str = "llama", tokens: dict[str, Any] | None = None, sizes: dict[str, int] | None = None,
               metadata: dict[str, Any] | None = None, parts_of: int = 0) -> Path:
    """Write a model.

    Args:
        path: the file; with ``parts_of`` the parts' names are made from it, and the first part is returned.
        weights: by the names of a bare model.
        kind: the type of all matrices; vectors are float32 as in every GGUF.
        more: tensors by the file's own names.
        architecture: what it calls itself.
        tokens: metadata of the tokenizer, default: one of bytes.
        sizes: those that are not of ``SIZES``.
        metadata: entries ``llama.*`` that change or come in addition; None takes one away.
        parts_of: tensors of a part.
    """
    n = {**SIZES, **(sizes or {})}
    writer = gguf.GGUFWriter(path, architecture, split_max_tensors=parts_of)
    entries = {"context_length": n["max_position_embeddings"], "embedding_length": n["hidden_size"],
               "block_count": n["num_hidden_layers"], "feed_forward_length": n["intermediate_size"],
               "attention.head_count": n["num_attention_heads"], "attention.head_count_kv": n["num_key_value_heads"],
               "rope.dimension_count": n["head_dim"], "rope.freq_base": 10000.0, "attention.layer_norm_rms_epsilon": 1e-5,
               "vocab_size": n["vocab_size"], **(metadata or {})}
    for key, value in entries.items():
        if value is not None:
            add(writer, f"{architecture}.{key}", value)
    for key, value in (byte_tokens() if tokens is None else tokens).items():
        add(writer, f"tokenizer.{key}", value)
    for name, weight in weights.items():
        stored = next(s for s in _stored_names(n["num_hidden_layers"]) if usual_name(s) == name)
        values = _converted(name, weight, n["num_attention_heads"], n["num_key_value_heads"])
        chosen = Kind[kind] if values.ndim > 1 else Kind.F32
        if chosen is Kind.F32 or chosen is Kind.F64:
            writer.add_tensor(stored, np.ascontiguousarray(values, np.float32 if chosen is Kind.F32 else np.float64))
        else:
            writer.add_tensor(stored, blocks(values, chosen), raw_dtype=chosen)
    for name, values in (more or {}).items():
        writer.add_tensor(name, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path if path.exists() else sorted(path.parent.glob(f"{path.stem}-*.gguf"))[0]


def _stored_names(layers: int) -> list[str]:
    inner = [f"blk.{i}.{name}.{end}" for i in range(layers) for name in _INNER for end in ("weight", "bias")]
    return ["token_embd.weight", "output_norm.weight", "output.weight", *inner]


def add(writer: gguf.GGUFWriter, key: str, value: Any) -> None:
    """An entry of the type that belongs to the value."""
    kinds = {bool: writer.add_bool, int: writer.add_uint32, float: writer.add_float32, str: writer.add_string,
             list: writer.add_array}
    kinds[type(value)](key, value)


def byte_tokens(**changes: Any) -> dict[str, Any]:
    """The tokenizer of bytes with a begin-of-text token first, and one token more: two spaces."""
    vocabulary = build_tokenizer().get_vocab()
    names = [*sorted(vocabulary, key=vocabulary.get), "ĠĠ"]
    return {"ggml.model": "gpt2", "ggml.pre": "gpt-2", "ggml.tokens": names, "ggml.token_type": [1] * 256 + [3] * 2 + [1],
            "ggml.merges": ["Ġ Ġ"], "ggml.bos_token_id": 256, "ggml.eos_token_id": 257, "ggml.add_bos_token": True, **changes}
