"""A capture equals what transformers itself computes, for every head geometry of the family."""

from __future__ import annotations

import json
import shutil
import weakref
from pathlib import Path

import pytest
import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer, DynamicCache

from models.tensors.attention_tensors import AttentionTensors, decode_step
from models.tensors.checkpoint import Checkpoint
from models.tensors.head_stats import head_statistics, kinds, repeated_random
from models.tensors.source import load_tensors
from models.tensors.tensor_file import load_tensor_file
from models.tensors.text import default_text
from scripts import capture, head_stats
from tests.models.tiny_llama import GEOMETRIES, change_weights, make_checkpoint

TEXT = "def attention(q, k, v):\n    return softmax(q @ k.T) @ v  # naïve\n" * 3


@pytest.fixture(scope="module", params=[*GEOMETRIES, "sharded", "biased"])
def checkpoint(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One checkpoint of every geometry, one in several shards, and one with biases."""
    path = tmp_path_factory.mktemp(request.param)
    if request.param == "sharded":
        make_checkpoint(path, "3.2-3B", shard_size="150KB")
        assert len(list(path.glob("model-*-of-*.safetensors"))) > 2
        return path
    if request.param == "biased":
        make_checkpoint(path, attention_bias=True, mlp_bias=True)
        weights = Checkpoint(path).weights
        names = [f"model.layers.{i}.self_attn.{p}_proj.bias" for i in range(3) for p in "qkvo"]
        change_weights(path, {n: torch.randn_like(weights.read(n.removeprefix("model."))) for n in names})
        return path
    return make_checkpoint(path, request.param)


def reference(path: Path, attention: str) -> torch.nn.Module:
    return AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32, attn_implementation=attention).eval()


def probabilities(t: AttentionTensors) -> Tensor:
    """Softmax over the visible keys, ``[H, Tq, Tk]``, written out from the definition."""
    keys = torch.stack([t.k[kv] for kv in t.kv_of_head])
    scores = t.q @ keys.transpose(1, 2) * t.scale
    return scores.masked_fill(~t.visible(), float("-inf")).softmax(-1)


@torch.no_grad()
def test_capture_equals_eager_attention(checkpoint: Path) -> None:
    """K and V against the library's cache, Q through its attention weights, all through what enters o_proj."""
    model = reference(checkpoint, "eager")
    ids = AutoTokenizer.from_pretrained(checkpoint)(TEXT, return_tensors="pt").input_ids
    inputs: list[Tensor] = []
    for layer in model.model.layers:
        layer.self_attn.o_proj.register_forward_pre_hook(lambda _, args: inputs.append(args[0][0]))
    cache = DynamicCache(config=model.config)
    out = model(ids, past_key_values=cache, output_attentions=True)
    captured = Checkpoint(checkpoint).capture([0, 1, 2], text=TEXT)
    assert [t.source["layer"] for t in captured] == [0, 1, 2]
    for i, t in enumerate(captured):
        assert t.q.shape == (model.config.num_attention_heads, ids.shape[1], model.config.head_dim)
        torch.testing.assert_close(t.k, cache.layers[i].keys[0], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(t.v, cache.layers[i].values[0], rtol=1e-4, atol=1e-5)
        weights = probabilities(t)
        torch.testing.assert_close(weights, out.attentions[i][0], rtol=1e-3, atol=1e-5)
        values = torch.stack([t.v[kv] for kv in t.kv_of_head])
        output = (weights @ values).transpose(0, 1).flatten(1)
        torch.testing.assert_close(output, inputs[i], rtol=1e-3, atol=1e-4)


@torch.no_grad()
def test_walk_gives_the_hidden_states_of_the_whole_model_to_the_bit(checkpoint: Path) -> None:
    """Two sequences of different shapes, so that the walk's sharing of layers is checked too."""
    model = reference(checkpoint, "sdpa")
    generator = torch.Generator().manual_seed(1)
    sequences = [torch.randint(0, 258, shape, generator=generator) for shape in ((1, 70), (3, 33))]
    expected = [model(ids, output_hidden_states=True).hidden_states for ids in sequences]
    for index, probes in Checkpoint(checkpoint).walk(sequences, last_layer=1):
        for probe, states in zip(probes, expected, strict=True):
            assert torch.equal(probe.hidden, states[index + 1])


@torch.no_grad()
def test_decode_step_equals_a_step_with_the_library_cache(checkpoint: Path) -> None:
    model = reference(checkpoint, "eager")
    ids = AutoTokenizer.from_pretrained(checkpoint)(TEXT, return_tensors="pt").input_ids[:, :40]
    cache = model(ids[:, :-1], use_cache=True).past_key_values
    out = model(ids[:, -1:], past_key_values=cache, output_attentions=True)
    for i, t in enumerate(Checkpoint(checkpoint).capture([0, 1, 2], text=TEXT, tokens=40)):
        step = decode_step(t)
        torch.testing.assert_close(probabilities(step), out.attentions[i][0], rtol=1e-3, atol=1e-5)
        torch.testing.assert_close(step.v, cache.layers[i].values[0], rtol=1e-4, atol=1e-5)


def test_rope_scaling_of_the_file_is_used(tmp_path: Path) -> None:
    """The 3.1 scaling must change Q: a reader that lost the key would still pass the comparisons above."""
    scaled = Checkpoint(make_checkpoint(tmp_path, "3.2-1B"))
    (with_scaling,) = scaled.capture([0], text=TEXT)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "rope_scaling": None}))
    (without,) = Checkpoint(tmp_path).capture([0], text=TEXT)
    assert with_scaling.source["rope_type"] == "llama3" and without.source["rope_type"] == "default"
    assert torch.equal(with_scaling.v, without.v)
    assert not torch.allclose(with_scaling.q, without.q, atol=1e-2)


