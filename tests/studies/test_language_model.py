"""The loss of a language model: its standard error, its windows, its parts, and a prompt as a chat; on tiny models."""

from __future__ import annotations

import json
import math
import shutil
import statistics
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from rich.progress import Progress
from torch.nn.functional import cross_entropy
from transformers import AutoModelForCausalLM, AutoTokenizer

from models.tensors.source import FIXTURE, open_checkpoint
from models.tensors.text import CODE, PROSE, default_text, load_prose
from scripts.studies.language_model import generate, loaded, perplexity
from scripts.studies.language_model.loss import losses_of, standard_error, token_losses, window_losses, windows
from scripts.studies.language_model.perplexity import plus_minus, together
from tests.models.tiny_llama import make_checkpoint

TEMPLATE = ("{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}\n{% endfor %}"
            "{% if add_generation_prompt %}<assistant>{% endif %}")


@pytest.fixture(autouse=True)
def short_calibration(monkeypatch: pytest.MonkeyPatch) -> None:
    """As much text as tiny models need."""
    monkeypatch.setattr(loaded, "CALIBRATION", (2, 64))


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_checkpoint(tmp_path_factory.mktemp("checkpoint") / "model", layers=3, hidden_size=48, num_attention_heads=6,
                           num_key_value_heads=2, head_dim=64)


@pytest.fixture
def chatting(checkpoint: Path, tmp_path: Path) -> Path:
    """The same model, whose tokenizer has a chat template."""
    return with_template(checkpoint, tmp_path / "chatting", TEMPLATE)


def with_template(checkpoint: Path, path: Path, template: str) -> Path:
    copy = shutil.copytree(checkpoint, path)
    file = copy / "tokenizer_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "chat_template": template}))
    return copy


def test_standard_error_of_equal_blocks(seed: int) -> None:
    """Is that of the mean of the blocks' means; blocks end where a window does."""
    values = torch.randn(3, 40, generator=torch.Generator().manual_seed(seed))
    means = [float(x.double().mean()) for x in values.view(12, 10)]
    wanted = statistics.stdev(means) / math.sqrt(12)
    assert standard_error(list(values), 10) == pytest.approx(wanted, rel=1e-9)
    assert standard_error([values.flatten()], 10) == pytest.approx(wanted, rel=1e-9)
    assert standard_error(list(values), 1) == pytest.approx(float(values.double().std()) / math.sqrt(120), rel=1e-9)


def test_standard_error_of_ragged_blocks() -> None:
    """By hand: blocks (1, 2), (6) of one window and (3) of the other; mean 3, so sums over it -3, +3, 0."""
    found = standard_error([torch.tensor([1.0, 2.0, 6.0]), torch.tensor([3.0])], 2)
    assert found == pytest.approx(math.sqrt(3 / 2 * (9 + 9 + 0)) / 4)
    assert standard_error([torch.tensor([1.0, 2.0])], 2) is None


def test_standard_error_of_correlated_tokens(seed: int) -> None:
    """Is as large as the means of many texts really scatter; one over single tokens would be far too small."""
    noise = torch.randn(300, 8 * 256 + 15, generator=torch.Generator().manual_seed(seed)).double()
    texts = noise.unfold(1, 16, 1).mean(-1)
    scatter = texts.mean(1).std().item()
    mean = statistics.mean(standard_error(list(text.view(8, 256)), 128) for text in texts)
    alone = statistics.mean(standard_error(list(text.view(8, 256)), 1) for text in texts)
    assert 0.85 * scatter < mean < 1.15 * scatter and alone < 0.4 * scatter


def test_texts_together() -> None:
    part = {"float_loss": 1.0, "hardware_loss": 1.3, "difference": 0.3, "standard_error": 0.03, "bytes_per_token": 4.0}
    other = {"float_loss": 3.0, "hardware_loss": 3.1, "difference": 0.1, "standard_error": 0.04, "bytes_per_token": 2.0}
    found = together([{**part, "scored_tokens": 300}, {**other, "scored_tokens": 100}])
    assert found == pytest.approx({"scored_tokens": 400, "float_loss": 1.5, "hardware_loss": 1.75, "difference": 0.25,
                                   "standard_error": math.hypot(0.03 * 0.75, 0.04 * 0.25), "bytes_per_token": 3.5})
    alone = together([{**part, "scored_tokens": 7}])
    assert alone["standard_error"] == pytest.approx(0.03)
    assert together([{**part, "scored_tokens": 1, "standard_error": None}])["standard_error"] is None


def test_a_difference_without_its_error() -> None:
    assert plus_minus(0.00012, 0.00034) == "+0.00012 ± 0.00034" and plus_minus(-0.1, None) == "-0.10000"


