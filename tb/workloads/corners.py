"""The directed corners of :mod:`tb.core.directed` in a configuration of ``config/``, under every stall pattern.

Parameters: ``prob_bits`` replaces the configuration's (a build of its own, short key streams) and runs the corners of narrow
probabilities and full sums instead.
"""

from __future__ import annotations

from dataclasses import replace

from scripts.flow.regress.job import Job, Outcome
from tb.common.stalls import PATTERNS
from tb.core import directed
from tb.workloads.engine import configuration, generator, run_tiles

TOPICS = (directed.maxima, directed.rescales, directed.extremes, directed.saturation, directed.scales,
          directed.probabilities, directed.visibility, directed.framing, directed.lazy, directed.skips,
          directed.joint_starts, directed.partials)
NARROW_TOPICS = (directed.probabilities, directed.lazy, directed.largest_sums, directed.saturated_output)
NARROW_KEYS = 128


def run(job: Job) -> Outcome:
    """All corners in one simulation."""
    cfg, numbers, topics = configuration(job), generator(job), TOPICS
    if "prob_bits" in job.parameters:
        bits = int(job.parameters["prob_bits"])
        cfg, topics = replace(cfg, name=f"{cfg.name}-{bits}", prob_bits=bits, max_keys=NARROW_KEYS), NARROW_TOPICS
    tiles = {f"{topic.__name__}: {name}": tile for topic in topics for name, tile in topic(cfg, numbers).items()}
    return run_tiles(job, cfg, tiles, PATTERNS)[0]
