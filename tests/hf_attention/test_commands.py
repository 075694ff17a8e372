"""The commands about a whole model: windows, what they write, and what they say to mistakes."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch.nn.functional import cross_entropy
from transformers import AutoModelForCausalLM

from scripts.studies.language_model import bench, generate, loaded, mends, perplexity, precision
from scripts.studies.language_model.generate import parting
from scripts.studies.language_model.loss import bits_per_byte, token_losses, windows
from tests.models.tiny_llama import change_weights, make_checkpoint


@pytest.fixture(autouse=True)
def short_calibration(monkeypatch: pytest.MonkeyPatch) -> None:
    """As much text as tiny models need."""
    monkeypatch.setattr(loaded, "CALIBRATION", (2, 128))


@pytest.fixture(scope="module")
def other_geometry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint with head_dim 64 and 3 query heads per KV head."""
    return make_checkpoint(tmp_path_factory.mktemp("checkpoint") / "model", hidden_size=48, num_attention_heads=6,
                           num_key_value_heads=2, head_dim=64)


@pytest.mark.parametrize(("tokens", "context", "stride"), [
    (100, 100, 100), (100, 30, 30), (100, 30, 7), (31, 30, 30), (2, 30, 30), (1000, 64, 64), (65, 64, 1)])
def test_every_token_but_the_first_is_scored_once(tokens: int, context: int, stride: int) -> None:
    scored = []
    for window in windows(tokens, context, stride):
        assert 0 <= window.first < window.scored < window.end <= tokens and window.end - window.first <= context
        scored += range(window.scored, window.end)
    assert scored == list(range(1, tokens))


