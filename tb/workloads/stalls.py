"""One stream at a time is much slower than the engine, or takes rows in a rhythm that never fits; random tiles meanwhile.

Parameters: ``tiles``; ``rhythm``: for example ``v.1.40``, the stream (q, k, v, o, part or decision), cycles on and cycles off,
joined by ``+``; ``fused`` and ``skip`` (0, 1, or ``mixed``: drawn for each tile, the default).
"""

from __future__ import annotations

from models.errors import FcimError
from scripts.flow.regress.job import Job, Outcome
from tb.core.sequences import random_tiles
from tb.workloads.engine import configuration, generator, run_tiles
from tb.workloads.order import flagged, some_vanish

STREAMS = {"q", "k", "v", "o", "part", "decision"}


def rhythms(text: str) -> dict[str, tuple[int, int]]:
    """``{stream: (on, off)}`` of ``q.1.9+o.2.30``.

    Raises:
        FcimError: not of that form.
    """
    try:
        parts = [part.split(".") for part in text.split("+")]
        slow = {stream: (int(on), int(off)) for stream, on, off in parts}
    except ValueError:
        slow = {}
    if not slow or set(slow) - STREAMS or any(on < 1 or off < 0 for on, off in slow.values()):
        raise FcimError(f"rhythm '{text}' is illegal; write a stream of q, k, v, o, part, decision, its cycles on and off, "
                        "as in v.1.40+o.2.30")
    return slow


def run(job: Job) -> Outcome:
    """So many random tiles in one simulation."""
    cfg = configuration(job)
    numbers, slow = generator(job), rhythms(str(job.parameters["rhythm"]))
    tiles = some_vanish(cfg, numbers, random_tiles(cfg, numbers, int(job.parameters["tiles"])))
    return run_tiles(job, cfg, flagged(job.parameters, generator(job, "flags"), tiles), slow=slow)[0]
