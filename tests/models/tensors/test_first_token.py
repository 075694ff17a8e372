"""What a text begins with is the tokenizer's choice, and the commands say what it is."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from transformers import AutoTokenizer

from models.errors import FcimError
from models.tensors import token_ids as tokens_module
from models.tensors.head_stats import PERIOD, REPEATS, checkpoint_stats
from models.tensors.source import open_checkpoint
from models.tensors.token_ids import Tokenizer, load_tokenizer, token_ids
from scripts import capture, head_stats
from tests.models.tiny_llama import make_checkpoint

BOS, EOS = 256, 257
MARK = "<|begin_of_text|>"


def template(*before: str, after: tuple[str, ...] = ()) -> dict[str, object]:
    """A post-processor of tokenizer.json."""
    ids = {MARK: BOS, "<|end_of_text|>": EOS}
    pieces = [*({"SpecialToken": {"id": name, "type_id": 0}} for name in before), {"Sequence": {"id": "A", "type_id": 0}},
              *({"SpecialToken": {"id": name, "type_id": 0}} for name in after)]
    return {"type": "TemplateProcessing", "single": pieces, "pair": [*pieces, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {name: {"id": name, "ids": [ids[name]], "tokens": [name]} for name in {*before, *after}}}


@pytest.fixture
def tokenizer(plain: Path, tmp_path: Path) -> Callable[[dict[str, object] | None], Tokenizer]:
    """The plain checkpoint's tokenizer with another post-processor."""
    def make(post_processor: dict[str, object] | None) -> Tokenizer:
        path = tmp_path / "model"
        shutil.rmtree(path, ignore_errors=True)
        shutil.copytree(plain, path)
        data = json.loads((path / "tokenizer.json").read_text())
        (path / "tokenizer.json").write_text(json.dumps({**data, "post_processor": post_processor}))
        return open_checkpoint(path).tokenizer
    return make


CASES = {
    "one": (template(MARK), [BOS]),
    "none": (None, []),
    "one, and one at the end": (template(MARK, after=("<|end_of_text|>",)), [BOS]),
    "only one at the end": (template(after=("<|end_of_text|>",)), []),
    "two": (template("<|end_of_text|>", MARK), [EOS, BOS]),
    "another than its begin-of-text token": (template("<|end_of_text|>"), [EOS]),
}


@pytest.mark.parametrize("name", CASES)
def test_the_tokenizer_decides(name: str, tokenizer: Callable[..., Tokenizer], tmp_path: Path) -> None:
    post_processor, first = CASES[name]
    found = tokenizer(post_processor)
    assert found.encode("ab") == [*first, 97, 98] and found.bos == (first[0] if first else None)
    library = AutoTokenizer.from_pretrained(tmp_path / "model")("ab").input_ids
    assert found.encode("ab") == library[:len(first) + 2]       # what ends a text is left out: it goes on
    taken = token_ids(found, "ab", None, 258, 64)
    said = "put first by the tokenizer" if first else "the text's own, as the tokenizer puts none before it"
    shown = {BOS: f"{MARK} (256)", EOS: "<|end_of_text|> (257)"}.get(first[0] if first else 97, "a (97)")
    assert taken.facts["first_token"] == f"{shown}, {said}"


def test_a_text_that_begins_with_the_token_itself(tokenizer: Callable[..., Tokenizer]) -> None:
    found = tokenizer(template(MARK))
    assert found.encode(f"{MARK}ab") == [BOS, 97, 98]
    assert token_ids(found, f"{MARK}ab", 2, 258, 64).facts["first_token"] == f"{MARK} (256), as the text itself begins with it"
    assert found.encode(f"{MARK}{MARK}a") == [BOS, BOS, 97]     # the text's own, however many
    assert found.encode(f"a{MARK}") == [BOS, 97, BOS]
    two = tokenizer(template("<|end_of_text|>", MARK))
    assert two.encode(f"{MARK}a") == [EOS, BOS, 97] and two.encode(f"<|end_of_text|>{MARK}a") == [EOS, BOS, 97]


def test_bytes_have_nothing_before_them(tmp_path: Path) -> None:
    found = load_tokenizer(tmp_path, SimpleNamespace(vocab_size=258))
    assert found.encode("ab") == [97, 98] and found.bos is None
    assert token_ids(found, "ab", None, 258, 64).facts["first_token"].startswith("97 (97), the text's own")


