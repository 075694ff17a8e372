"""Bad checkpoints and options through the command line: exit code 2, one line that names the culprit, nothing written."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from models.tensors import source
from scripts import capture, head_stats
from tests.models.tiny_llama import change_weights, make_checkpoint

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def damaged(plain: Path, tmp_path: Path, refused: Callable[..., str]) -> Callable[..., None]:
    """Copy the plain checkpoint, apply a change, and see the capture refused with nothing written."""

    def check(change: Callable[[Path], object], *parts: str, options: tuple[object, ...] = ()) -> None:
        path = tmp_path / "model"
        shutil.rmtree(path, ignore_errors=True)
        shutil.copytree(plain, path)
        change(path)
        before = set(tmp_path.rglob("*"))
        argv = ["--checkpoint", path, "--out", tmp_path / "out.safetensors", "--tokens", 8, *options]
        refused(capture.main, argv, *parts)
        assert set(tmp_path.rglob("*")) == before

    return check


def edit_config(**changes: object) -> Callable[[Path], object]:
    def change(path: Path) -> None:
        config = json.loads((path / "config.json").read_text())
        (path / "config.json").write_text(json.dumps({**config, **changes}))

    return change


def cut(name: str, size: int) -> Callable[[Path], object]:
    return lambda path: (path / name).write_bytes((path / name).read_bytes()[:size])


@pytest.mark.parametrize(("change", "parts"), [
    (shutil.rmtree, ("does not exist",)),
    (lambda p: (p / "config.json").unlink(), ("no config.json",)),
    (cut("config.json", 40), ("config.json is not readable JSON",)),
    (lambda p: (p / "config.json").write_bytes(b"\xff\xfe"), ("config.json is not readable JSON",)),
    (lambda p: (p / "config.json").write_text("[]"), ("must hold a JSON object",)),
    (edit_config(model_type="mistral"), ("model_type 'mistral'", "only 'llama'")),
    (edit_config(model_type=None), ("model_type 'None'",)),
    (edit_config(quantization_config={"quant_method": "fp8"}), ("quantised checkpoint",)),
    (edit_config(num_hidden_layers="three"), ("not a legal LLaMA configuration",)),
    (edit_config(num_hidden_layers=0), ("num_hidden_layers = 0",)),
    (edit_config(num_attention_heads=0), ("not a legal LLaMA configuration",)),
    (edit_config(num_key_value_heads=3), ("not a multiple of num_key_value_heads = 3",)),
    (edit_config(head_dim=127), ("not a legal LLaMA configuration", "127")),
    (edit_config(rope_scaling={"rope_type": "unheard"}), ("not a legal LLaMA configuration",)),
    (edit_config(rope_scaling={"rope_type": "llama3"}), ("not a legal LLaMA configuration",)),
    (edit_config(head_dim=64), ("q_proj.weight' has shape [1024, 64]", "asks for [512, 64]")),
    (edit_config(num_hidden_layers=9), ("weight 'model.layers.3.", "is missing from")),  # its middle layer is 4
    (lambda p: (p / "model.safetensors").unlink(), ("neither model.safetensors nor",)),
    (cut("model.safetensors", 0), ("damaged or cut short",)),
    (cut("model.safetensors", 100), ("damaged or cut short",)),
    (cut("model.safetensors", 50000), ("damaged or cut short",)),
    (lambda p: (p / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n"),
     ("git lfs pull",)),
    (lambda p: change_weights(p, {"model.layers.1.self_attn.q_proj.weight": None}), ("q_proj.weight' is missing",)),
    (lambda p: change_weights(p, {"model.embed_tokens.weight": None}), ("embed_tokens.weight' is missing",)),
    (lambda p: change_weights(p, {"model.layers.0.mlp.up_proj.weight": torch.zeros(96, 64, dtype=torch.int8)}),
     ("stored as I8", "quantised")),
    (lambda p: change_weights(p, {"model.layers.0.mlp.up_proj.weight": torch.full((96, 64), torch.nan)}),
     ("'model.layers.0.mlp.up_proj.weight' holds NaN",)),
    (lambda p: change_weights(p, {"model.embed_tokens.weight": torch.full((258, 64), torch.inf)}),
     ("embed_tokens.weight' holds NaN",)),
    (lambda p: change_weights(p, {"model.layers.1.self_attn.k_proj.weight": torch.full((256, 64), 3e38)}),
     ("layer 1 of", "k holds")),
    (cut("tokenizer.json", 300), ("tokenizer files", "cannot be loaded")),
    (edit_config(vocab_size=300), ("embed_tokens.weight' has shape [258, 64]", "asks for [300, 64]")),
    (edit_config(vocab_size=100), ("token 256 but the model knows only 100",)),
])
def test_damaged_checkpoints(damaged: Callable[..., None], change: Callable[[Path], object], parts: tuple[str, ...]) -> None:
    damaged(change, *parts)


def write_text(content: bytes) -> Callable[[Path], object]:
    return lambda path: (path / "text.txt").write_bytes(content)


@pytest.mark.parametrize(("options", "content", "message"), [
    (("--layer", 3), b"x", "LAYER = 3: 3 is not there; choose from 0 to 2"),
    (("--layer", "-1"), b"x", "LAYER = -1 is illegal"),
    (("--layer", "0,1"), b"x", "LAYER = '0,1' is not a whole number"),
    (("--heads", "8"), b"x", "HEADS = 8: 8 is not there; choose from 0 to 7"),
    (("--heads", "0-999999999"), b"x", "999999999 is not there"),
    (("--heads", "a"), b"x", "HEADS = 'a' is not understood"),
    (("--tokens", 0), b"x", "TOKENS = 0 is illegal"),
    (("--tokens", "-4"), b"x", "TOKENS = -4 is illegal"),
    (("--tokens", "many"), b"x", "TOKENS = 'many' is not a whole number"),
    (("--tokens", 3), b"x", "2 tokens, fewer than TOKENS = 3"),
    (("--tokens", 2049), b"x", "takes 1 to 2048"),
    ((), b"", "is empty"),
    ((), b"\xff\xfe\x00", "cannot be read as UTF-8"),
])
def test_wrong_options(damaged: Callable[..., None], tmp_path: Path, options: tuple[object, ...], content: bytes,
                       message: str) -> None:
    damaged(write_text(content), message, options=("--text", tmp_path / "model" / "text.txt", *options))


def test_missing_text(damaged: Callable[..., None], tmp_path: Path) -> None:
    damaged(lambda _: None, "does not exist", options=("--text", tmp_path / "no.txt"))


def test_damaged_shards(tmp_path: Path, refused: Callable[..., str]) -> None:
    path = make_checkpoint(tmp_path / "model", shard_size="150KB")
    index = path / "model.safetensors.index.json"
    whole = index.read_text()
    shard = json.loads(whole)["weight_map"]["model.layers.1.self_attn.q_proj.weight"]
    data = (path / shard).read_bytes()
    argv = ["--checkpoint", path, "--out", tmp_path / "out.npz"]
    (path / shard).write_bytes(data[:-1])
    refused(capture.main, argv, shard, "cut short")
    (path / shard).unlink()
    refused(capture.main, argv, f"shard {shard} is missing")
    (path / shard).write_bytes(data)
    index.write_text(whole.replace(shard, "../" + shard))
    refused(capture.main, argv, "no 'weight_map'")
    index.write_text(whole[:30])
    refused(capture.main, argv, "index.json is not readable JSON")
    other = next(s for s in set(json.loads(whole)["weight_map"].values()) if s != shard)
    index.write_text(whole.replace(shard, other))
    refused(capture.main, argv, f"is missing from {path / other}")
    assert {p.name for p in tmp_path.iterdir()} == {"model"}


def test_out_in_a_checkpoint_directory_is_refused(plain: Path, refused: Callable[..., str]) -> None:
    before = (plain / "model.safetensors").read_bytes()
    refused(capture.main, ["--checkpoint", plain, "--out", plain / "model.safetensors"], "lies in a checkpoint directory")
    assert (plain / "model.safetensors").read_bytes() == before


def test_no_fixture_and_no_transformers(plain: Path, tmp_path: Path, refused: Callable[..., str],
                                         monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "FIXTURE", tmp_path / "none")
    refused(capture.main, ["--out", tmp_path / "o.npz"], "fixture model", "CHECKPOINT= or TENSORS=")
    refused(head_stats.main, ["--tokens", 63], "TOKENS = 63 is illegal; use 64 or more")
    monkeypatch.setitem(sys.modules, "models.tensors.checkpoint", None)
    refused(capture.main, ["--checkpoint", plain, "--out", tmp_path / "o.npz"], "needs the transformers package")


def test_script_as_a_process(tmp_path: Path) -> None:
    """The exit code and the one line, seen from outside, from another directory."""
    argv = [sys.executable, ROOT / "scripts" / "capture.py", "--checkpoint", "none", "--out", "o.npz"]
    done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == ("error: CHECKPOINT directory 'none' does not exist; give a Hugging Face LLaMA directory or a GGUF "
                           "file on this machine\n")
    assert list(tmp_path.iterdir()) == []
