"""Which folder and which weights are read: the same ones by layer and through transformers, and a cause for what is refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from huggingface_hub.errors import StrictDataclassError
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

from models.errors import FcimError
from models.tensors.attention_tensors import AttentionTensors
from models.tensors.checkpoint import Checkpoint
from models.tensors.source import load_tensors, open_checkpoint
from scripts import capture
from scripts.studies.language_model import generate, perplexity
from tests.models.tiny_llama import change_weights, make_checkpoint

TEXT = "def attention(q, k, v):\n"
SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"


@pytest.fixture
def model(plain: Path, tmp_path: Path) -> Path:
    """A copy of the plain checkpoint, to be changed."""
    return shutil.copytree(plain, tmp_path / "model")


def captured(path: Path) -> AttentionTensors:
    (tensors,) = Checkpoint(path).capture([1], text=TEXT)
    return tensors


def same(a: AttentionTensors, b: AttentionTensors) -> bool:
    return torch.equal(a.q, b.q) and torch.equal(a.k, b.k) and torch.equal(a.v, b.v)


def edit_config(path: Path, **changes: object) -> None:
    config = json.loads((path / "config.json").read_text())
    (path / "config.json").write_text(json.dumps({**config, **changes}))


def rename(path: Path, change: Callable[[str], str]) -> None:
    """New names for all weights of a one-file checkpoint."""
    weights = load_file(path / SINGLE)
    save_file({change(name): w for name, w in weights.items()}, path / SINGLE, metadata={"format": "pt"})


def library_q(path: Path) -> torch.Tensor:
    """A weight as transformers alone loads it."""
    return AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32).model.layers[1].self_attn.q_proj.weight


@torch.no_grad()
def test_one_file_goes_before_an_index_in_every_command(plain: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    both = make_checkpoint(tmp_path / "both", shard_size="150KB")
    weights = load_file(plain / SINGLE)
    save_file({name: 2 * w if "q_proj" in name else w for name, w in weights.items()}, both / SINGLE, metadata={"format": "pt"})
    (both / "pytorch_model.bin").touch()
    found = open_checkpoint(both)
    assert torch.equal(found.load_model().model.layers[1].self_attn.q_proj.weight, library_q(both))
    assert torch.equal(found.weights.read("layers.1.self_attn.q_proj.weight"), library_q(both))
    assert not same(found.capture([1], text=TEXT)[0], captured(plain))
    err = capsys.readouterr().err
    assert err.startswith(f"note: {both}: {SINGLE} is read, as transformers does; left aside: model-00001-of-")
    assert err.endswith(" more\n") and err.count("\n") == 1


def test_what_lies_beside_the_weights_is_named(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    captured(model)
    assert capsys.readouterr().err == ""
    for name in ("pytorch_model.bin", INDEX, "README.md"):
        (model / name).write_text("{}")
    captured(model)
    assert capsys.readouterr().err == (f"note: {model}: {SINGLE} is read, as transformers does; left aside: {INDEX},"
                                       " pytorch_model.bin\n")


def test_the_file_that_config_names(model: Path, plain: Path, refused: Callable[..., str]) -> None:
    """transformers follows ``transformers_weights``; another rule would make one folder two models."""
    weights = load_file(model / SINGLE)
    save_file({name: 2 * w if "q_proj" in name else w for name, w in weights.items()}, model / "other.safetensors",
              metadata={"format": "pt"})
    edit_config(model, transformers_weights="other.safetensors")
    found = Checkpoint(model)
    assert torch.equal(found.weights.read("layers.1.self_attn.q_proj.weight"), library_q(model))
    assert torch.equal(found.load_model().model.layers[1].self_attn.q_proj.weight, library_q(model))
    for wrong, part in (("gone.safetensors", "has no gone.safetensors"), ("../other.safetensors", "is not a safetensors file")):
        edit_config(model, transformers_weights=wrong)
        refused(capture.main, ["--checkpoint", model, "--out", model.parent / "o.npz"], part)


STRANGE = {
    "q, k, v biases": ({f"model.layers.{i}.self_attn.{p}_proj.bias": torch.ones(1024 if p == "q" else 256)
                        for i in range(3) for p in "qkv"}, "model.layers.*.self_attn.k_proj.bias"),
    "an o bias": ({"model.layers.2.self_attn.o_proj.bias": torch.ones(64)}, "self_attn.o_proj.bias"),
    "norms of Q and K": ({f"model.layers.0.self_attn.{p}_norm.weight": torch.ones(128) for p in "qk"}, "self_attn.k_norm.weight"),
    "sinks": ({"model.layers.0.self_attn.sinks": torch.ones(8)}, "self_attn.sinks"),
    "an MLP bias": ({"model.layers.1.mlp.up_proj.bias": torch.ones(96)}, "mlp.up_proj.bias"),
    "another norm": ({"model.layers.1.post_feedforward_layernorm.weight": torch.ones(64)}, "post_feedforward_layernorm"),
    "a bias of the head": ({"lm_head.bias": torch.ones(258)}, "lm_head.bias"),
}


@pytest.mark.parametrize("name", STRANGE)
def test_weights_without_a_place_are_an_error(name: str, model: Path, refused: Callable[..., str]) -> None:
    """In every layer, also those that a capture does not reach, and in the commands through transformers."""
    weights, part = STRANGE[name]
    change_weights(model, weights)
    refused(capture.main, ["--checkpoint", model, "--layer", 0, "--out", model.parent / "o.npz"], part, "no place")
    for main in (perplexity.main, generate.main):
        refused(main, ["--checkpoint", model, "--tokens", 8, "--out", model.parent / "out"], part, "no place")


def test_weights_that_config_promises(model: Path, refused: Callable[..., str]) -> None:
    """The other way round: biases in config.json, none in the file."""
    edit_config(model, attention_bias=True)
    refused(capture.main, ["--checkpoint", model, "--out", model.parent / "o.npz"], "self_attn.q_proj.bias' is missing")
    refused(perplexity.main, ["--checkpoint", model, "--out", model.parent / "out"], "self_attn.q_proj.bias' is missing")


def test_shards_that_hold_more_than_the_index_says(tmp_path: Path, refused: Callable[..., str]) -> None:
    """transformers reads whole shards: what an index leaves out, and a weight stored twice, would be two models."""
    path = make_checkpoint(tmp_path / "model", shard_size="150KB")
    shards = json.loads((path / INDEX).read_text())["weight_map"]
    first, last = min(shards.values()), max(shards.values())
    name = next(n for n, shard in shards.items() if shard == first)
    for more in ({"model.layers.0.self_attn.q_proj.bias": torch.ones(1024)}, {name: torch.ones(3)}):
        whole = load_file(path / last)
        save_file({**whole, **more}, path / last, metadata={"format": "pt"})
        refused(perplexity.main, ["--checkpoint", path, "--out", tmp_path / "out"], last, f"'{next(iter(more))}'", "the index")
        save_file(whole, path / last, metadata={"format": "pt"})


def test_parts_that_a_llama_does_not_have_are_named(model: Path, plain: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """They change nothing, so that they are left aside, aloud; the buffers of old checkpoints without a word."""
    change_weights(model, {"model.layers.0.self_attn.rotary_emb.inv_freq": torch.ones(64)})
    assert same(captured(model), captured(plain))
    assert capsys.readouterr().err == ""
    change_weights(model, {"score.weight": torch.ones(1, 64), "model.layers.3.mlp.up_proj.weight": torch.ones(96, 64)})
    assert same(captured(model), captured(plain))
    assert capsys.readouterr().err == (f"note: {model}: the 3 layers of config.json have no place for"
                                       " model.layers.*.mlp.up_proj.weight, score.weight; left aside\n")
    assert Checkpoint(model).load_model().config.num_hidden_layers == 3


def test_what_the_library_reports_is_an_error(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Should its reading and ours ever differ, its word is not lost."""
    class Library:
        def __init__(self, **report: object):
            self.report = {"missing_keys": set(), "unexpected_keys": set(), "mismatched_keys": set(), "error_msgs": [], **report}

        def from_pretrained(self, *_: object, **__: object) -> tuple[None, dict[str, object]]:
            return None, self.report

    for report, part in (({"missing_keys": {"model.layers.0.q", "model.layers.1.q"}}, "no weights for model.layers.*.q"),
                         ({"mismatched_keys": {("model.norm.weight", (1,), (2,))}}, "a wrong shape for model.norm.weight"),
                         ({"unexpected_keys": {"model.layers.0.new.weight"}}, "not placed by config.json: model.layers.*.new"),
                         ({"error_msgs": ["a\nb"]}, "a b")):
        monkeypatch.setattr("models.tensors.checkpoint.LlamaForCausalLM", Library(**report))
        with pytest.raises(FcimError, match=part.replace("*", ".")) as error:
            Checkpoint(model).load_model()
        assert "\n" not in str(error.value)


