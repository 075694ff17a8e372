"""GGUF files: every type equals what transformers dequantises, Q's and K's order is undone, the rest is as in a directory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM
from transformers.modeling_gguf_pytorch_utils import load_gguf_checkpoint
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding

from models.errors import FcimError
from models.tensors.gguf_checkpoint import GgufCheckpoint
from models.tensors.source import load_tensors, open_checkpoint
from scripts import capture
from tests.models.tiny_gguf import KINDS, SIZES, byte_tokens, random_weights, write_gguf
from tests.models.tiny_llama import ROPE_31

TEXT = "def attention(q, k, v):\n    return  1 + softmax(q @ k.T)  # naïve\n"
Q = "layers.1.self_attn.q_proj.weight"


@pytest.fixture(scope="module")
def weights() -> dict[str, torch.Tensor]:
    return random_weights()


@pytest.fixture(scope="module")
def plain_gguf(weights: dict[str, torch.Tensor], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A float32 file that tests read, or take damaged copies of."""
    return write_gguf(tmp_path_factory.mktemp("gguf") / "plain.gguf", weights)


def library(path: Path) -> dict[str, torch.Tensor]:
    """All weights as transformers itself reads them from the file."""
    config = LlamaConfig.from_dict(load_gguf_checkpoint(path)["config"])
    with torch.device("meta"):
        model = LlamaForCausalLM(config)
    return load_gguf_checkpoint(path, return_tensors=True, model_to_load=model)["tensors"]


def directory(path: Path, weights: dict[str, torch.Tensor], **changes: object) -> Path:
    """The same model as a Hugging Face directory without tokenizer."""
    path.mkdir()
    LlamaConfig(**{**SIZES, "rms_norm_eps": 1e-5, "tie_word_embeddings": "lm_head.weight" not in weights,
                   **changes}).save_pretrained(path)
    save_file({n if n == "lm_head.weight" else f"model.{n}": w for n, w in weights.items()}, path / "model.safetensors",
              metadata={"format": "pt"})
    return path


# ---- weights
@pytest.mark.parametrize("kind", KINDS)
def test_every_type_equals_what_transformers_dequantises(kind: str, weights: dict[str, torch.Tensor], tmp_path: Path) -> None:
    path = write_gguf(tmp_path / "model.gguf", weights, kind)
    expected, checkpoint = library(path), open_checkpoint(path)
    assert len(expected) == len(weights)
    for name in weights:
        read = checkpoint.weights.read(name)
        assert read.dtype == torch.float32 and torch.equal(read, expected[name if name == "lm_head.weight" else f"model.{name}"])
    ids = torch.tensor([[5, 258, 0], [7, 5, 5]])
    assert torch.equal(checkpoint.weights.read_rows("embed_tokens.weight", ids), expected["model.embed_tokens.weight"][ids])
    stored = checkpoint.facts()["stored_dtype"]
    matrices = {"F32": "F32 (21 tensors) of GGUF"}.get(kind, f"{kind} (16 tensors), F32 (5 tensors) of GGUF")
    assert stored == matrices + ("" if kind in ("F32", "F16", "BF16") else "; quantised weights, dequantised")


def test_every_type_that_the_package_dequantises_is_in_the_list() -> None:
    import gguf.quants

    assert {kind.name for kind in gguf.quants._type_traits} | {"F32", "F16"} == set(KINDS)


def test_double_precision(weights: dict[str, torch.Tensor], tmp_path: Path) -> None:
    """Which transformers does not read."""
    read = open_checkpoint(write_gguf(tmp_path / "model.gguf", weights, "F64")).weights.read(Q)
    assert torch.equal(read, weights[Q])


