"""A workload of the regression: a solver compares a block's gates with its RTL. No simulator takes part in it.

Yosys' own reader reads the RTL, not the one from which gates are made. A block whose sums are too deep for the solver is compared
after yosys has merged its additions as synthesis does (alumacc): then that step is not a part of the proof.

Parameters: ``block``.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from scripts.flow.gates import yosys
from scripts.flow.gates.equivalence import DIFFERENT, PROVEN, SIDES, Verdict, prove
from scripts.flow.gates.readers import read_command
from scripts.flow.regress.job import Job, Outcome
from scripts.gate_level.blocks import NOT_CLOSED, SUMS, GateBlock, block_of, missing
from scripts.synth.netlists import SUFFIX, shell

SECONDS, SHORT = 400, 60        # for a proof that closes, and for the attempt at one that does not
MERGED = "wreduce -keepdc\npeepopt\nopt_clean\nalumacc\nshare\nopt -keepdc -noff\n"
MEMORIES = "memory -nomap -nordff\nmemory_map -keepdc\n"


def compare(block: GateBlock, files: Sequence[Path], folder: Path, level: str, seconds: float) -> Verdict:
    """The RTL of a block and a netlist of it with its cells, each in a shell with the block's ports, since yosys' reader does not
    take parameters of a top that has others in it.

    Raises:
        yosys.YosysFailed: yosys refuses one of them.
    """
    shells = (shell(block.top, SIDES[0], block.top, block.parameters, hand_on=True),
              shell(block.top, SIDES[1], f"{block.top}{SUFFIX}", block.parameters))
    for name, text in zip(SIDES, shells, strict=True):
        (folder / f"{name}.v").write_text(text)
    rtl = (f"read_verilog -sv -defer {folder}/{SIDES[0]}.v\n{read_command('verilog', SIDES[0], {})}proc\nflatten\n"
           f"opt -keepdc -noff\n{MERGED if level == SUMS else ''}{MEMORIES}")
    gates = (f"read_verilog -sv {' '.join(map(str, files))} {folder}/{SIDES[1]}.v\nhierarchy -check -top {SIDES[1]}\n"
             f"proc\nflatten\nopt -keepdc -noff\n{MEMORIES}")
    return prove(rtl, gates, folder, seconds)


def run(job: Job) -> Outcome:
    """One block."""
    block, why = block_of(job), missing()
    if why:
        return Outcome(False, skipped=why)
    gates = block.gates()
    level = SUMS if block.proof == NOT_CLOSED else block.proof
    try:
        verdict = compare(block, gates.files[1:], job.folder, level, SHORT if block.proof == NOT_CLOSED else SECONDS)
    except yosys.YosysFailed as failure:
        return Outcome(False, str(failure))
    for big in job.folder.glob("*.json"):
        if big.stem in SIDES:
            big.unlink()
    metrics: dict[str, int | float | str] = {
        "equal": level if verdict.state == PROVEN else "different" if verdict.state == DIFFERENT else verdict.why,
        "registers": verdict.registers, "outputs": verdict.outputs, "without a partner": verdict.alone}
    passed = verdict.state == PROVEN or (block.proof == NOT_CLOSED and verdict.state != DIFFERENT)
    return Outcome(passed, "" if passed else f"{block.name}, {level}: {verdict.state}: {verdict.why}", metrics)
