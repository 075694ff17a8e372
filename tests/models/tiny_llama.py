"""Tiny random checkpoints with the head geometries of the LLaMA-3 family, written as Hugging Face directories."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from transformers import LlamaConfig, LlamaForCausalLM
from transformers.utils import logging

from models.tensors.byte_tokenizer import save_tokenizer

logging.disable_progress_bar()  # save_pretrained draws one on stderr, where the tests look for the error line

ROPE_3 = {"rope_theta": 500000.0}
# as in the 3.1 and 3.2 files, with lengths scaled down so that short sequences meet all three bands of it
ROPE_31 = {"rope_theta": 500000.0, "rope_scaling": {
    "rope_type": "llama3", "factor": 32.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64}}

GEOMETRIES = {
    "8B": {"hidden_size": 64, "num_attention_heads": 8, "num_key_value_heads": 2, "head_dim": 128, **ROPE_3},
    "3.1-8B": {"hidden_size": 64, "num_attention_heads": 8, "num_key_value_heads": 2, "head_dim": 128, **ROPE_31},
    "3.2-1B": {"hidden_size": 64, "num_attention_heads": 8, "num_key_value_heads": 2, "head_dim": 64,
               "tie_word_embeddings": True, **ROPE_31},
    "3.2-3B": {"hidden_size": 48, "num_attention_heads": 6, "num_key_value_heads": 2, "head_dim": 128,
               "tie_word_embeddings": True, **ROPE_31},
}


def make_checkpoint(path: Path, geometry: str = "8B", layers: int = 3, shard_size: str = "1GB", tokenizer: bool = True,
                    dtype: torch.dtype = torch.bfloat16, **changes: object) -> Path:
    """Write a checkpoint; config.json keeps the old RoPE keys, as the published files do."""
    torch.manual_seed(7)
    settings = {"vocab_size": 258, "intermediate_size": 96, "num_hidden_layers": layers, "max_position_embeddings": 2048,
                "initializer_range": 0.25, "rms_norm_eps": 1e-5, **GEOMETRIES[geometry], **changes}
    model = LlamaForCausalLM(LlamaConfig(**settings))
    model.to(dtype).save_pretrained(path, max_shard_size=shard_size)
    config = json.loads((path / "config.json").read_text())
    del config["rope_parameters"]
    (path / "config.json").write_text(json.dumps({**config, **{k: settings[k] for k in ("rope_theta", "rope_scaling")
                                                               if k in settings}}))
    if tokenizer:
        save_tokenizer(path)
    return path


def change_weights(path: Path, changes: dict[str, torch.Tensor | None]) -> None:
    """Replace weights of a one-file checkpoint; None takes one away."""
    weights = {**load_file(path / "model.safetensors"), **{k: v for k, v in changes.items() if v is not None}}
    save_file({k: v for k, v in weights.items() if changes.get(k, v) is not None}, path / "model.safetensors",
              metadata={"format": "pt"})