@torch.no_grad()
@pytest.mark.parametrize("form", ["whole", "tied", "biased", "one head_dim apart"])
def test_a_file_is_the_directory_from_which_it_was_made(form: str, tmp_path: Path) -> None:
    """Captures and logits, to the bit: Q and K are as they were before the converter changed their order."""
    sizes = {"head_dim": 32} if form == "one head_dim apart" else {}
    weights = random_weights(tied=form == "tied", bias=form == "biased", **sizes)
    path = write_gguf(tmp_path / "model.gguf", weights, sizes=sizes)
    same = directory(tmp_path / "model", weights, attention_bias=form == "biased", mlp_bias=form == "biased", **sizes)
    ids = [torch.arange(2, 42)[None]]
    ours, theirs = open_checkpoint(path), open_checkpoint(same)
    for (_, (a,)), (_, (b,)) in zip(ours.walk(ids), theirs.walk(ids), strict=True):
        assert all(torch.equal(getattr(a, name), getattr(b, name)) for name in ("q", "k", "v", "hidden"))
    one, two = ours.load_model(), theirs.load_model()
    assert torch.equal(one(ids[0]).logits, two(ids[0]).logits)
    assert one.config.tie_word_embeddings == (one.lm_head.weight is one.model.embed_tokens.weight) == (form == "tied")
    assert one.config.rms_norm_eps == 1e-5


