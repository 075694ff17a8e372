"""Text that every machine has: what is scored is nothing that was known before, and no passage is scored twice."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from models.errors import FcimError
from models.tensors.source import open_checkpoint
from models.tensors.text import CODE, PROSE, default_text, load_corpus, load_prose
from models.tensors.token_ids import token_ids
from tests.models.tiny_llama import make_checkpoint


def paragraphs(held_out: bool) -> list[str]:
    return [" ".join(p.split()) for topic in load_prose(held_out) for p in topic.split("\n\n")]


def test_prose_is_split_without_a_passage_on_both_sides_or_twice() -> None:
    scored, other = paragraphs(True), paragraphs(False)
    assert len(set(scored)) == len(scored) and len(set(other)) == len(other) and not set(scored) & set(other)
    assert sum(map(len, scored)) > 100_000 and sum(map(len, other)) > 20_000


def test_nothing_but_repetitions_is_left_out_of_the_prose() -> None:
    from pydoc_data.topics import topics

    whole = {" ".join(p.split()) for topic in topics.values() for p in topic.split("\n\n")}
    assert set(paragraphs(True)) | set(paragraphs(False)) == whole


@pytest.mark.parametrize("kind", [CODE, PROSE])
def test_held_out_text_of_a_kind(kind: str) -> None:
    """As much as is asked for, whole pieces of the held-out side only."""
    text = default_text(30_000, kind)
    assert len(text.encode()) >= 30_000 and text.startswith(default_text(1, kind))
    held_out = load_prose(True) if kind == PROSE else [x.decode(errors="replace") for x in load_corpus(True)]
    other = load_prose(False) if kind == PROSE else [x.decode(errors="replace") for x in load_corpus(False)]
    assert held_out[0] in text and held_out[1] in text and not any(x in text for x in other if len(x) > 500)


def test_a_python_without_its_help(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pydoc_data.topics", None)
    with pytest.raises(FcimError, match="pydoc_data"):
        load_prose(True)


def test_token_ids_of_prose(tmp_path: Path) -> None:
    tokenizer = open_checkpoint(make_checkpoint(tmp_path / "model")).tokenizer
    taken = token_ids(tokenizer, None, 200, 258, 2048, PROSE)
    assert tokenizer.decode(taken.ids) == default_text(1000, PROSE)[:199]
    assert "prose" in taken.facts["text"] and "prose" not in token_ids(tokenizer, None, 200, 258, 2048).facts["text"]
