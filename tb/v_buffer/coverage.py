"""Coverpoints of ``fcim_v_buffer`` and their samplers."""

from __future__ import annotations

from tb.common.coverage import BenchCoverGroup, one_some_all, points_of, sampler

point = points_of("fcim_v_buffer")

COVERPOINTS = (
    point("v_buffer.full", "Complete blocks in rings of two and of three",
          axes=(("slots", ("2", "3")), ("complete", ("0", "1", "2", "3"))), illegal={"2, 3": "a ring of two holds two"}),
    point("v_buffer.traffic", "Both sides of the ring at once, and its ends",
          ("value taken, slice read", "block completed and block given back at once", "value waits: full",
           "given back while full", "no block to read")),
    point("v_buffer.block", "Sizes of blocks, with the tile's end and without",
          ("one key, last", "some keys, last", "all keys, last", "all keys, more follow")),
    point("v_buffer.slice", "Slices that are read", ("first", "between", "last")),
)
GROUP = BenchCoverGroup(COVERPOINTS)


@sampler
def sample_cycle(slots: int, complete: int, valid: bool, read: bool, popped: bool, completes: bool) -> None:
    """One cycle of the ring: complete blocks, a value offered, a slice read, a block given back, a block completed."""
    GROUP.sample("v_buffer.full", f"{slots}, {complete}")
    full = complete == slots
    for name, happened in (("value taken, slice read", valid and not full and read),
                           ("block completed and block given back at once", completes and popped),
                           ("value waits: full", valid and full), ("given back while full", popped and full),
                           ("no block to read", complete == 0)):
        GROUP.sample("v_buffer.traffic", name, int(happened))


@sampler
def sample_block(size: int, last: bool, keys: int) -> None:
    """A complete block."""
    kind = {"one": "one key", "some": "some keys", "all": "all keys"}[one_some_all(size, keys)]
    GROUP.sample("v_buffer.block", f"{kind}, {'last' if last else 'more follow'}")


@sampler
def sample_slice(number: int, keys: int) -> None:
    """A slice that is read."""
    GROUP.sample("v_buffer.slice", "first" if number == 0 else "last" if number == keys - 1 else "between")