@pytest.mark.parametrize(("tokens", "context", "stride"), [(150, 40, 40), (150, 40, 13), (90, 90, 90), (3, 40, 40)])
def test_losses_come_in_the_order_of_the_text(checkpoint: Path, tokens: int, context: int, stride: int, seed: int) -> None:
    """Every token once, whichever windows ran together; each loss is that of its own window; every token's progress is told."""
    model = AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32).eval()
    ids = torch.randint(0, 256, (tokens,), generator=torch.Generator().manual_seed(seed))
    found, done = windows(tokens, context, stride), []
    got = window_losses(model, "sdpa", ids, found, 3, done.append)
    assert sum(map(len, got)) == tokens - 1 and sum(done) == pytest.approx(sum(w.end - w.first for w in found))
    for window, losses in zip(found, got, strict=True):
        with torch.no_grad():
            logits = model(input_ids=ids[None, window.first:window.end]).logits[0]
        wanted = cross_entropy(logits[:-1], ids[window.first + 1:window.end], reduction="none")
        assert torch.allclose(losses, wanted[window.scored - window.first - 1:], atol=1e-5)
    assert torch.equal(torch.cat(got), token_losses(model, "sdpa", ids, found, 3))
    assert not model.model.layers[0].self_attn._forward_hooks


@pytest.mark.parametrize("start", [1, 17])
@torch.no_grad()
def test_logits_in_pieces_give_the_plain_cross_entropy(checkpoint: Path, start: int, seed: int) -> None:
    """And no more of them are in memory together than was asked for."""
    model = AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32).eval()
    rows = torch.randint(0, 256, (2, 50), generator=torch.Generator().manual_seed(seed))
    logits = model(input_ids=rows).logits
    wanted = torch.stack([cross_entropy(line[start - 1:-1], row[start:], reduction="none") for row, line in zip(rows, logits)])
    sizes = []
    model.get_output_embeddings().register_forward_hook(lambda module, given, out: sizes.append(out.numel() // 258))
    got = losses_of(model, rows, start, 7)
    assert torch.allclose(got, wanted, atol=1e-5) and got.shape == (2, 50 - start)
    assert max(sizes) == 7 and sum(sizes) == 2 * (50 - start)


def run(checkpoint: Path, out: Path, *arguments: str) -> dict:
    assert perplexity.main(["--checkpoint", str(checkpoint), "--context", "64", "--out", str(out), *arguments]) == 0
    return json.loads((out / "perplexity.json").read_text())


def test_prose_and_code_of_a_model(checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Half of the tokens are of each; both, and both together, are reported; no layer ran alone unasked."""
    data = run(checkpoint, tmp_path, "--tokens", "301")
    prose, code = data["parts"]
    assert (prose["name"], code["name"]) == (PROSE, CODE) and (prose["scored_tokens"], code["scored_tokens"]) == (149, 150)
    for name in ("float_loss", "hardware_loss", "difference"):
        assert data[name] == pytest.approx((149 * prose[name] + 150 * code[name]) / 299)
    assert prose["float_loss"] != code["float_loss"] and 0 < data["standard_error"] < 1
    texts = data["conditions"]["source"]["texts"]
    assert "prose" in texts[PROSE]["text"] and "sources" in texts[CODE]["text"]
    assert [x["alone"] for x in data["layers"]] == [None, None, None]
    assert {line.split()[0] for line in capsys.readouterr().out.splitlines()} >= {"prose", "code", "together"}


def test_losses_of_the_parts_are_those_of_their_texts(checkpoint: Path, tmp_path: Path) -> None:
    data = run(checkpoint, tmp_path, "--tokens", "200")
    tokenizer = open_checkpoint(checkpoint).tokenizer
    model = AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32).eval()
    for part in data["parts"]:
        ids = torch.tensor(tokenizer.encode(default_text(1000, part["name"]))[:100])
        wanted = token_losses(model, "sdpa", ids, windows(100, 64, 64)).mean().item()
        assert part["float_loss"] == pytest.approx(wanted, abs=1e-5)


def test_progress_ends_where_the_work_does(tmp_path: Path) -> None:
    """Every bar is full, to the token, though the layers' shares are fractions."""
    checkpoint = make_checkpoint(tmp_path / "model", layers=11)
    args = perplexity.parse_args(["--checkpoint", str(checkpoint), "--tokens", "100"])
    opened = open_checkpoint(checkpoint)
    found = loaded.load(args, opened, perplexity.scored_texts(args, opened))
    with Progress(disable=True) as bar:
        perplexity.measure(found, {name: windows(50, 20, 20) for name in found.parts}, [0, 1], bar)
    assert [(task.description, task.finished) for task in bar.tasks] == [("float", True), ("hardware", True), ("layers", True)]
    assert [task.completed / bar.tasks[0].total for task in bar.tasks] == [1, 1, 2]


def test_one_text_that_is_given(checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("All of it is one part. " * 20)
    data = run(checkpoint, tmp_path, "--text", str(tmp_path / "text.txt"), "--tokens", "100", "--layer", "1")
    part, = data["parts"]
    assert part["name"] == "text" and part["scored_tokens"] == data["scored_tokens"] == 99
    assert [x["alone"] is not None for x in data["layers"]] == [False, True, False]


def test_the_layers_alone_move_the_loss(checkpoint: Path, tmp_path: Path) -> None:
    alone = [x["alone"] for x in run(checkpoint, tmp_path, "--tokens", "100", "--layer", "all")["layers"]]
    assert all(alone) and alone[0] != alone[1]


def test_too_few_tokens_for_two_texts(checkpoint: Path, refused: Callable[..., str], tmp_path: Path) -> None:
    refused(perplexity.main, ["--checkpoint", str(checkpoint), "--tokens", "3", "--out", str(tmp_path)], "TOKENS = 3", "use 4")


def test_kinds_and_how_many_tokens_of_them(checkpoint: Path) -> None:
    """The fixture model has only learnt to read code, and its figures are of 4,096 tokens of it."""
    args = perplexity.parse_args([])
    fixture = perplexity.scored_texts(args, open_checkpoint(FIXTURE))
    assert {name: len(text.ids) for name, text in fixture.items()} == {CODE: 4096}
    real = perplexity.scored_texts(args, open_checkpoint(checkpoint))
    assert {name: len(text.ids) for name, text in real.items()} == {PROSE: 8192, CODE: 8192}


def test_calibration_is_of_other_text(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As many tokens of each kind, none of what is scored."""
    monkeypatch.setattr(loaded, "CALIBRATION", (4, 512))
    opened = open_checkpoint(checkpoint)
    ids = loaded._calibration_ids(opened, (PROSE, CODE))
    assert ids.shape == (4, 512)
    begin = torch.tensor([256])      # every piece has one
    pieces = [opened.tokenizer.decode(x) for x in torch.tensor_split(ids.flatten(), (ids.flatten() == begin).nonzero()[1:, 0])]
    prose, scored = "".join(load_prose(False)), default_text(1 << 30, PROSE)
    of_prose = [piece in prose for piece in pieces]
    assert sum(of_prose) == len(pieces) // 2 and all(of_prose[:len(pieces) // 2])
    assert not any(piece in scored or piece in default_text(1 << 30) for piece in pieces)


def greedy(checkpoint: Path, out: Path, *arguments: str) -> dict:
    assert generate.main(["--checkpoint", str(checkpoint), "--new", "3", "--out", str(out), *arguments]) == 0
    return json.loads((out / "generate.json").read_text())


def prompts(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the model is given, as text."""
    seen: list[str] = []
    continuation = generate.continuation
    monkeypatch.setattr(generate, "continuation", lambda found, *rest: (
        seen.append(found.tokenizer.decode(found.ids)), continuation(found, *rest))[1])
    return seen


def test_a_prompt_goes_through_the_chat_template(chatting: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                                 capsys: pytest.CaptureFixture[str]) -> None:
    seen = prompts(monkeypatch)
    data = greedy(chatting, tmp_path, "--prompt", "Why 'so'?")
    assert seen == ["<user>Why 'so'?\n<assistant>"] * 2
    direct = AutoTokenizer.from_pretrained(chatting).apply_chat_template(
        [{"role": "user", "content": "Why 'so'?"}], add_generation_prompt=True, return_dict=False)
    assert data["float_text"] == open_checkpoint(chatting).tokenizer.decode(torch.tensor(data["float"]))
    assert data["prompt_tokens"] == len(direct) and data["conditions"]["source"]["question"] == "Why 'so'?"
    assert "asked, as a chat: Why 'so'?" in capsys.readouterr().out


def test_a_chat_is_asked_something_unless_there_is_a_text(chatting: Path, tmp_path: Path,
                                                         monkeypatch: pytest.MonkeyPatch) -> None:
    seen = prompts(monkeypatch)
    greedy(chatting, tmp_path)
    greedy(chatting, tmp_path, "--tokens", "20")
    (tmp_path / "text.txt").write_text("A text to go on with. " * 30)
    greedy(chatting, tmp_path, "--text", str(tmp_path / "text.txt"))
    assert seen[::2] == [f"<user>{generate.QUESTION}\n<assistant>", default_text(100)[:19], ("A text to go on with. " * 30)[:319]]


def test_a_prompt_without_a_template_is_gone_on_with(checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = prompts(monkeypatch)
    data = greedy(checkpoint, tmp_path, "--prompt", "def f(x):")
    assert seen == ["def f(x):"] * 2 and data["prompt_tokens"] == 10


@pytest.mark.parametrize("template", ["{{ raise_exception('no') }}", "{% for", "{{ messages[3]['content'] }}"])
def test_a_broken_template(template: str, checkpoint: Path, tmp_path: Path, refused: Callable[..., str]) -> None:
    broken = with_template(checkpoint, tmp_path / "broken", template)
    refused(generate.main, ["--checkpoint", str(broken), "--prompt", "Why?", "--out", str(tmp_path / "out")], "chat template")


def test_where_they_part_is_told_by_the_tokens(checkpoint: Path) -> None:
    found = open_checkpoint(checkpoint)
    shown = loaded.Loaded(None, found.tokenizer, {}, None, None, {}, found)
    assert generate.choice(shown, torch.tensor([*b"a "]), 1) == "' '"        # which the tokenizer itself calls otherwise
    assert generate.choice(shown, torch.tensor([257]), 0) == "'<|end_of_text|>'"
    assert generate.choice(shown, torch.tensor([1]), 1) == "the end"