def test_one_layer_is_read_at_a_time(plain_gguf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the layers only those up to the captured one, and of the embedding only the text's rows."""
    checkpoint, read = open_checkpoint(plain_gguf), []
    take = checkpoint.weights.read
    monkeypatch.setattr(checkpoint.weights, "read", lambda name: read.append(name) or take(name))
    checkpoint.capture([0], text=TEXT)
    assert len(read) == 9 and all(name.startswith("layers.0.") for name in read)


@pytest.mark.parametrize("part", [1, 2, 3])
def test_a_split_file_by_any_of_its_parts(part: int, weights: dict[str, torch.Tensor], plain_gguf: Path, tmp_path: Path) -> None:
    first = write_gguf(tmp_path / "model.gguf", weights, parts_of=8)
    assert len(list(tmp_path.iterdir())) == 3
    checkpoint = open_checkpoint(first.with_name(f"model-0000{part}-of-00003.gguf"))
    assert checkpoint.name == "model" and checkpoint.path == first
    for name in weights:
        assert torch.equal(checkpoint.weights.read(name), open_checkpoint(plain_gguf).weights.read(name))
    assert checkpoint.tokenizer.encode("a") == [256, 97]


# ---- RoPE
def frequencies(config: LlamaConfig, tokens: int = 400) -> torch.Tensor:
    """What turns Q and K, cosines of ``[tokens, head_dim]``."""
    rotary = LlamaRotaryEmbedding(config)
    return rotary(torch.zeros(1), torch.arange(tokens)[None])[0][0]


def reference_config(rope: dict[str, object]) -> LlamaConfig:
    return LlamaConfig(**SIZES, rope_parameters=rope)


@pytest.mark.parametrize(("metadata", "rope"), [
    ({}, {"rope_type": "default", "rope_theta": 10000.0}),
    ({"rope.freq_base": None}, {"rope_type": "default", "rope_theta": 10000.0}),
    ({"rope.freq_base": 5e5}, {"rope_type": "default", "rope_theta": 5e5}),
    ({"rope.scaling.type": "none", "rope.scaling.factor": 4.0}, {"rope_type": "default", "rope_theta": 10000.0}),
    ({"rope.scaling.type": "linear", "rope.scaling.factor": 4.0}, {"rope_type": "linear", "rope_theta": 10000.0, "factor": 4.0}),
    ({"rope.scale_linear": 2.0, "rope.scaling.type": "linear"}, {"rope_type": "linear", "rope_theta": 10000.0, "factor": 2.0}),
    ({"rope.scaling.type": "yarn", "rope.scaling.factor": 4.0, "rope.scaling.original_context_length": 128},
     {"rope_type": "yarn", "rope_theta": 10000.0, "factor": 4.0, "original_max_position_embeddings": 128})])
def test_rope_from_the_metadata(metadata: dict[str, object], rope: dict[str, object], weights: dict[str, torch.Tensor],
                                tmp_path: Path) -> None:
    checkpoint = open_checkpoint(write_gguf(tmp_path / "model.gguf", weights, metadata=metadata))
    assert torch.equal(frequencies(checkpoint.config), frequencies(reference_config(rope)))


def test_factors_of_llama_31(weights: dict[str, torch.Tensor], tmp_path: Path) -> None:
    """A file keeps only the numbers; they are those that transformers makes from the four settings."""
    scaled = reference_config({**ROPE_31["rope_scaling"], "rope_theta": 5e5})
    plain = reference_config({"rope_type": "default", "rope_theta": 5e5})
    factors = LlamaRotaryEmbedding(plain).inv_freq / LlamaRotaryEmbedding(scaled).inv_freq
    assert factors.min() == 1 and factors.max() == 32
    path = write_gguf(tmp_path / "model.gguf", weights, more={"rope_freqs.weight": factors.numpy()},
                      metadata={"rope.freq_base": 5e5})
    checkpoint = open_checkpoint(path)
    torch.testing.assert_close(frequencies(checkpoint.config), frequencies(scaled), rtol=0, atol=1e-4)
    assert not torch.allclose(frequencies(checkpoint.config), frequencies(plain), rtol=0, atol=0.5)
    assert checkpoint.facts()["rope_type"] == "factors of rope_freqs.weight"


# ---- tokenizer
def sentencepiece_tokens() -> dict[str, object]:
    """A vocabulary of LLaMA 2's kind."""
    pieces = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁", *"abdeftu", "▁d", "ef", "▁def"]
    scores = [0.0] * 259 + [-float(i) for i in range(len(pieces) - 259)]
    return {"ggml.model": "llama", "ggml.tokens": pieces, "ggml.scores": scores, "ggml.unknown_token_id": 0,
            "ggml.token_type": [2, 3, 3] + [6] * 256 + [1] * (len(pieces) - 259), "ggml.bos_token_id": 1, "ggml.eos_token_id": 2}


@pytest.mark.parametrize("tokens", [byte_tokens(), byte_tokens(**{"ggml.add_bos_token": False}),
                                    byte_tokens(**{"ggml.pre": "llama-bpe"}), sentencepiece_tokens()],
                         ids=["bytes", "without a first token", "LLaMA 3", "LLaMA 2"])
def test_the_tokenizer_is_the_library_s(tokens: dict[str, object], tmp_path: Path) -> None:
    size = len(tokens["ggml.tokens"])
    path = write_gguf(tmp_path / "model.gguf", random_weights(vocab_size=size), tokens=tokens, sizes={"vocab_size": size})
    ours = open_checkpoint(path).tokenizer
    theirs = AutoTokenizer.from_pretrained(tmp_path, gguf_file="model.gguf")
    assert ours.encode(TEXT) == theirs.encode(TEXT)
    assert bool(ours.first) == tokens.get("ggml.add_bos_token", True)
    assert ours.decode(torch.tensor(ours.encode("def def"))).strip() == "def def"


def test_numbers_are_cut_into_digits_where_the_file_says_so(weights: dict[str, torch.Tensor], tmp_path: Path) -> None:
    """SmolLM's rule, of which transformers does not know: spaces before a digit stay together."""
    split = {}
    for rule in ("smollm", "gpt-2"):
        path = write_gguf(tmp_path / f"{rule}.gguf", weights, tokens=byte_tokens(**{"ggml.pre": rule}))
        split[rule] = open_checkpoint(path).tokenizer.encode("  12")
    assert split == {"smollm": [256, 258, 49, 50], "gpt-2": [256, 32, 32, 49, 50]}


def test_chat_template_and_end_of_text(weights: dict[str, torch.Tensor], tmp_path: Path) -> None:
    template = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}{% if add_generation_prompt %}<bot>{% endif %}"
    path = write_gguf(tmp_path / "model.gguf", weights,
                      tokens=byte_tokens(chat_template=template, **{"ggml.eot_token_id": 4}))
    checkpoint = open_checkpoint(path)
    assert checkpoint.tokenizer.chat("hello") == "<user>hello<bot>"
    assert checkpoint.end_tokens() == [257, 4]
    assert open_checkpoint(write_gguf(tmp_path / "other.gguf", weights)).tokenizer.chat is None