@torch.no_grad()
def test_hidden_size_that_is_no_multiple_of_the_heads(tmp_path: Path, refused: Callable[..., str]) -> None:
    """As in a published model: 1792 with 24 heads of 128. transformers refuses its config.json, for no reason."""
    config = LlamaConfig(hidden_size=24 * 16, num_attention_heads=24, num_key_value_heads=8, head_dim=16, vocab_size=258,
                         intermediate_size=48, num_hidden_layers=2, initializer_range=0.25)
    config.hidden_size = 56
    torch.manual_seed(3)
    made = LlamaForCausalLM(config).eval()
    path = make_checkpoint(tmp_path / "model")      # for its tokenizer
    save_file(dict(made.state_dict()), path / SINGLE, metadata={"format": "pt"})
    (path / "config.json").write_text(json.dumps(config.to_dict()))
    with pytest.raises(StrictDataclassError, match="not a multiple"):
        LlamaConfig.from_pretrained(path)
    found = Checkpoint(path)
    (tensors,) = found.capture([1], text=TEXT)
    ids = torch.tensor([found.tokenizer.encode(TEXT)])
    cache = made(ids, use_cache=True).past_key_values.layers[1]
    torch.testing.assert_close(tensors.k, cache.keys[0], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(tensors.v, cache.values[0], rtol=1e-4, atol=1e-5)
    assert tensors.q.shape == (24, len(ids[0]), 16)
    torch.testing.assert_close(found.load_model()(ids).logits, made(ids).logits)
    edit_config(path, head_dim=None)
    refused(capture.main, ["--checkpoint", path, "--out", tmp_path / "o.npz"], "not a legal LLaMA configuration to transformers",
            "not a multiple")


@torch.no_grad()
def test_tied_embeddings_under_either_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = make_checkpoint(tmp_path / "model", tie_word_embeddings=True)
    whole, embedding = captured(path), load_file(path / SINGLE)["model.embed_tokens.weight"]
    ids = torch.tensor([[256, 1, 2, 3]])
    logits = Checkpoint(path).load_model()(ids).logits
    change_weights(path, {"model.embed_tokens.weight": None, "lm_head.weight": embedding})
    assert same(captured(path), whole)
    assert torch.equal(Checkpoint(path).load_model()(ids).logits, logits)
    change_weights(path, {"model.embed_tokens.weight": embedding})
    assert torch.equal(Checkpoint(path).load_model()(ids).logits, logits)
    assert capsys.readouterr().err == ""
    change_weights(path, {"lm_head.weight": 2 * embedding})
    torch.testing.assert_close(Checkpoint(path).load_model()(ids).logits, 2 * logits)
    err = capsys.readouterr().err
    assert "ties lm_head to the embedding, but another lm_head.weight is stored: that one is used" in err and err.count("\n") == 1
    change_weights(path, {"model.embed_tokens.weight": None, "lm_head.weight": None})
    with pytest.raises(FcimError, match="'model.embed_tokens.weight' is missing"):
        captured(path)


def hub_cache(model: Path, snapshots: dict[str, bool], main: str | None) -> Path:
    """A folder as the hub's cache makes them; a snapshot is a copy of the model or empty."""
    root = model.parent / "models--some-org--tiny-llama"
    for name, whole in snapshots.items():
        if whole:
            shutil.copytree(model, root / "snapshots" / name)
        else:
            (root / "snapshots" / name).mkdir(parents=True)
    (root / "refs").mkdir()
    if main:
        (root / "refs" / "main").write_text(main)
    return root


@pytest.mark.parametrize(("snapshots", "main"), [({"aaaa": True}, "aaaa"), ({"aaaa": True, "bbbb": True}, "aaaa"),
                                                 ({"aaaa": True}, None), ({"aaaa": True, "bbbb": False}, "bbbb")])
def test_root_of_a_hub_cache(model: Path, snapshots: dict[str, bool], main: str | None,
                             capsys: pytest.CaptureFixture[str]) -> None:
    root = hub_cache(model, snapshots, main)
    (tensors,) = load_tensors(root, text=None, tokens=8)
    assert tensors.source["model"] == "tiny-llama"
    assert capsys.readouterr().err == f"note: {root} is a hub cache's folder; its snapshot aaaa is read\n"


def test_hub_caches_that_do_not_say_which(model: Path, refused: Callable[..., str]) -> None:
    root = hub_cache(model, {"aaaa": True, "bbbb": True}, None)
    out = ["--out", model.parent / "o.npz"]
    refused(capture.main, ["--checkpoint", root, *out], "2 snapshots", str(root / "snapshots" / "aaaa"))
    (model.parent / "cache").mkdir()
    root = root.rename(model.parent / "cache" / root.name)
    refused(capture.main, ["--checkpoint", root.parent, *out], "a directory in it has", str(root))
    for name in ("aaaa", "bbbb"):
        (root / "snapshots" / name / "config.json").unlink()
    refused(capture.main, ["--checkpoint", root, *out], "without a downloaded config.json")


def instead(*names: str, keep: tuple[str, ...] = ("config.json",)) -> Callable[[Path], object]:
    """Empty files of these names in place of the model's."""
    def change(path: Path) -> None:
        for file in path.iterdir():
            if file.name not in keep:
                file.unlink()
        for name in names:
            (path / name).touch()
    return change


def adapter(path: Path) -> None:
    instead("adapter_model.safetensors", keep=())(path)
    (path / "adapter_config.json").write_text('{"base_model_name_or_path": "meta-llama/Llama-3.2-1B"}')


def renamed(before: str, after: str) -> Callable[[Path], object]:
    return lambda path: rename(path, lambda name: name.replace(before, after))


def only(names: dict[str, torch.Tensor]) -> Callable[[Path], object]:
    return lambda path: save_file(names, path / SINGLE, metadata={"format": "pt"})


def one_folder_down(path: Path) -> None:
    inner = shutil.copytree(path, path.parent / "inner")
    instead(keep=())(path)
    shutil.move(inner, path)


def link_to_nothing(path: Path) -> None:
    (path / SINGLE).unlink()
    (path / SINGLE).symlink_to("../../blobs/0123")


Q = "model.layers.0.self_attn.q_proj"
CAUSES: dict[str, tuple[Callable[[Path], object], tuple[str, ...]]] = {
    "adapter": (adapter, ("holds an adapter (LoRA)", "base model meta-llama/Llama-3.2-1B", "merge_and_unload")),
    "adapter beside a model": (lambda p: (p / "adapter_config.json").write_text("{}"), ("an adapter (LoRA) beside the model",)),
    "adapter saved as a model": (renamed("q_proj.weight", "q_proj.base_layer.weight"), ("wrapped by peft", "base_layer.")),
    "Meta's own files": (instead("consolidated.00.pth", "params.json", "tokenizer.model", keep=()),
                         ("Meta's own format (consolidated.00.pth)", "convert_llama_weights_to_hf")),
    "Meta's beside a config": (instead("consolidated.00.pth"), ("Meta's own format",)),
    "GGUF": (instead("llama-Q4_K_M.gguf", keep=()), ("holds GGUF weights; give the file itself", "/llama-Q4_K_M.gguf")),
    "pickles": (instead("pytorch_model.bin"), ("as pytorch_model.bin only", "save_pretrained")),
    "many pickles": (instead(*(f"pytorch_model-0000{i}-of-00005.bin" for i in range(1, 6)), "pytorch_model.bin.index.json"),
                     ("pytorch_model-00003-of-00005.bin and 2 more only",)),
    "TensorFlow": (instead("tf_model.h5"), ("as tf_model.h5 only",)),
    "shards without their index": (instead("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"),
                                   ("model-00002-of-00002.safetensors but no model.safetensors.index.json",)),
    "another file name": (instead("model.fp16.safetensors"), ("only model.fp16.safetensors", "name it model.safetensors")),
    "a link of a cache that was moved": (link_to_nothing, ("is a link to a file that is not there",)),
    "empty folder": (instead(keep=()), ("is empty and has no config.json",)),
    "nothing but a text": (instead("README.md", keep=()), ("has no config.json",)),
    "a folder too high": (one_folder_down, ("a directory in it has; give", "/inner")),
    "torch.compile": (lambda p: rename(p, lambda n: "_orig_mod." + n), ("torch.compile", "'_orig_mod.'")),
    "a compiled layer": (renamed("layers.0.", "layers.0._orig_mod."), ("torch.compile", "'_orig_mod.'")),
    "DistributedDataParallel": (lambda p: rename(p, lambda n: "module." + n), ("begin with 'model.' and not 'module.model.'",)),
    "a trainer's model": (lambda p: rename(p, lambda n: "model." + n), ("begin with 'model.' and not 'model.model.'",)),
    "FSDP": (lambda p: rename(p, lambda n: "_fsdp_wrapped_module." + n), ("FSDP",)),
    "another family": (only({"transformer.h.0.attn.c_attn.weight": torch.ones(2)}), ("no LLaMA weights", "transformer.h.0")),
    "no weights at all": (only({}), ("no LLaMA weights", "no weight at all")),
    "GPTQ that says so": (lambda p: edit_config(p, quantization_config={"quant_method": "gptq"}), ("checkpoint (gptq)",)),
    "GPTQ": (lambda p: change_weights(p, {f"{Q}.weight": None, f"{Q}.qweight": torch.ones(8, dtype=torch.int32),
                                          f"{Q}.g_idx": torch.ones(8, dtype=torch.int32)}), ("GPTQ or AWQ", "without saying so")),
    "bitsandbytes": (lambda p: change_weights(p, {f"{Q}.weight.quant_state.bitsandbytes__nf4": torch.ones(8, dtype=torch.uint8)}),
                     ("bitsandbytes", "without saying so")),
    "FP8": (lambda p: change_weights(p, {f"{Q}.weight_scale": torch.ones(1)}), ("FP8", "without saying so")),
}


@pytest.mark.parametrize("name", CAUSES)
def test_the_cause_is_named(name: str, model: Path, refused: Callable[..., str]) -> None:
    change, parts = CAUSES[name]
    change(model)
    refused(capture.main, ["--checkpoint", model, "--out", model.parent / "o.npz"], *parts)
    refused(perplexity.main, ["--checkpoint", model, "--out", model.parent / "out"], *parts)


@pytest.mark.parametrize(("file", "part"), [("model.safetensors", "is a file, but not a GGUF"), ("x.gguf", "is empty")])
def test_a_file_instead_of_a_folder(file: str, part: str, model: Path, refused: Callable[..., str]) -> None:
    (model / file).touch()
    refused(capture.main, ["--checkpoint", model / file, "--out", model.parent / "o.npz"], part)


def test_the_name_of_a_model_on_the_hub(refused: Callable[..., str], tmp_path: Path) -> None:
    refused(capture.main, ["--checkpoint", "some-org/tiny-llama", "--out", tmp_path / "o.npz"], "does not exist",
            "'hf download some-org/tiny-llama'")
