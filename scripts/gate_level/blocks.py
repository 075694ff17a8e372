"""The blocks whose gates are simulated and compared with the RTL, each with its bench and a small set of parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from models.errors import FcimError
from scripts.flow.gates import yosys
from scripts.flow.regress.job import Job
from scripts.flow.sources import ROOT
from scripts.synth.elaborate import PREFIX
from scripts.synth.netlists import Netlist, netlist

FOLDER = ROOT / "build" / "synth"       # of make synth: gates that one of them made serve the other
RTL, SUMS, NOT_CLOSED = "from the RTL", "from merged sums", "not closed"      # what of a block's gates is proven


@dataclass(frozen=True)
class GateBlock:
    """A block at one set of parameters. ``proof``: what the solver must prove of its gates; ``tests``: of its bench those that
    run on them, None for all."""

    name: str
    parameters: Mapping[str, int] = field(default_factory=dict)
    proof: str = RTL
    tests: tuple[str, ...] | None = None

    @property
    def top(self) -> str:
        """Its module."""
        return PREFIX + self.name

    @property
    def bench(self) -> str:
        """Its cocotb tests."""
        return f"tb.{self.name}.bench_{self.name}"

    def gates(self) -> Netlist:
        """Its netlist.

        Raises:
            FcimError: yosys refuses it.
        """
        return netlist(self.top, self.parameters, FOLDER)


ENGINE = {"ROWS": 8, "HEAD_DIM": 16, "BITS_PER_CYCLE": 1, "KEYS_PER_BLOCK": 8, "PROB_BITS": 8, "MAX_KEYS": 64}


def _of_engine(*names: str, **more: int) -> dict[str, int]:
    return {**{name: ENGINE[name] for name in names}, **more}


BLOCKS = {block.name: block for block in (
    GateBlock("ip_cim", _of_engine("ROWS", "HEAD_DIM", "BITS_PER_CYCLE", USER_BITS=1), proof=NOT_CLOSED),
    GateBlock("op_cim", ENGINE, proof=NOT_CLOSED),
    GateBlock("acc_update", {"LANES": 1, "COLUMNS": 1, "ACC_BITS": 22, "OP_LANE": 19, "BSUM_BITS": 11}),
    GateBlock("score_lanes", {"LANES": 1, "HEAD_DIM": 16, "POS_BITS": 7}, proof=SUMS),
    GateBlock("score_scaler", _of_engine("ROWS", "HEAD_DIM", "BITS_PER_CYCLE", "KEYS_PER_BLOCK", POS_BITS=7), proof=SUMS),
    GateBlock("exp2", {"LANES": 1, "PROB_BITS": 14}),
    GateBlock("row_max", {"LANES": 1, "BITS_PER_CYCLE": 1, "PROB_BITS": 8}),
    GateBlock("block_exponential", _of_engine("ROWS", "KEYS_PER_BLOCK", "PROB_BITS", "MAX_KEYS", BITS_PER_CYCLE=2)),
    GateBlock("online_softmax", ENGINE, NOT_CLOSED, ("random_tiles/pattern=none", "random_tiles/pattern=both", "largest_sums")),
    GateBlock("divider", {"LANES": 2, "ACC_BITS": 22, "SUM_BITS": 14}),
    GateBlock("row_divider", {"HEAD_DIM": 16, "COLUMNS": 2, "ACC_BITS": 22, "SUM_BITS": 14}),
    GateBlock("normalizer", _of_engine("ROWS", "HEAD_DIM", "BITS_PER_CYCLE", ACC_BITS=22, SUM_BITS=14)),
    GateBlock("merge", _of_engine("HEAD_DIM", "PROB_BITS", "MAX_KEYS", PARTS=3, BITS_PER_CYCLE=2)),
    GateBlock("q_loader", _of_engine("ROWS", "HEAD_DIM", POS_BITS=7), proof=NOT_CLOSED),
    GateBlock("v_buffer", _of_engine("HEAD_DIM", "KEYS_PER_BLOCK", SLOTS=2)),
    GateBlock("key_scheduler", {"KEYS_PER_BLOCK": 8, "MAX_KEYS": 128}),
    GateBlock("block_queue", {"BLOCKS_AHEAD": 8, "KEYS_PER_BLOCK": 8, "MAX_KEYS": 64}),
    GateBlock("tile_tracker"),
    GateBlock("counters", {"COUNT": 2, "INC_BITS": 48}),
)}


def block_of(job: Job) -> GateBlock:
    """The block that the job's parameter ``block`` names.

    Raises:
        FcimError: there is no such block.
    """
    name = str(job.parameters.get("block"))
    if name not in BLOCKS:
        raise FcimError(f"block = '{name}' has no gates here; use {', '.join(sorted(BLOCKS))}")
    return BLOCKS[name]


def missing() -> str:
    """Why there can be no gates here, nothing if there can."""
    try:
        yosys.require()
    except FcimError as error:
        return str(error)
    return ""