def test_without_a_tokenizer(weights: dict[str, torch.Tensor], tmp_path: Path) -> None:
    checkpoint = open_checkpoint(write_gguf(tmp_path / "model.gguf", weights, tokens={}))
    assert checkpoint.tokenizer.encode("ab") == [97, 98] and "none in the checkpoint" in checkpoint.tokenizer.name
    assert checkpoint.end_tokens() == []


def test_a_capture_through_the_command(plain_gguf: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "text.txt").write_text(TEXT)
    assert capture.main(["--checkpoint", str(plain_gguf), "--text", str(tmp_path / "text.txt"), "--out",
                         str(tmp_path / "o.npz")]) == 0
    assert "4 query heads, 2 KV heads" in capsys.readouterr().out
    (tensors,) = load_tensors(plain_gguf, text=tmp_path / "text.txt")
    assert tensors.source["model"] == "plain" and tensors.source["layer"] == 1


# ---- what is refused
def cut(path: Path, size: int) -> None:
    path.write_bytes(path.read_bytes()[:size])


def unknown_type(path: Path) -> None:
    """A type that came after the gguf package: the number in the header of one tensor of layer 0."""
    data = bytearray(path.read_bytes())
    name = b"blk.0.ffn_up.weight"
    place = data.index(name) + len(name) + 4 + 16
    data[place:place + 4] = (99).to_bytes(4, "little")
    path.write_bytes(data)


def replaced(path: Path, old: bytes, new: bytes) -> None:
    data = path.read_bytes()
    assert old in data
    path.write_bytes(data.replace(old, new, 1))


