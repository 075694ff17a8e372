"""AttentionTensors: what it refuses, how heads are chosen, and which query sees which key."""

from __future__ import annotations

import pytest
import torch

from models.errors import FcimError
from models.tensors.attention_tensors import AttentionTensors, decode_step


def make(hq: int = 6, hkv: int = 2, tq: int = 5, tk: int = 5, d: int = 4, **changes: object) -> AttentionTensors:
    generator = torch.Generator().manual_seed(3)
    fields = {"q": torch.randn(hq, tq, d, generator=generator), "k": torch.randn(hkv, tk, d, generator=generator),
              "v": torch.randn(hkv, tk, d, generator=generator), "scale": 0.5, "source": {"model": "x"},
              "heads": [f"L1H{i}" for i in range(hq)]}
    return AttentionTensors(**{**fields, **changes})


def test_defaults_and_conversion() -> None:
    t = AttentionTensors(torch.ones(6, 2, 4, dtype=torch.bfloat16), torch.ones(2, 3, 4, dtype=torch.float64),
                         torch.ones(2, 3, 4, dtype=torch.float16), 0.5)
    assert {x.dtype for x in (t.q, t.k, t.v)} == {torch.float32}
    assert t.heads == ["H0", "H1", "H2", "H3", "H4", "H5"]
    assert t.kv_of_head == [0, 0, 0, 1, 1, 1]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("name", ["q", "k", "v"])
def test_value_that_is_not_finite_is_located(name: str, value: float) -> None:
    tensors = {n: torch.zeros(2, 3, 4) for n in "qkv"}
    tensors[name][1, 2, 3] = value
    with pytest.raises(FcimError, match=rf"^{name} holds {value} at index \[1, 2, 3\]"):
        AttentionTensors(**tensors, scale=1.0)


def test_overflow_on_the_way_to_float32_is_refused() -> None:
    with pytest.raises(FcimError, match=r"q holds inf at index \[0, 0, 0\]"):
        AttentionTensors(torch.full((1, 1, 4), 1e300, dtype=torch.float64), torch.zeros(1, 1, 4), torch.zeros(1, 1, 4), 1.0)


@pytest.mark.parametrize(("changes", "message"), [
    ({"q": torch.zeros(1, 6, 5, 4)}, "drop the batch dimension"),
    ({"k": torch.zeros(5, 4)}, r"k has shape \[5, 4\]"),
    ({"v": torch.zeros(2, 5, 3)}, r"k has shape \[2, 5, 4\] but v has \[2, 5, 3\]"),
    ({"q": torch.zeros(6, 5, 8)}, "q has head_dim 8 but k and v have 4"),
    ({"q": torch.zeros(6, 7, 4)}, "7 tokens but k only 5"),
    ({"q": torch.zeros(5, 5, 4), "heads": []}, "5 heads and k has 2"),
    ({"q": torch.zeros(6, 0, 4)}, "at least 1"),
    ({"q": torch.zeros(6, 5, 4, dtype=torch.int8)}, "q has type int8"),
    ({"scale": 0.0}, "scale is 0.0"),
    ({"scale": float("nan")}, "scale is nan"),
    ({"heads": ["a"]}, "1 head names"),
    ({"kv_of_head": [0, 0, 0, 0, 0, 0]}, r"must read each of 0 to 1"),
    ({"kv_of_head": [0, 0, 0, 1, 1, 2]}, r"must read each of 0 to 1"),
])
def test_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(FcimError, match=message):
        make(**changes)


def test_group_larger_than_an_engine_is_refused() -> None:
    assert make(hq=128, hkv=1).kv_of_head == [0] * 128
    with pytest.raises(FcimError, match="129 query heads share"):
        make(hq=129, hkv=1)


def test_positions_and_visible_keys() -> None:
    t = make(tq=2, tk=5)
    assert t.positions.tolist() == [3, 4]
    assert t.visible().tolist() == [[True, True, True, True, False], [True] * 5]


def test_by_group_of_a_whole_layer() -> None:
    t = make()
    groups = list(t.by_group())
    assert [g.kv for g in groups] == [0, 1]
    assert torch.equal(torch.cat([g.q for g in groups]), t.q)
    assert torch.equal(groups[1].k, t.k[1]) and torch.equal(groups[1].v, t.v[1])
    assert groups[1].heads == ["L1H3", "L1H4", "L1H5"]


def test_selected_heads_keep_their_kv_head() -> None:
    t = make(hq=9, hkv=3)
    chosen = t.select_heads([1, 6, 8])
    assert chosen.heads == ["L1H1", "L1H6", "L1H8"]
    assert chosen.kv_of_head == [0, 1, 1]  # KV head 1 of the layer is not read and goes
    first, second = chosen.by_group()
    assert torch.equal(first.q, t.q[[1]]) and torch.equal(first.k, t.k[0])
    assert torch.equal(second.q, t.q[[6, 8]]) and torch.equal(second.v, t.v[2])
    assert torch.equal(chosen.select_heads([2]).k, t.k[[2]])  # a selection of a selection


@pytest.mark.parametrize(("heads", "message"), [([6], "head 6 is not there; choose from 0 to 5"), ([-1], "head -1"),
                                                ([], "no head is chosen")])
def test_selecting_heads_that_are_not_there(heads: list[int], message: str) -> None:
    with pytest.raises(FcimError, match=message):
        make().select_heads(heads)


def test_decode_step_is_the_last_query_against_all_keys() -> None:
    t = make()
    step = decode_step(t)
    assert torch.equal(step.q, t.q[:, 4:]) and torch.equal(step.k, t.k)
    assert step.visible().all() and step.positions.tolist() == [4]


def test_first_tokens_cuts_keys_and_queries_at_one_position() -> None:
    t = make(tq=3, tk=5)
    cut = t.first_tokens(4)
    assert torch.equal(cut.k, t.k[:, :4]) and torch.equal(cut.q, t.q[:, :2])
    assert cut.positions.tolist() == [2, 3]
    for count in (0, 2, 6):
        with pytest.raises(FcimError, match="use 3 to 5"):
            t.first_tokens(count)