def test_losses_are_the_models_own(other_geometry: Path, seed: int) -> None:
    """One window is transformers' own loss; overlapping ones score each token with at least context - stride before it."""
    model = AutoModelForCausalLM.from_pretrained(other_geometry, dtype=torch.float32).eval()
    ids = torch.randint(0, 256, (90,), generator=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        whole = model(input_ids=ids[None]).logits[0]
    wanted = cross_entropy(whole[:-1], ids[1:], reduction="none")
    got = token_losses(model, "sdpa", ids, windows(90, 90, 90), 4)
    assert torch.allclose(got, wanted, atol=1e-5)
    parts = token_losses(model, "sdpa", ids, windows(90, 40, 10), 4)
    assert torch.allclose(parts[:39], wanted[:39], atol=1e-5) and len(parts) == 89
    assert not torch.allclose(parts[39:], wanted[39:], atol=1e-5)


def test_bits_per_byte() -> None:
    assert bits_per_byte(math.log(2) * 3, 4.0) == pytest.approx(0.75)


def test_where_texts_part() -> None:
    a = torch.tensor([1, 2, 3])
    assert parting(a, a) is None and parting(a, torch.tensor([1, 9, 3])) == 1 and parting(a, a[:2]) == 2


def test_perplexity_of_another_geometry(other_geometry: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A small difference that is not 0, every layer measured, and conditions without the machine's paths."""
    arguments = ["--checkpoint", str(other_geometry), "--tokens", "200", "--context", "64", "--schedule", "sink_diagonal",
                 "--fused", "--tau", "1", "--layer", "all", "--out", str(tmp_path)]
    assert perplexity.main(arguments) == 0
    text = (tmp_path / "perplexity.json").read_text()
    data = json.loads(text)
    assert data["scored_tokens"] == 198 and data["conditions"]["config"]["name"] == "head64"
    assert (data["conditions"]["schedule"], data["conditions"]["fused"], data["conditions"]["tau"]) == ("sink_diagonal", True, 1)
    assert 0 < abs(data["difference"]) < 0.05
    assert data["difference"] == pytest.approx(data["hardware_loss"] - data["float_loss"], abs=1e-6)
    assert [x["layer"] for x in data["layers"]] == [0, 1, 2]
    assert all(x["mean_cosine"] > 0.999 and x["alone"] != 0 for x in data["layers"])
    assert str(tmp_path.parent) not in text
    assert "hardware" in capsys.readouterr().out


def test_generate(other_geometry: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert generate.main(["--checkpoint", str(other_geometry), "--tokens", "40", "--new", "5", "--out", str(tmp_path)]) == 0
    data = json.loads((tmp_path / "generate.json").read_text())
    assert len(data["float"]) == len(data["hardware"]) == 5
    assert data["parts_at"] == parting(torch.tensor(data["float"]), torch.tensor(data["hardware"]))
    assert ("part at token" in capsys.readouterr().out) == (data["parts_at"] is not None)


def test_octaves(other_geometry: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Skipping moves losses and texts with octaves only; what is skipped is told."""
    losses, skipped = {}, {}
    natural = ["--schedule", "natural", "--fused", "0"]     # where references start low, so that something lies below them
    for more in ([], ["--skip"], ["--skip", "--octaves", "1"]):
        assert perplexity.main(["--checkpoint", str(other_geometry), "--tokens", "200", "--context", "100", *natural, *more,
                                "--out", str(tmp_path)]) == 0
        data = json.loads((tmp_path / "perplexity.json").read_text())
        losses[len(more)], skipped[len(more)] = data["hardware_loss"], data["skipped"]
        assert data["conditions"]["skip"] == bool(more) and data["conditions"]["octaves"] == (len(more) == 3)
    assert losses[0] == losses[1] != losses[3] and skipped[0]["blocks"] == 0
    assert skipped[1]["skipped_values"] <= skipped[3]["skipped_values"] < skipped[3]["values"] == skipped[1]["values"]
    share = 100 * skipped[3]["skipped_blocks"] / skipped[3]["blocks"]
    out = capsys.readouterr().out
    assert share > 0 and f"skipped: {share:.1f} % of the key blocks, those more than 1 octaves below" in out
    assert "natural, TAU 0, SKIP with 1 OCTAVES" in out
    assert generate.main(["--checkpoint", str(other_geometry), "--tokens", "80", "--new", "2", *natural, "--skip",
                          "--octaves", "1", "--out", str(tmp_path)]) == 0
    found = json.loads((tmp_path / "generate.json").read_text())["skipped"]
    assert 0 < found["skipped_blocks"] < found["blocks"] and "skipped: " in capsys.readouterr().out


def greedy_text(checkpoint: Path, out: Path) -> list[int]:
    """What the command says float attention goes on with."""
    assert generate.main(["--checkpoint", str(checkpoint), "--tokens", "20", "--new", "4", "--out", str(out)]) == 0
    return json.loads((out / "generate.json").read_text())["float"]


@pytest.fixture(scope="module")
def usual_text(other_geometry: Path, tmp_path_factory: pytest.TempPathFactory) -> list[int]:
    """Of a checkpoint without settings of its own."""
    return greedy_text(other_geometry, tmp_path_factory.mktemp("usual"))


@pytest.mark.parametrize("settings", [
    {"num_return_sequences": 3}, {"num_beams": 3, "num_return_sequences": 3, "repetition_penalty": 5.0, "max_length": 3},
    {"do_sample": True, "temperature": 0.1, "return_dict_in_generate": True, "output_scores": True}, {"eos_token_id": "x"}, []])
def test_generation_settings_of_a_checkpoint(settings: object, other_geometry: Path, usual_text: list[int],
                                             tmp_path: Path) -> None:
    """Whatever it asks for, the text is one greedy continuation."""
    copy = shutil.copytree(other_geometry, tmp_path / "model")
    (copy / "generation_config.json").write_text(json.dumps(settings))
    assert greedy_text(copy, tmp_path) == usual_text


def test_tokens_that_end_a_text(other_geometry: Path, tmp_path: Path) -> None:
    """Those of the checkpoint's settings end the continuation."""
    copy = shutil.copytree(other_geometry, tmp_path / "model")
    arguments = ["--checkpoint", str(copy), "--tokens", "20", "--new", "6", "--out", str(tmp_path)]
    assert generate.main(arguments) == 0
    first, second, *_ = json.loads((tmp_path / "generate.json").read_text())["float"]
    assert first != second
    (copy / "generation_config.json").write_text(json.dumps({"eos_token_id": [0, second]}))
    assert generate.main(arguments) == 0
    assert json.loads((tmp_path / "generate.json").read_text())["float"] == [first, second]


def test_precision(other_geometry: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer bits lose more, in every operand; choices are judged on heads of the model and on random ones; a picture is there."""
    monkeypatch.setattr(precision, "KEYS", 100)
    assert precision.main(["--checkpoint", str(other_geometry), "--tokens", "96", "--context", "48", "--out", str(tmp_path)]) == 0
    report = json.loads((tmp_path / "precision.json").read_text())
    lines = report["lines"]
    assert [(line["source"], line["name"]) for line in report["operands"]] == [
        (source, name) for source in ("the model", mends.GAUSSIAN) for name in mends.MENDS]
    assert all(line["worst_sqnr_db"] <= line["worst_layer_db"] <= line["mean_sqnr_db"] and line["engine_db"] < 1
               for line in report["operands"])
    assert [(line["order"], line["keys"], line["rows"], line["heads"]) for line in report["decode"]] == [
        (name, 100, 64, 18) for name in ("natural", "sink_diagonal + fused")]
    assert all(line["worst_sqnr_db"] <= line["mean_sqnr_db"] and line["mean_engine_db"] <= line["worst_engine_db"] < 1
               and line["worst_longer_db"] <= line["worst_tail_db"] + 1e-3
               for line in report["decode"])
    sqnr = {(line["group"], line["name"]): line["mean_sqnr_db"] for line in lines}
    for what in ("Q", "K", "V", "Q, K and V"):
        assert sqnr[f"bits of {what}", "8"] > sqnr[f"bits of {what}", "6"] > sqnr[f"bits of {what}", "4"]
        assert sqnr[f"bits of {what}", "8"] == sqnr["default", "default"]
    assert sqnr["bits of P", "16"] > sqnr["bits of P", "8"] and sqnr["TAU", "0"] >= sqnr["TAU", "8"]
    assert (tmp_path / "precision.svg").stat().st_size > 10_000


def test_bench(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A line per length; memory grows with the length and not with its square."""
    monkeypatch.setattr(bench, "THREADS", 1)    # two would wait for each other on a busy machine
    arguments = ["--config", "head64", "--tokens", "512,2048", "--device", "cpu", "--out", str(tmp_path / "bench.json")]
    assert bench.main(arguments) == 0
    small, large = json.loads((tmp_path / "bench.json").read_text())["timings"]
    assert (small["tokens"], large["tokens"]) == (512, 2048) and "ratio" in capsys.readouterr().out
    assert 0 < large["memory"] < 3 * small["memory"] + 16


MISTAKES = {
    "no such checkpoint": (perplexity.main, ["--checkpoint", "nowhere"], "nowhere"),
    "no tokens": (perplexity.main, ["--tokens", "2"], "TOKENS"),
    "too few tokens": (precision.main, ["--tokens", "2"], "TOKENS"),
    "context beyond the model": (perplexity.main, ["--tokens", "64", "--context", "999999"], "CONTEXT"),
    "stride beyond the context": (perplexity.main, ["--tokens", "64", "--context", "32", "--stride", "33"], "STRIDE"),
    "a layer that is not there": (perplexity.main, ["--layer", "4"], "LAYER"),
    "schedule": (perplexity.main, ["--schedule", "backwards"], "SCHEDULE = 'backwards' is unknown"),
    "tau": (precision.main, ["--tau", "9"], "TAU"),
    "another head_dim": (generate.main, ["--config", "head64"], "head_dim"),
    "too much to generate": (generate.main, ["--tokens", "64", "--new", "99999"], "NEW"),
    "a prompt and a text": (generate.main, ["--prompt", "Why?", "--text", __file__], "PROMPT and TEXT"),
    "a prompt and tokens": (generate.main, ["--prompt", "Why?", "--tokens", "8"], "PROMPT and TOKENS"),
    "no text": (generate.main, ["--text", "nothing.txt"], "nothing.txt"),
    "device without arithmetic": (generate.main, ["--device", "meta"], "meta"),
    "device": (perplexity.main, ["--device", "abacus"], "abacus"),
    "configuration": (bench.main, ["--config", "huge"], "unknown configuration"),
    "lengths": (bench.main, ["--tokens", "64,x"], "TOKENS"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes(name: str, refused: Callable[..., str], tmp_path: Path) -> None:
    main, arguments, expected = MISTAKES[name]
    more = [] if main is bench.main else ["--out", str(tmp_path / "out")]
    refused(main, [*arguments, *more], expected)
    assert not list((tmp_path / "out").glob("*"))


@pytest.mark.parametrize("main", [perplexity.main, generate.main, precision.main])
def test_a_file_where_the_results_should_go(main: Callable[[list[str]], int], refused: Callable[..., str],
                                            tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    refused(main, ["--tokens", "64", "--out", str(tmp_path / "taken")], "OUT")


@pytest.mark.parametrize("gone", ["lm_head.weight", "model.norm.weight"])
def test_a_checkpoint_with_a_weight_missing(gone: str, refused: Callable[..., str], tmp_path: Path) -> None:
    """Also those that no layer needs: a library would make them up."""
    folder = make_checkpoint(tmp_path / "model")
    change_weights(folder, {gone: None})
    refused(perplexity.main, ["--checkpoint", str(folder), "--tokens", "64", "--out", str(tmp_path / "out")], gone)
