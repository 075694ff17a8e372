"""The designs on one chip: sums by hand, limits that no design may break, and what a quicker memory or a wider port changes."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from models.comparison import linear
from models.comparison.accelerator import accelerator, accelerator_activity, peak, variant
from models.comparison.chip import Layer, Memories, Outcome, Traffic, layer_of
from models.comparison.stationary import KvStationary, kv_stationary_chip
from models.comparison.unfused import Unfused, unfused_chip
from models.energy.events import Events
from models.errors import FcimError
from models.system.config import load_system
from models.tensors.synthetic import synthetic_tensors

TOKENS = 256
FREE = Memories(math.inf, port=math.inf)
STATIONARY = (KvStationary(), KvStationary(overlap=False), KvStationary(1, 64), KvStationary(1, 64, overlap=False),
              KvStationary(4))
UNFUSED = (Unfused(), Unfused(overlap=True), Unfused(spill=False), Unfused(spill=False, overlap=True), Unfused(8))


@pytest.fixture(scope="module")
def layer() -> Layer:
    return layer_of(synthetic_tensors("llama3-8b", TOKENS, 1))


def outcome(design: KvStationary | Unfused, layer: Layer, memories: Memories, counted: bool = False) -> Outcome:
    work = kv_stationary_chip if isinstance(design, KvStationary) else unfused_chip
    return work(design, layer, memories, counted)


def test_a_layer_is_a_prefill(layer: Layer) -> None:
    assert (layer.heads, layer.group, layer.tokens, layer.head_dim) == (8, 4, TOKENS, 128)
    assert layer.visible == 32 * TOKENS * (TOKENS + 1) // 2
    with pytest.raises(FcimError, match="a query for every key"):
        layer_of(synthetic_tensors("llama3-8b", TOKENS, 1, queries=1))


def test_traffic_by_hand() -> None:
    """What is spilled goes and comes; rows of O pass no buffer; what comes in from outside is written into it."""
    moved = Traffic(read=1000, written=300, filled=500, out=200, spilled=50)
    assert moved.dram == (550, 250) and moved.buffer == 1800
    assert moved.bounds(7, Memories(51.2, port=100)) == {"macros": 7, "buffer": 10, "memory": 800 / 128}
    events = moved.events(Events(cycles=1, exponentials=3), 99)
    assert (events.cycles, events.exponentials) == (99, 3)
    assert (events.buffer_read_bytes, events.buffer_written_bytes) == (1000, 800)
    assert (events.dram_read_bytes, events.dram_written_bytes, events.stage_read_bytes) == (550, 250, 800)


@pytest.mark.parametrize("design", [*STATIONARY, *UNFUSED], ids=repr)
def test_no_design_does_less_than_it_must(design: KvStationary | Unfused, layer: Layer) -> None:
    """Q, K and V come in and O leaves once at least; no product is quicker than all macros; the slowest part decides."""
    found = outcome(design, layer, Memories())
    vectors = layer.tokens * layer.head_dim * layer.heads
    assert found.dram_bytes >= vectors * (4 * (1 + 2) + 2)
    assert found.cell_bits >= 8 * vectors * 2
    assert found.bounds["macros"] >= 2 * layer.visible * layer.head_dim / peak(load_system("default"))
    assert found.cycles == max(found.bounds.values()) + 100
    assert found.bounds["memory"] == found.dram_bytes / 128


@pytest.mark.parametrize("design", [*STATIONARY[:3], *UNFUSED[:4]], ids=repr)
def test_memories_only_help(design: KvStationary | Unfused, layer: Layer) -> None:
    slow, usual, free = (outcome(design, layer, memories).cycles for memories in (Memories(25.6), Memories(), FREE))
    assert free < usual <= slow


def test_work_beside_work_only_helps(layer: Layer) -> None:
    for one, other in ((STATIONARY[0], STATIONARY[1]), (STATIONARY[2], STATIONARY[3]), (UNFUSED[3], UNFUSED[2])):
        assert outcome(one, layer, FREE).cycles <= outcome(other, layer, FREE).cycles


@pytest.mark.parametrize("design", [KvStationary(), Unfused()], ids=repr)
def test_the_quickest_number_of_macros_is_taken(design: KvStationary | Unfused, layer: Layer) -> None:
    best = outcome(design, layer, Memories())
    macros = int(best.choice.split()[0])
    choices = {n: outcome(replace(design, macros=n), layer, Memories()) for n in (4, 8, 16)}
    assert best.cycles <= min(other.cycles for other in choices.values())
    assert outcome(replace(design, macros=macros), layer, Memories()).cycles == best.cycles


@pytest.mark.parametrize("design", [KvStationary(4), Unfused(8)], ids=repr)
def test_events_are_those_of_all_heads(design: KvStationary | Unfused, layer: Layer) -> None:
    found = outcome(design, layer, Memories(), counted=True)
    assert found.events is not None
    assert found.events.useful_macs == 2 * layer.visible * layer.head_dim
    assert found.events.exponentials == layer.visible
    assert found.events.cell_bits_written == found.cell_bits
    assert found.events.dram_read_bytes + found.events.dram_written_bytes == found.dram_bytes
    assert found.events.buffer_read_bytes + found.events.buffer_written_bytes == found.buffer_bytes
    assert found.events.cycles == found.cycles


def test_all_designs_meet_the_same_products(layer: Layer) -> None:
    """QK^T has the same operands everywhere: pairs of set bits differ by what lies beyond the diagonal in a tile alone."""
    own = accelerator_activity(layer, load_system("default"))
    assert own.total.stats.rows == layer.tokens * layer.group
    pairs = [outcome(design, layer, Memories(), counted=True).events for design in (KvStationary(4), Unfused(8))]
    assert all(found is not None for found in pairs)
    kv, unfused = pairs
    assert kv is not None and unfused is not None
    # p differs where a row's maximum is not yet its last; that is little of all pairs
    assert kv.inner_pairs == pytest.approx(unfused.inner_pairs, rel=0.1)


def test_the_accelerator_is_its_own_model(layer: Layer) -> None:
    system = load_system("default")
    activity = accelerator_activity(layer, system)
    found, bare = accelerator(layer, Memories(), system, activity), accelerator(layer, Memories(), system)
    assert found.cycles == bare.cycles and bare.events is None and found.events is not None
    assert found.events.useful_macs == 2 * layer.visible * layer.head_dim
    assert found.dram_bytes == found.events.dram_read_bytes + found.events.dram_written_bytes
    quick = [accelerator(layer, Memories(gbs), system).cycles for gbs in (51.2, 102.4, 1000.0)]
    assert quick[0] > quick[1] == quick[2]      # its port takes no more


def test_variants_of_the_engine() -> None:
    assert variant(prob_bits=12).engine.prob_bits == 12 and variant().engine == load_system("default").engine
    with pytest.raises(FcimError, match="keys_per_block"):
        variant(keys_per_block=24)


@pytest.mark.parametrize("macros", [3, 32])
def test_macros_that_do_not_divide_the_chip(macros: int, layer: Layer) -> None:
    with pytest.raises(FcimError, match="do not divide the chip's 16"):
        kv_stationary_chip(KvStationary(macros), layer, Memories())


def test_linear_layers_by_hand() -> None:
    """LLaMA-3-8B: 41.9 M weights of projections, 176 M of the feed-forward network; at 512 tokens products decide."""
    assert linear.LLAMA3_8B.projections == 4096 * (4096 + 1024 + 1024 + 4096) == 41_943_040
    assert linear.LLAMA3_8B.network == 3 * 4096 * 14336
    assert linear.cycles(1000, 10, 512, peak=10, beat=math.inf) == 51_200
    assert linear.cycles(1000, 10, 1024, peak=10**9, beat=1) == 1000 * 2 + 1024 * 10 + 1024 * 100
    assert torch.tensor(linear.milliseconds(linear.LLAMA3_8B, 512, 32768, 128.0)).gt(0).all()
