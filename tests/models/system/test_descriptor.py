"""The descriptor's layout and the rules by which it is refused, against the page that states them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from models.errors import FcimError
from models.hardware.config import EngineConfig
from models.system.descriptor import (
    DESCRIPTOR_BYTES,
    FIELDS,
    Descriptor,
    Flag,
    Limits,
    Op,
    Status,
    check,
    completion_word,
    streamed,
    tile_tokens,
    tiles,
)
from models.system.merge import check_parts
from tb.command_processor.sequences import changed, changes, draw_legal, twice_changed

LIMITS = [Limits(16, 64, 18, 131072, 4096, 512), Limits(4, 24, 10, 1024, 256, 128), Limits(1, 8, 8, 64, 64, 1024)]
LEGAL = Descriptor(op=Op.PREFILL, group=4, tokens=100, first=28, kv_heads=8)


def test_fields_fill_the_descriptor_without_gaps() -> None:
    ends = [field.byte + field.size for field in FIELDS]
    assert [field.byte for field in FIELDS] == [0, *ends[:-1]] and ends[-1] == DESCRIPTOR_BYTES
    assert all(field.byte % field.size == 0 for field in FIELDS)


def test_each_field_lies_at_its_bytes_little_endian(seed: int) -> None:
    generator = np.random.default_rng(seed)
    values = {field.name: int.from_bytes(generator.bytes(field.size), "little") for field in FIELDS}
    data = Descriptor(**values).pack()
    for field in FIELDS:
        assert int.from_bytes(data[field.byte:field.byte + field.size], "little") == values[field.name], field.name
    assert Descriptor.unpack(data) == Descriptor(**values)


@pytest.mark.parametrize(("fields", "message"), [
    ({"op": 256}, "op = 256 does not fit its 8 bits"), ({"tokens": -1}, "tokens = -1 does not fit its 32 bits"),
    ({"q": 1 << 64}, "does not fit its 64 bits"), ({"tag": 1.5}, "tag = 1.5"),
])
def test_what_does_not_fit_is_refused(fields: dict[str, int], message: str) -> None:
    with pytest.raises(FcimError, match=message):
        Descriptor(**{"op": 1, **fields})


def test_other_lengths_are_no_descriptor() -> None:
    with pytest.raises(FcimError, match="128 bytes, not 64"):
        Descriptor.unpack(bytes(64))


@pytest.mark.parametrize("limits", LIMITS)
def test_every_rule_broken_alone_and_in_pairs(limits: Limits, seed: int) -> None:
    generator = np.random.default_rng(seed)
    for op in (*Op, None):
        assert all(check(draw_legal(generator, limits, op), limits) == Status.OK for _ in range(50))
    found = list(changes(limits))
    assert {change.status for change in found} == {Status.UNKNOWN_OP, Status.RESERVED, Status.SIZE, Status.ALIGNMENT}
    for change in found:
        assert check(changed(generator, limits, change), limits) == change.status, change
    assert all(check(twice, limits) not in (Status.OK, Status.ALIGNMENT) for twice in twice_changed(generator, limits))


@pytest.mark.parametrize(("fields", "status"), [
    ({}, Status.OK), ({"op": 3}, Status.UNKNOWN_OP), ({"flags": 0x10}, Status.RESERVED), ({"group": 65}, Status.SIZE),
    ({"group": 64}, Status.OK), ({"kv_heads": 256}, Status.OK), ({"kv_heads": 257}, Status.SIZE),
    ({"first": 131072 - 100}, Status.OK), ({"first": 131072 - 99}, Status.SIZE),
    ({"tau": 8}, Status.OK), ({"tau": 9}, Status.SIZE), ({"octaves": 32}, Status.SIZE), ({"split": 2}, Status.SIZE),
    ({"op": Op.DECODE, "tokens": 16, "split": 16}, Status.OK), ({"op": Op.DECODE, "tokens": 17}, Status.SIZE),
    ({"op": Op.DECODE, "tokens": 1, "split": 32}, Status.SIZE), ({"op": Op.DECODE, "tokens": 1, "split": 3}, Status.SIZE),
    ({"flags": Flag.OWN_START, "first": 3996}, Status.OK), ({"flags": Flag.OWN_START, "first": 3997}, Status.SIZE),
    ({"op": Op.DECODE, "tokens": 1, "flags": Flag.OWN_START}, Status.SIZE), ({"completion": 4}, Status.ALIGNMENT),
    ({"v": 32}, Status.ALIGNMENT), ({"o_head_stride": 128 + 16}, Status.ALIGNMENT), ({"h_table": 64}, Status.OK),
    ({"op": 0, "flags": 0xFF, "group": 0, "q": 1}, Status.UNKNOWN_OP), ({"reserved": 1, "group": 0, "q": 1}, Status.RESERVED),
])
def test_the_page_in_examples(fields: dict[str, int], status: Status) -> None:
    assert check(replace(LEGAL, **fields), LIMITS[0]) == status


def test_tau_is_what_the_merge_unit_bears() -> None:
    cfg = EngineConfig(prob_bits=10, rows=24)
    for split in (1, 2, 4):
        for tau in range(cfg.max_tau() + 1):
            descriptor = Descriptor(op=Op.DECODE, tau=tau, split=split)
            try:
                check_parts(cfg, tau, split)
                bears = True
            except FcimError:
                bears = False
            assert (check(descriptor, LIMITS[1]) == Status.OK) == bears, (tau, split)


def test_what_follows_from_a_descriptor() -> None:
    limits = LIMITS[0]
    assert [tile_tokens(limits, group) for group in (1, 3, 4, 64)] == [64, 21, 16, 1]
    assert [tiles(replace(LEGAL, tokens=tokens), limits) for tokens in (1, 16, 17, 100)] == [1, 1, 2, 7]
    assert [streamed(replace(LEGAL, first=first), limits) for first in (3996, 3997)] == [False, True]
    assert not streamed(replace(LEGAL, op=Op.DECODE, first=5000), limits)
    assert completion_word(0x1234_5678, Status.ENGINE) == 0x8_1234_5678