def test_later_tokens_do_not_change_earlier_ones(plain: Path) -> None:
    """Causality of the walk itself: without its mask, the second layer would differ."""
    model = Checkpoint(plain)
    (short,), (long,) = model.capture([2], text=TEXT, tokens=20), model.capture([2], text=TEXT, tokens=60)
    torch.testing.assert_close(long.q[:, :20], short.q, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(long.v[:, :20], short.v, rtol=1e-4, atol=1e-5)


def test_one_layer_in_memory_at_a_time(plain: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, seen = Checkpoint(plain), []
    load = model._load_layer

    def watched(index: int) -> torch.nn.Module:
        assert all(ref() is None for ref in seen), "an earlier layer is still in memory"
        layer = load(index)
        seen.append(weakref.ref(layer.mlp.up_proj.weight))
        return layer

    monkeypatch.setattr(model, "_load_layer", watched)
    model.capture([1], text=TEXT)
    assert len(seen) == 2  # layers 0 and 1; the last is never loaded


def test_defaults(plain: Path) -> None:
    """The middle layer, 512 tokens of held-out text, begin-of-text first."""
    (t,) = load_tensors(plain)
    assert t.source["layer"] == 1 and t.heads[3] == "L1H3" and t.q.shape[1] == 512
    ids = torch.tensor([256, *default_text(4096).encode()[:511]])
    _, (probe,) = list(Checkpoint(plain).walk([ids[None]], 1))[1]
    assert torch.equal(t.q, probe.q[0])


def test_short_text_is_taken_whole(plain: Path, tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("naïve")
    (t,) = load_tensors(plain, text=tmp_path / "t.txt")
    assert t.q.shape[1] == t.source["tokens"] == 7  # begin-of-text and 6 bytes


def test_bytes_without_tokenizer_files(tmp_path: Path) -> None:
    path = make_checkpoint(tmp_path, tokenizer=False, vocab_size=100)
    (t,) = Checkpoint(path).capture([0], text="az€", tokens=5)
    assert "modulo" in t.source["tokenizer"]
    _, (probe,) = next(Checkpoint(path).walk([torch.tensor([[97, 22, 226 % 100, 130 % 100, 172 % 100]])], 0))
    assert torch.equal(t.q, probe.q[0])


def test_weights_of_a_bare_model(plain: Path, tmp_path: Path) -> None:
    """LlamaModel.save_pretrained leaves out the 'model.' before each name."""
    reference(plain, "sdpa").model.save_pretrained(tmp_path)
    shutil.copy(plain / "tokenizer.json", tmp_path)
    shutil.copy(plain / "tokenizer_config.json", tmp_path)
    (bare,), (whole,) = Checkpoint(tmp_path).capture(text=TEXT), Checkpoint(plain).capture(text=TEXT)
    assert torch.equal(bare.q, whole.q)


def test_layers_and_heads_of_a_selection(plain: Path) -> None:
    whole = load_tensors(plain, layers="all", tokens=16)
    part = load_tensors(plain, layers="0,2", heads="1-2,7", tokens="16")
    assert [t.source["layer"] for t in part] == [0, 2] and len(whole) == 3
    assert part[1].heads == ["L2H1", "L2H2", "L2H7"] and part[1].kv_of_head == [0, 0, 1]
    assert torch.equal(part[1].q, whole[2].q[[1, 2, 7]])


@pytest.mark.parametrize("suffix", [".safetensors", ".npz"])
def test_capture_command(plain: Path, tmp_path: Path, suffix: str, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "new" / f"l{suffix}"
    assert capture.main(["--checkpoint", str(plain), "--layer", "2", "--heads", "0,5", "--tokens", "33", "--out", str(out)]) == 0
    assert f"wrote {out}: 2 query heads, 2 KV heads, head_dim 128, 33 queries, 33 keys" in capsys.readouterr().out
    read, (direct,) = load_tensor_file(out), load_tensors(plain, layers=2, heads=[0, 5], tokens=33)
    assert torch.equal(read.q, direct.q) and torch.equal(read.k, direct.k) and torch.equal(read.v, direct.v)
    assert read.source == {**direct.source, "file": out.name} and read.heads == ["L2H0", "L2H5"]
    assert read.source["stored_dtype"] == "BF16" and read.source["model"] == plain.name
    assert str(plain.parent) not in json.dumps(read.source)  # no machine path leaves in a file


def test_head_stats_command(plain: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The streamed figures equal those of the whole model with eager attention."""
    assert head_stats.main(["--checkpoint", str(plain), "--tokens", "128", "--json"]) == 0
    heads = json.loads(capsys.readouterr().out)["heads"]
    ids = torch.tensor([[256, *default_text(4096).encode()[:127]]])
    repeated = repeated_random(4, 64, 4, 0, 256, 256, torch.Generator().manual_seed(1))
    expected = head_statistics(reference(plain, "eager"), ids, repeated, 64)
    assert len(heads) == len(expected) == 24
    for found, stats in zip(heads, expected, strict=True):
        assert found["kinds"] == kinds(stats)
        assert {k: v for k, v in found.items() if k != "kinds"} == pytest.approx(stats.as_dict(), abs=2e-4)
    assert head_stats.main(["--checkpoint", str(plain), "--tokens", "64"]) == 0
    assert "of 24 heads sink" in capsys.readouterr().out


def test_weight_rows_that_are_not_needed_are_not_read(plain: Path, tmp_path: Path) -> None:
    """Only the rows of the text's tokens leave the disk, so a hole in another row does not matter."""
    shutil.copytree(plain, tmp_path / "m")
    table = Checkpoint(plain).weights.read("embed_tokens.weight")
    table[255] = torch.nan
    change_weights(tmp_path / "m", {"model.embed_tokens.weight": table})
    assert Checkpoint(tmp_path / "m").capture([0], text="abc")[0].q.shape[1] == 4
