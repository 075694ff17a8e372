"""The monitor that records streams inside the simulator."""

from __future__ import annotations

from scripts.flow.simulator import RunOptions, run_bench
from tb.core.run import PLAYER
from tb.hdl.bench_stream_recorder import WIDTH


def test_stream_recorder(seed: int) -> None:
    """Under Icarus, since X and Z are among the inputs."""
    run_bench("tb_stream_recorder", "tb.hdl.bench_stream_recorder", {"WIDTH": WIDTH, "READY_CHANGES": 1},
              RunOptions(sim="icarus", seed=seed, sources=PLAYER))
