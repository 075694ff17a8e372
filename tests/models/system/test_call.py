"""Which call a layer of a running model becomes."""

from __future__ import annotations

import pytest
import torch

from models.errors import FcimError
from models.hardware.schedules import TileOptions
from models.hardware.tile import QuantisedGroup
from models.system.call import layer_call
from models.system.config import load_system

TINY = load_system("tiny")
DIM = TINY.engine.head_dim


def group(tokens: int, keys: int, heads: int = 2) -> QuantisedGroup:
    """A KV head of zeros."""
    k = torch.zeros(keys, DIM, dtype=torch.int8)
    return QuantisedGroup(
        q=torch.zeros(heads, tokens, DIM, dtype=torch.int8), q_mult=torch.zeros(heads, tokens, dtype=torch.int64),
        q_pos=torch.arange(keys - tokens, keys), k=k, k_mult=torch.zeros(keys, dtype=torch.int64), v=k,
        v_scale=torch.zeros(DIM), shift=0)


@pytest.mark.parametrize(("tokens", "keys", "split", "own_start"), [
    (1, 1, None, True), (2, 2, None, True), (2, 9, None, True), (9, TINY.buffer_keys, None, True),
    (9, TINY.buffer_keys + 1, None, False), (1, 2, TINY.engines, False), (1, 3 * TINY.buffer_keys, TINY.engines, False)])
def test_the_call_of_a_layer(tokens: int, keys: int, split: int | None, own_start: bool) -> None:
    """One token after others is a decode over all engines; a prefill has starts of its own where its keys fit the buffer."""
    call = layer_call(TINY, [group(tokens, keys)] * 3, TileOptions(fused=True, tau=1))
    assert (call.split, call.own_start, call.tokens, call.keys) == (split, own_start, tokens, keys)
    assert call.options == TileOptions(fused=True, tau=1) and len(call.groups) == 3


@pytest.mark.parametrize(("tokens", "keys", "heads"), [
    (1, TINY.engine.max_keys + 1, 2), (2, TINY.engine.max_keys + 1, 2), (1, 9, TINY.engine.rows + 1)])
def test_what_does_not_fit_is_refused(tokens: int, keys: int, heads: int) -> None:
    with pytest.raises(FcimError, match="exceed|do not fit"):
        layer_call(TINY, [group(tokens, keys, heads)], TileOptions())
