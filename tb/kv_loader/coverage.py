"""Coverpoints of ``fcim_kv_loader`` and their samplers."""

from __future__ import annotations

from tb.common.coverage import BenchCoverGroup, numbers, points_of, sampler
from tb.common.stream import Beat
from tb.kv_loader.model import DECODE, MODES, RESIDENT, Model, Sizes

point = points_of("fcim_kv_loader")

DIRECTIONS = ("up", "down")
LENGTHS = ("one block", "less than the pages", "as many as pages", "more than the pages")
COVERPOINTS = (
    point("kv_loader.engines", "Numbers of engines", numbers(1, 2, 4, 8, 16)),
    point("kv_loader.width", "Widths of a beat", numbers(128, 256, 512, 1024)),
    point("kv_loader.run", "Runs of every mode, up and down", axes=(("mode", MODES), ("goes", DIRECTIONS))),
    point("kv_loader.length", "Their lengths beside the pages that they may use; a resident head has no more", tuple(
        f"{mode}, {length}" for mode in MODES for length in LENGTHS if (mode, length) != (RESIDENT, LENGTHS[3]))),
    point("kv_loader.pages", "Pages of a slot that are in use when it asks for a block", axes=(
        ("mode", MODES), ("in use", ("none", "some", "all but one")))),
    point("kv_loader.ring", "A resident head's place in the ring", ("as it is", "past the ring's end")),
    point("kv_loader.before", "The head before, when a head asks for a block", ("free", "in the buffer")),
    point("kv_loader.slots", "Other slots that wait when a block of a decode is asked for", ("none", "one", "several")),
)
GROUP = BenchCoverGroup(COVERPOINTS)


@sampler
def sample_sizes(sizes: Sizes) -> None:
    """Parameters of a run of the bench."""
    GROUP.sample("kv_loader.engines", str(sizes.engines))
    GROUP.sample("kv_loader.width", str(8 * sizes.width))


@sampler
def sample_run(beat: Beat, model: Model) -> None:
    """A run that was taken; the model has not seen it yet."""
    mode, blocks = model.call.mode, beat["blocks"]
    share = model.sizes.share(mode)
    GROUP.sample("kv_loader.run", f"{mode}, {DIRECTIONS[beat['descending']]}")
    GROUP.sample("kv_loader.length", f"{mode}, " + (
        LENGTHS[0] if blocks == 1 else LENGTHS[1] if blocks < share else LENGTHS[2] if blocks == share else LENGTHS[3]))
    if mode == RESIDENT:
        GROUP.sample("kv_loader.ring", "past the ring's end" if model.ring + blocks > model.sizes.pages else "as it is")


@sampler
def sample_block(model: Model, slot: int) -> None:
    """A block of the slot was asked for."""
    mode, run = model.call.mode, model.runs[slot]
    share, used = model.sizes.share(mode), len(run.pages) - 1
    GROUP.sample("kv_loader.pages", f"{mode}, " + ("none" if used == 0 else "all but one" if used == share - 1 else "some"))
    if mode == RESIDENT:
        GROUP.sample("kv_loader.before", "in the buffer" if len(model.used()) > len(run.pages) else "free")
    if mode == DECODE:
        others = sum(other != slot for other in model.waiting())
        GROUP.sample("kv_loader.slots", "none" if not others else "one" if others == 1 else "several")
