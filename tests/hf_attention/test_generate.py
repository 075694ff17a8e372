"""Generation is greedy whatever a checkpoint's own settings ask for; margins and text are those of the tokens shown."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from torch import Tensor

import models.hf_attention as ha
from models.tensors.source import open_checkpoint
from models.tensors.text import default_text
from scripts.studies.language_model import generate
from scripts.studies.language_model.generate import column, continuation, parting, printable, text_after
from scripts.studies.language_model.loaded import Loaded, Part

HOSTILE = {"do_sample": True, "temperature": 3.0, "top_k": 3, "repetition_penalty": 9.0, "num_beams": 3,
           "num_return_sequences": 3, "no_repeat_ngram_size": 1, "min_length": 80, "min_new_tokens": 9, "max_new_tokens": 2,
           "max_length": 3, "suppress_tokens": list(range(0, 258, 2)), "begin_suppress_tokens": list(range(1, 258, 2)),
           "bad_words_ids": [[5]], "forced_bos_token_id": 7, "forced_eos_token_id": 8,
           "exponential_decay_length_penalty": [1, 2.0], "length_penalty": 4.0, "num_beam_groups": 3, "diversity_penalty": 1.0,
           "penalty_alpha": 0.5, "guidance_scale": 3.0, "typical_p": 0.2, "prompt_lookup_num_tokens": 3,
           "cache_implementation": "static", "return_dict_in_generate": True, "output_scores": True, "stop_strings": ["a"],
           "max_time": 0.0, "use_cache": False, "watermarking_config": {"bias": 9.0}}
PROMPT = torch.tensor([256, *b"def f(x): return"])


def loaded(path: Path, ids: Tensor = PROMPT) -> Loaded:
    """A model to generate with, without the calibration that only the hardware's attention needs."""
    checkpoint = open_checkpoint(path)
    return Loaded(checkpoint.load_model(), checkpoint.tokenizer, {"prompt": Part(ids, 1.0)}, ids, ha.Settings(), {}, checkpoint)


@torch.no_grad()
def by_hand(model: torch.nn.Module, ids: Tensor, new: int) -> tuple[list[int], list[float]]:
    """The likeliest next token again and again, each from a forward pass over everything before it."""
    chosen, margins = [], []
    for _ in range(new):
        top = model(input_ids=ids[None], use_cache=False).logits[0, -1].topk(2)
        chosen.append(int(top.indices[0]))
        margins.append(float(top.values[0] - top.values[1]))
        ids = torch.cat([ids, top.indices[:1]])
    return chosen, margins


@pytest.fixture
def model(plain: Path, tmp_path: Path) -> Path:
    return shutil.copytree(plain, tmp_path / "model")


@pytest.fixture(scope="module")
def likeliest(plain: Path) -> tuple[list[int], list[float]]:
    return by_hand(loaded(plain).model, PROMPT, 12)


@pytest.mark.parametrize("name", [*HOSTILE, "all", "in config.json"])
def test_greedy_whatever_the_checkpoint_asks_for(name: str, model: Path, likeliest: tuple[list[int], list[float]]) -> None:
    settings = {name: HOSTILE[name]} if name in HOSTILE else HOSTILE
    file = model / ("config.json" if name == "in config.json" else "generation_config.json")
    before = json.loads(file.read_text()) if file.exists() else {}
    if name == "in config.json":    # where old checkpoints have such entries
        settings = {k: HOSTILE[k] for k in ("repetition_penalty", "num_beams", "do_sample", "min_length", "num_return_sequences")}
    file.write_text(json.dumps({**before, **settings, "eos_token_id": None}))
    ids, margins = continuation(loaded(model), "sdpa", 12, [])
    assert ids.tolist() == likeliest[0]
    assert margins == pytest.approx(likeliest[1], abs=1e-4)


def test_the_text_ends_where_the_checkpoint_says(model: Path, likeliest: tuple[list[int], list[float]]) -> None:
    """One token or several, of generation_config.json before config.json."""
    last = likeliest[0][4]
    for ends in (last, [999, last]):
        (model / "generation_config.json").write_text(json.dumps({"eos_token_id": ends}))
        found = loaded(model)
        ids, margins = continuation(found, "sdpa", 12, found.checkpoint.end_tokens())
        assert ids.tolist() == likeliest[0][:likeliest[0].index(last) + 1] and len(margins) == len(ids)
    (model / "generation_config.json").unlink()
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps({**config, "eos_token_id": last}))
    assert open_checkpoint(model).end_tokens() == [last]


@pytest.mark.parametrize("content", ['{"eos_token_id": "end"}', '{"eos_token_id": []}', '{"eos_token_id": -1}', "{", "[]"])
def test_end_tokens_that_are_none(content: str, model: Path) -> None:
    """What cannot be used stops nothing: config.json has them too."""
    (model / "generation_config.json").write_text(content)
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps({**config, "eos_token_id": [7, 8]}))
    assert open_checkpoint(model).end_tokens() == [7, 8]


def test_the_command(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With settings that ended in a traceback; the margin is the one of the float logits that chose."""
    (model / "generation_config.json").write_text(json.dumps(HOSTILE))
    arguments = ["--checkpoint", str(model), "--tokens", "40", "--new", "6", "--out", str(tmp_path / "out"), "--tau", "8"]
    assert generate.main(arguments) == 0
    data = json.loads((tmp_path / "out" / "generate.json").read_text())
    found = loaded(model)
    chosen, margins = by_hand(found.model, torch.tensor(found.tokenizer.encode(default_text(4096))[:40]), 6)
    assert data["float"] == chosen and len(data["hardware"]) == 6
    part = parting(torch.tensor(data["float"]), torch.tensor(data["hardware"]))
    assert data["parts_at"] == part
    if part is not None:
        assert data["margin_nats"] == pytest.approx(margins[part], abs=1e-4)
        assert f"{data['margin_nats']:.4f} nats" in capsys.readouterr().out


def test_text_is_decoded_with_what_stands_before(model: Path) -> None:
    """Characters of several tokens: begun in the prompt, cut where the continuations part."""
    e_acute = list("é".encode())
    found = loaded(model, torch.tensor([256, *b"caf", e_acute[0]]))
    assert text_after(found, torch.tensor([e_acute[1], *b" au lait"])) == "é au lait"
    shown = column(found, torch.tensor([e_acute[1], *b" a", *"ü".encode()]), 4)     # they part within the last character
    assert shown.plain == "é aü" and [span.style for span in shown.spans] == ["bold yellow"]
    assert (shown.spans[0].start, shown.spans[0].end) == (3, 4)
    assert not column(found, torch.tensor([e_acute[1], 97]), None).spans
    assert column(found, torch.tensor([*b"[b]x"]), None).plain[-4:] == "[b]x"      # no markup


def test_control_characters_do_not_reach_the_terminal() -> None:
    assert printable("a\x1b[31m\r\n\tb\x00é") == "a\\x1b[31m\\r\n\tb\\x00é"


def test_without_a_tokenizer_the_token_numbers_are_shown(model: Path) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (model / name).unlink()
    shown = column(loaded(model), torch.tensor([5, 66, 7]), 1)
    assert shown.plain == "5 66 7" and shown.plain[shown.spans[0].start:] == " 66 7"
