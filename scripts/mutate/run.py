"""Run the benches on faulty copies of the RTL, and keep what came of it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

from models.errors import FcimError
from scripts.flow.mutants import Mutant
from scripts.flow.processes import check_not_ending
from scripts.flow.progress import Told
from scripts.flow.sources import REPLACED, ROOT
from scripts.mutate.choice import Bench, Design, digest

RESULTS, BENCH_SEED, TIMEOUT = "results.jsonl", "1", 1800      # the seed of tests of faults; seconds for the tests of one bench
KILLED, INVALID, ALIVE = "killed", "invalid", "alive"


@dataclass(frozen=True)
class Verdict:
    """What became of a mutant: killed (by the tests of the module ``by``), invalid, or alive after all of ``asked``."""

    mutant: Mutant
    state: str
    by: str = ""
    why: str = ""
    asked: tuple[str, ...] = ()


@dataclass
class Kept:
    """The outcomes in a file of a line each; the last of a key counts, and a line that was cut short does not."""

    file: Path
    known: dict[str, dict[str, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.file.is_file():
            for line in self.file.read_text().splitlines():
                with contextlib.suppress(ValueError, KeyError, TypeError):
                    entry = json.loads(line)
                    self.known[entry["key"]] = entry

    def add(self, entry: dict[str, str]) -> None:
        """Keep one more, on disk at once."""
        with self.file.open("a") as file:
            file.write(json.dumps(entry) + "\n")
        self.known[entry["key"]] = entry


Ask = Callable[[Path, Sequence[str]], dict[str, str]]
"""Runs tests on the files of a folder; gives outcome, test and why."""


def ask(folder: Path, nodes: Sequence[str]) -> dict[str, str]:
    """Run tests in a process of their own with the RTL that lies in ``folder``; one that takes too long has failed."""
    check_not_ending()
    result = folder / "result.json"
    environment = {**os.environ, REPLACED: str(folder), "FCIM_RUNS": str(folder / "runs"), "SEED": BENCH_SEED, "SIM": "icarus"}
    with (folder / "log").open("w") as log:
        command = [sys.executable, "-m", "scripts.mutate.worker", str(result), *nodes]
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log, start_new_session=True)
        try:
            process.wait(TIMEOUT)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            process.wait()
            return {"outcome": "failed", "test": nodes[0], "why": f"not done after {TIMEOUT} seconds"}
    check_not_ending()
    if not result.is_file():
        return {"outcome": "error", "test": nodes[0], "why": (folder / "log").read_text()[-300:]}
    return json.loads(result.read_text())


def lay_out(folder: Path, path: Path, file: str, text: str) -> None:
    """A file of the RTL with another text, and the headers beside it."""
    place = folder / file
    place.parent.mkdir(parents=True)
    place.write_text(text)
    for header in path.parent.glob("*.vh"):
        shutil.copy(header, place.parent)


class Runner:
    """Tries mutants; ``work`` is a folder for copies, ``kept`` what is known already."""

    def __init__(self, design: Design, work: Path, kept: Kept, asked: Ask = ask) -> None:
        self.design, self.work, self.kept, self.ask = design, work, kept, asked
        self.digests: dict[str, str] = {}
        self.locks: dict[str, Lock] = {}
        self.runs = 0

    def key(self, bench: Bench, mutant: Mutant | None) -> str:
        """Names an outcome by all that it depends on."""
        if bench.module not in self.digests:
            self.digests[bench.module] = digest(bench, self.design)
        return f"{mutant.id if mutant else 'original'} {bench.module} {self.digests[bench.module]}"

    def outcome(self, bench: Bench, mutant: Mutant | None) -> dict[str, str]:
        """What the bench says, from what is kept or by running it. ``mutant`` None: of the RTL as it is."""
        key = self.key(bench, mutant)
        if key in self.kept.known:
            return self.kept.known[key]
        folder = self.work / key.replace(" ", "-")
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        if mutant:
            path = self.design.files[mutant.module]
            lay_out(folder, path, mutant.file, mutant.applied(path.read_text()))
        begin = time.monotonic()
        found = self.ask(folder, bench.nodes)
        self.runs += 1
        shutil.rmtree(folder, ignore_errors=True)
        entry = {"key": key, **found, "seconds": f"{time.monotonic() - begin:.1f}"}
        if found["outcome"] != "error":
            self.kept.add(entry)
        return entry

    def check(self, bench: Bench) -> None:
        """The bench passes on the RTL as it is; asked once, before the first mutant.

        Raises:
            FcimError: it is red, or cannot be run.
        """
        with self.locks.setdefault(bench.module, Lock()):
            said = self.outcome(bench, None)
        if said["outcome"] != "passed":
            raise FcimError(f"the tests of {bench.module} are red without a fault ({said['why']}); "
                            f"run: make test TEST='{said['test'] or bench.nodes[0]}' SEED={BENCH_SEED}")

    def judge(self, mutant: Mutant, benches: Sequence[Bench]) -> Verdict:
        """Ask bench after bench until one is red.

        Raises:
            FcimError: a bench could not be run, or is red without a fault.
        """
        for bench in benches:
            self.check(bench)
            found = self.outcome(bench, mutant)
            if found["outcome"] == "error":
                raise FcimError(f"the tests of {bench.module} could not be run on mutant {mutant.id}: {found['why']}")
            refused = found["outcome"] == "invalid"
            if found["outcome"] == "failed" or (refused and mutant.operator == "legality"):
                return Verdict(mutant, KILLED, bench.module, f"{found['test']}: {found['why']}")
            if refused:
                return Verdict(mutant, INVALID, bench.module, found["why"])
        return Verdict(mutant, ALIVE, asked=tuple(node for bench in benches for node in bench.nodes))

    def run(self, mutants: Sequence[Mutant], chains: Mapping[str, Sequence[Bench]], jobs: int, told: Told) -> list[Verdict]:
        """All of them, ``jobs`` at a time.

        Raises:
            FcimError: a bench is red, or cannot be run, without any fault.
        """
        found: dict[str, Verdict] = {}
        total, done = len(mutants), 0
        with ThreadPoolExecutor(jobs) as pool:
            try:
                told("starting", 0, total)
                waiting = {pool.submit(self.judge, mutant, chains[mutant.module]): mutant for mutant in mutants}
                for future in as_completed(waiting):
                    verdict = future.result()
                    found[verdict.mutant.id] = verdict
                    done += 1
                    told(f"{verdict.mutant.module} {verdict.mutant.operator} {verdict.mutant.id}: {verdict.state}", done, total)
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        return [found[mutant.id] for mutant in mutants]
