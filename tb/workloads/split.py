"""Decoding with the keys of a tile shared out over several engines: what each has of the rows through the merge unit.

The engines are the golden model's, the merge unit is the RTL. Parameters: ``layer`` of the fixture model, ``keys``, ``parts``,
``tokens`` (default 1), ``tau`` (default 0), ``fused`` (default 0), ``pattern`` (a stall pattern; default none).
"""

from __future__ import annotations

import hashlib

import numpy as np
import torch

from models.hardware.quantise import quantise
from models.hardware.tiling import build_tiles
from models.system.merge import merged_output, partial_results
from models.tensors.fit import fit_tensors
from scripts.flow.gates.readers import unit_parameters
from scripts.flow.regress.job import Job, Outcome
from scripts.flow.simulator import BenchFailed, RunOptions, run_bench
from tb.workloads.attention import FIXTURE, model_layer
from tb.workloads.engine import configuration, patterns

TOP, BENCH = "fcim_merge", "tb.merge.bench_vectors"
FEWEST = 2      # parts of the unit


def run(job: Job) -> Outcome:
    """Every head of one layer."""
    torch.set_num_threads(1)
    cfg, p = configuration(job), job.parameters
    tensors = fit_tensors(model_layer(FIXTURE, int(p["layer"]), int(p["keys"])), cfg).last_queries(int(p.get("tokens", 1)))
    vectors, cycles, rows, shifted = job.folder / "vectors.npz", job.folder / "cycles.txt", 0, 0
    arrays: dict[str, np.ndarray] = {}
    tiles = [tile for group in quantise(tensors)
             for tile in build_tiles(cfg, group, int(p.get("tau", 0)), fused=bool(p.get("fused", 0)))]
    for number, tile in enumerate(tiles):
        parts = partial_results(cfg, tile, int(p["parts"]))
        out, empty = merged_output(parts)
        maxima = torch.stack([part.row_max for part in parts])
        rows, shifted = rows + len(out), shifted + int((maxima != maxima.amax(0)).sum())
        for name, value in (("acc", torch.stack([part.acc for part in parts])), ("max", maxima), ("out", out), ("empty", empty),
                            ("sum", torch.stack([part.row_sum for part in parts]))):
            arrays[f"{name}_{number}"] = value.numpy()
    np.savez(vectors, **arrays)
    metrics: dict[str, int | float | str] = {"tiles": len(tiles), "rows": rows, "shifted rows of parts": shifted, "mismatches": 0}
    environment = {"FCIM_VECTORS": str(vectors), "FCIM_CYCLES": str(cycles), "FCIM_PATTERN": patterns(job)[0]}
    try:
        result = run_bench(TOP, BENCH, unit_parameters(TOP, cfg) | {"PARTS": max(int(p["parts"]), FEWEST)}, RunOptions(
            sim=job.sim, seed=job.seed, waves=job.waves, repeat=job.repeat, extra_env=environment))
    except BenchFailed as failure:
        return Outcome(False, str(failure), metrics, log=failure.result.log, waves=failure.result.waves)
    digest = hashlib.sha256(cycles.read_bytes() + b"".join(arrays[f"out_{number}"].tobytes() for number in range(len(tiles))))
    return Outcome(True, metrics=metrics | {"cycles": int(cycles.read_text().split()[-1])}, digest=digest.hexdigest()[:16],
                   log=result.log, waves=result.waves)