def test_commands_say_it(plain: Path, tmp_path: Path, tokenizer: Callable[..., Tokenizer],
                         capsys: pytest.CaptureFixture[str]) -> None:
    """Once, beside the result; repeated random text of head-stats begins as texts do."""
    assert capture.main(["--checkpoint", str(plain), "--tokens", "8", "--out", str(tmp_path / "o.npz")]) == 0
    assert capsys.readouterr().err == f"note: first token {MARK} (256), put first by the tokenizer\n"
    tokenizer(None)
    assert head_stats.main(["--checkpoint", str(tmp_path / "model"), "--tokens", "64", "--json"]) == 0
    out, err = capsys.readouterr()
    assert err.startswith("note: first token ") and "puts none before it" in err and err.count("\n") == 1
    assert json.loads(out)["source"]["first_token"] == err.removeprefix("note: first token ").strip()


def test_random_text_begins_as_the_tokenizer_begins_one(tokenizer: Callable[..., Tokenizer], tmp_path: Path,
                                                        monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[torch.Tensor] = []
    for post_processor, length in ((template(MARK), 1), (None, 0)):
        tokenizer(post_processor)
        model = open_checkpoint(tmp_path / "model")
        monkeypatch.setattr(model, "walk", lambda sequences: seen.append(sequences[1]) or iter(()))
        assert list(checkpoint_stats(model, torch.zeros(64, dtype=torch.int64))) == []
        assert seen[-1].shape[1] == length + PERIOD * REPEATS
        assert (seen[-1][:, 0] == BOS).all() == bool(length)


def only_model(path: Path, content: bytes) -> None:
    (path / "tokenizer.json").unlink()
    (path / "tokenizer_config.json").write_text('{"tokenizer_class": "LlamaTokenizer"}')
    (path / "tokenizer.model").write_bytes(content)


SENTENCEPIECE = b"\n\x0e\n\x05<unk>\x15\x00\x00\x00\x00\x18\x02"


@pytest.mark.parametrize(("change", "missing", "parts"), [
    (lambda p: only_model(p, SENTENCEPIECE), {"sentencepiece", "google.protobuf"},
     ("tokenizer.model alone, which needs sentencepiece and protobuf; 'pip install sentencepiece protobuf'",)),
    (lambda p: only_model(p, SENTENCEPIECE), {"google.protobuf"}, ("which needs protobuf; 'pip install protobuf'",)),
    (lambda p: only_model(p, b"IQ== 0\nIg== 1\n"), {"tiktoken"}, ("tokenizer.model alone, which needs tiktoken",)),
    (lambda p: only_model(p, SENTENCEPIECE[:9]), set(), ("cannot be loaded",)),
    (lambda p: (p / "tokenizer.json").unlink(), set(), ("has tokenizer_config.json but no tokenizer.json",)),
])
def test_tokenizers_that_lack_something(change: Callable[[Path], object], missing: set[str], parts: tuple[str, ...], plain: Path,
                                        tmp_path: Path, refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    path = shutil.copytree(plain, tmp_path / "model")
    change(path)
    monkeypatch.setattr(tokens_module, "_installed", lambda module: module not in missing)

    def broken(*_: object, **__: object) -> None:     # as the library is without them, whatever is installed here
        raise ValueError("`tiktoken` is required to read a `tiktoken` file.")

    monkeypatch.setattr(tokens_module.transformers.AutoTokenizer, "from_pretrained", broken)
    refused(capture.main, ["--checkpoint", path, "--out", tmp_path / "o.npz"], *parts)


def test_code_of_a_checkpoint_is_not_run(plain: Path, tmp_path: Path) -> None:
    """Not asked about either: the library would wait for an answer on the terminal."""
    path = shutil.copytree(plain, tmp_path / "model")
    (path / "tokenizer_config.json").write_text(json.dumps({"auto_map": {"AutoTokenizer": ["code.Mine", None]},
                                                            "tokenizer_class": "Mine"}))
    (path / "code.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    try:
        open_checkpoint(path).tokenizer  # noqa: B018
    except FcimError as error:
        assert "\n" not in str(error)
    assert not (tmp_path / "ran").exists()


def test_the_tokenizer_of_a_configuration_that_the_library_refuses(tmp_path: Path) -> None:
    """It is given ours: the library would read config.json itself where the tokenizer's own settings name no class."""
    path = make_checkpoint(tmp_path / "model")
    (path / "tokenizer_config.json").unlink()
    wanted, config = AutoTokenizer.from_pretrained(path)("ab").input_ids, open_checkpoint(path).config
    data = json.loads((path / "config.json").read_text())
    (path / "config.json").write_text(json.dumps({**data, "num_attention_heads": 7}))
    assert load_tokenizer(path, config).encode("ab") == wanted