BROKEN: dict[str, tuple[Callable[[Path], object], tuple[str, ...]]] = {
    "cut in the weights": (lambda p: cut(p, p.stat().st_size - 4000), ("is cut short: '", "lies beyond its end")),
    "cut in the header": (lambda p: cut(p, 3000), ("is damaged or cut short (it ends within its header)",)),
    "cut in the first bytes": (lambda p: cut(p, 10), ("is damaged or cut short",)),
    "empty": (lambda p: cut(p, 0), ("is empty; download it again",)),
    "no GGUF": (lambda p: p.write_text("a page that says that the file is not there"), ("is not a GGUF file",)),
    "Git LFS": (lambda p: p.write_text("version https://git-lfs.github.com/spec/v1\n"), ("Git LFS pointer",)),
    "version 1": (lambda p: replaced(p, b"GGUF\3", b"GGUF\1"), ("GGUF of version 1; only 2 and 3",)),
    "big-endian": (lambda p: replaced(p, b"GGUF\3\0\0\0", b"GGUF\0\0\0\3"), ("big-endian",)),
    "unknown quantisation": (unknown_type, ("'blk.0.ffn_up.weight'", "is stored as type 99, which the gguf package cannot")),
    "unknown metadata": (lambda p: replaced(p, b"llama.block_count\4", b"llama.block_count\x63"), ("of the unknown type 99",)),
    "a weight of another name": (lambda p: replaced(p, b"blk.1.attn_q.weight", b"blk.1.attn_z.weight"),
                                 ("stores blk.*.attn_z.weight, for which a plain LLaMA has no place",)),
    "no embedding": (lambda p: replaced(p, b"token_embd.weight", b"token_embx.weight"), ("has no embedding",)),
    "NaN": (lambda p: replaced(p, p.read_bytes()[-32:], np.full(8, np.nan, np.float32).tobytes()), ("holds NaN or infinity",)),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file(name: str, plain_gguf: Path, tmp_path: Path, refused: Callable[..., str]) -> None:
    change, parts = BROKEN[name]
    path = tmp_path / "model.gguf"
    path.write_bytes(plain_gguf.read_bytes())
    change(path)
    refused(capture.main, ["--checkpoint", path, "--out", tmp_path / "o.npz", "--tokens", "9"], *parts)
    assert not (tmp_path / "o.npz").exists()


@pytest.mark.parametrize(("metadata", "parts"), [
    ({"block_count": None}, ("llama.block_count is missing",)), ({"block_count": 0}, ("llama.block_count is 0",)),
    ({"block_count": "two"}, ("llama.block_count is two",)), ({"attention.head_count": [4, 2]}, ("head_count is [4, 2]",)),
    ({"attention.head_count_kv": 3}, ("is not a multiple of num_key_value_heads = 3",)),
    ({"attention.layer_norm_rms_epsilon": None}, ("layer_norm_rms_epsilon is missing",)),
    ({"block_count": 3}, ("the weight for layers.2.self_attn.q_proj.weight is missing",)),
    ({"embedding_length": 128}, ("has shape [259, 256]", "[259, 128]")),
    ({"expert_count": 8}, ("llama.expert_count is 8, which a plain LLaMA does not have",)),
    ({"rope.dimension_count": 32, "attention.key_length": 64}, ("RoPE turns 32 channels",)),
    ({"rope.freq_base": "much"}, ("llama.rope.freq_base is much",)),
    ({"rope.scaling.type": "longrope", "rope.scaling.factor": 4.0}, ("rope.scaling.type is 'longrope'",))])
def test_metadata_that_make_no_plain_llama(metadata: dict[str, object], parts: tuple[str, ...], weights: dict[str, torch.Tensor],
                                           tmp_path: Path, refused: Callable[..., str]) -> None:
    path = write_gguf(tmp_path / "model.gguf", weights, metadata=metadata)
    last = 2 if metadata.get("block_count") == 3 else 1
    refused(capture.main, ["--checkpoint", path, "--layer", last, "--tokens", "9", "--out", tmp_path / "o.npz"], *parts)


def test_another_architecture(weights: dict[str, torch.Tensor], tmp_path: Path, refused: Callable[..., str]) -> None:
    path = write_gguf(tmp_path / "model.gguf", weights, architecture="qwen2")
    refused(capture.main, ["--checkpoint", path, "--out", tmp_path / "o.npz"], "GGUF of the architecture 'qwen2'; only 'llama'")


def test_wrong_factors_of_rope(weights: dict[str, torch.Tensor], tmp_path: Path) -> None:
    path = write_gguf(tmp_path / "model.gguf", weights, more={"rope_freqs.weight": np.ones(8, np.float32)})
    with pytest.raises(FcimError, match="needs 32 factors above 0"):
        open_checkpoint(path)


def test_parts_that_are_missing_or_mixed_up(weights: dict[str, torch.Tensor], tmp_path: Path) -> None:
    first = write_gguf(tmp_path / "model.gguf", weights, parts_of=8)
    second, third = (first.with_name(f"model-0000{n}-of-00003.gguf") for n in (2, 3))
    content = second.read_bytes()
    second.write_bytes(third.read_bytes())
    with pytest.raises(FcimError, match="00002-of-00003.gguf says itself that it is part 3 of 3, but its name does not"):
        open_checkpoint(first)
    second.unlink()
    with pytest.raises(FcimError, match="model-00002-of-00003.gguf of a GGUF in 3 parts is missing; download it too"):
        open_checkpoint(third)
    second.write_bytes(content)
    assert GgufCheckpoint(second).config.num_hidden_layers == 2


def test_damage_anywhere_in_the_header_is_told_in_one_line(plain_gguf: Path, tmp_path: Path) -> None:
    """Bytes that were changed at random: read, or refused, and nothing else."""
    data, generator = plain_gguf.read_bytes(), np.random.default_rng(3)
    header = data.index(b"blk.1.ffn_down.weight") + 60
    path, refusals = tmp_path / "model.gguf", 0
    for _ in range(150):
        changed = bytearray(data)
        for place in generator.integers(0, header, 3):
            changed[place] = generator.integers(256)
        path.write_bytes(changed)
        try:
            open_checkpoint(path).check_weights()
        except FcimError as error:
            refusals += 1
            assert "\n" not in str(error)
    assert refusals > 20
