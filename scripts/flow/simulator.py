"""Build a Verilog top and run cocotb tests on it; the one way by which the project starts a simulator."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import logging
import os
import re
import shlex
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

from cocotb_tools.runner import Runner, VerilatorControlFile, get_runner
from filelock import FileLock

from models.errors import FcimError
from models.place import BUILD, CHECKOUT, PLACE
from scripts.flow.bench_environment import machine, own_environment
from scripts.flow.coverage.database import APART, SUFFIX
from scripts.flow.processes import ELSEWHERE, check_not_ending
from scripts.flow.seeds import choose_seed
from scripts.flow.sources import ROOT, replacements, rtl_files

TOOL_BIN = ROOT / ".tools" / "verilator" / "bin"
TIMESCALE = ("1ns", "1ps")
PROGRAM = {"icarus": "iverilog", "verilator": "verilator"}
VERSION = {"icarus": ("-V", "11.0"), "verilator": ("--version", "5.036")}    # what prints it, the oldest that runs the benches
FAST_ARRAYS = "-DFCIM_FAST_SIM"     # the text of the macros' arrays that is quick to simulate; without it the one for synthesis
BUILD_ARGS = {
    "icarus": [],  # cocotb's runner gives -g2012 itself
    # The runner makes every signal public, which keeps Verilator from optimising; benches look at the top's alone.
    "verilator": ["-Wno-fatal", "-O3", "--x-assign", "unique", "--x-initial", "unique", "--no-public-flat-rw",
                  "-CFLAGS", "-O2 -march=native"],
}
# Nothing checked, nothing random: for speed alone.
FASTEST_ARGS = ("-Wno-fatal", "-O3", "--x-assign", "fast", "--x-initial", "fast", "--no-public-flat-rw", "--no-assert",
                "-CFLAGS", "-O3 -march=native")
PUBLIC = '`verilator_config\npublic_flat_rw -module "{top}" -var "*"\n'
# Without a width Verilator gives signals of more than 256 bits no toggle points at all.
COVERAGE_ARGS = ["--coverage-line", "--coverage-expr", "--coverage-toggle", "--coverage-max-width", "2048"]
COPIES = BUILD    # where temporary folders may lie within the project
LOG_TAIL = 25
NOT_SET = re.compile(r"warning: parameter (\w+) not found in")
ROLL_CALL, ROLL = "scripts.flow.roll_call", "tests.json"   # the module that lists a bench's tests, and the file that it writes


waves_by_default = False     # pytest's configuration says it: make test WAVES=1


@dataclass(frozen=True)
class RunOptions:
    """How a bench is built and run, whatever the design: what every function that starts a simulator takes and hands on.

    Attributes:
        sim: "icarus" or "verilator"; None means the environment's SIM, else Icarus.
        seed: None means the environment's SEED, else a new one.
        waves: write a waveform; None means what a test run was asked for, see ``waves_by_default``.
        sources: Verilog files; None means all of ``fusioncim.f``.
        build_root: a relative path counts from where ``build`` is: the root of a checkout.
        build_args: the simulator's options for the build instead of the usual ones.
        samples_only: of coverage take the bench's samples alone, also where sources are not the RTL's own files.
        apart: of code coverage keep the instances of a module apart, which makes a large design's data many times as large.
        fast_arrays: the macros' arrays in the text that is quick to simulate; False takes the text for synthesis.
        testcase: name or names of the tests to run; None means all. Each of them must have run.
        extra_env: environment variables for the bench (for example the path of its vectors).
        repeat: the command that repeats this run; by default ``make test`` with the current pytest test.
        check: raise on failure; with False the caller must look at :attr:`BenchResult.ok`.
    """

    sim: str | None = None
    seed: int | None = None
    waves: bool | None = None
    sources: Sequence[Path | str] | None = None
    build_root: Path | str = "build/rtl"
    build_args: Sequence[str] | None = None
    samples_only: bool = False
    apart: bool = False
    fast_arrays: bool = True
    testcase: str | Sequence[str] | None = None
    extra_env: Mapping[str, str] = field(default_factory=dict)
    repeat: str | None = None
    check: bool = True


USUAL = RunOptions()


@dataclass(frozen=True)
class BenchResult:
    """What one run gave. ``failures`` names each failed test with the first line of its message; seconds are those of the clock,
    and those of the build include waiting for another one's."""

    passed: int
    failed: int
    results_xml: Path
    log: Path
    seed: int
    waves: Path | None = None
    failures: tuple[str, ...] = ()
    build_seconds: float = 0.0
    run_seconds: float = 0.0

    @property
    def ok(self) -> bool:
        """Something ran and nothing failed."""
        return self.passed > 0 and self.failed == 0


class BenchFailed(AssertionError):
    """A run failed; the message says which tests, why, and how to repeat it. ``result`` holds the counts and paths."""

    def __init__(self, message: str, result: BenchResult) -> None:
        super().__init__(message)
        self.result = result


class BuildFailed(FcimError):
    """The simulator does not take the design."""


@functools.cache
def _check_version(sim: str, program: str) -> None:
    """Raise :class:`FcimError` if ``program`` is older than what the benches need; one that prints no version is taken."""
    option, oldest = VERSION[sim]
    done = subprocess.run([program, option], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
    found = re.search(r"(?:Verilator|version) (\d+)\.(\d+)", done.stdout)
    if found and tuple(map(int, found.groups())) < tuple(map(int, oldest.split("."))):
        raise FcimError(f"{program} is version {found[1]}.{found[2]}; the benches need {oldest} or later; "
                        + ("run: make setup, which puts one into .tools" if sim == "verilator" and CHECKOUT
                           else "install a later one"))


def require_simulator(sim: str) -> str:
    """Path of the simulator's program; Verilator is the project's own in ``.tools`` wherever that is there.

    Raises:
        FcimError: unknown simulator, it is not installed, or it is too old.
    """
    if sim not in PROGRAM:
        raise FcimError(f"SIM = {sim!r} is unknown; use {' or '.join(PROGRAM)}")
    if sim == "verilator" and TOOL_BIN.is_dir() and os.environ["PATH"].split(os.pathsep)[0] != str(TOOL_BIN):
        os.environ["PATH"] = f"{TOOL_BIN}{os.pathsep}{os.environ['PATH']}"
    found = shutil.which(PROGRAM[sim])
    if found is None:
        raise FcimError(f"the simulator '{sim}' is not installed ({PROGRAM[sim]} is not on PATH); "
                        + ("run: make setup" if CHECKOUT else "install it"))
    _check_version(sim, found)
    return found


def _digest(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def _content_digest(tool: str, sources: Sequence[Path], args: Sequence[str]) -> str:
    """Changes with anything that the build's outcome depends on: the sources, headers beside them, the tool and its options."""
    headers = sorted(h for folder in {s.parent for s in sources} for h in folder.glob("*.vh"))
    files = [(str(p), hashlib.sha256(p.read_bytes()).hexdigest()) for p in (*sources, *headers)]
    stat = Path(tool).stat()
    return _digest(tool, stat.st_size, stat.st_mtime_ns, list(args), files)


def _build_arguments(sim: str, waves: bool, covered: bool, options: RunOptions) -> list[str]:
    """The simulator's options for a build; code coverage is Verilator's alone."""
    args = list(BUILD_ARGS[sim] if options.build_args is None else options.build_args)
    if options.fast_arrays:
        args.append(FAST_ARRAYS)
    if sim == "verilator" and waves:
        args.append("--trace-fst")
    if sim == "verilator" and covered:
        args += COVERAGE_ARGS
    return args


def coverage_folder() -> Path | None:
    """Where runs leave their coverage data: FCIM_COVERAGE of the environment, or None for no coverage."""
    folder = os.environ.get("FCIM_COVERAGE")
    return Path(folder).resolve() if folder else None


def _build(runner: Runner, sim: str, tool: str, top: str, sources: Sequence[Path], parameters: Mapping[str, object],
           waves: bool, covered: bool, options: RunOptions, folder: Path) -> None:
    """Build into ``folder`` unless it holds a build of the very same inputs already. The caller holds the folder's lock."""
    args = _build_arguments(sim, waves, covered, options)
    stamp, log = folder / "inputs.sha256", folder / "build.log"
    digest = _content_digest(tool, sources, args)
    if stamp.is_file() and stamp.read_text() == digest:
        return
    stamp.unlink(missing_ok=True)
    folder.mkdir(parents=True, exist_ok=True)
    control: list[object] = []
    if sim == "verilator":
        public = folder / "public.vlt"
        public.write_text(PUBLIC.format(top=top))
        control.append(VerilatorControlFile(public))
    try:
        runner.build(sources=[*control, *sources], includes=sorted({s.parent for s in sources}), parameters=parameters,
                     hdl_toplevel=top, build_args=args, build_dir=folder, always=True, waves=waves,
                     timescale=TIMESCALE, log_file=log)
    except (RuntimeError, SystemExit):
        tail = log.read_text().splitlines()[-LOG_TAIL:] if log.is_file() else []
        message = f"{sim} could not build {top} with {dict(parameters)}; see {_short(log)}"
        raise BuildFailed("\n".join([message, *tail])) from None
    if sim == "icarus" and (ignored := NOT_SET.findall(log.read_text())):   # which is no more than a warning to Icarus
        names = ", ".join(sorted(set(ignored)))
        raise FcimError(f"icarus cannot set {names} of {top}: unknown, or it follows from others; see {_short(log)}")
    stamp.write_text(digest)


def _run_arguments(sim: str, seed: int, wave: Path | None, coverage: Path | None) -> dict[str, list[str]]:
    """The simulator's own arguments: where waveform and coverage go; for Verilator, which has no X, random initial values."""
    if sim == "icarus":
        return {"plusargs": [f"+dumpfile_path={wave}"] if wave else []}
    initial = 0 if coverage else 2      # a random initial value would count as a toggle and choose branches
    return {"plusargs": [f"+verilator+rand+reset+{initial}", f"+verilator+seed+{seed % (2**31 - 2) + 1}",
                         *([f"+verilator+coverage+file+{coverage}"] if coverage else [])],
            "test_args": [*(["--trace-file", str(wave)] if wave else []),
                          *(["--coverage-per-instance"] if coverage and coverage.name.endswith(APART) else [])]}


def _short(path: Path) -> str:
    return str(path.relative_to(PLACE)) if path.is_relative_to(PLACE) else str(path)


def _wanted(run_dir: Path, module: str, testcase: str | Sequence[str] | None) -> list[str]:
    """The names of the tests that must run: those asked for, else all that the simulator found in the bench."""
    if testcase is not None:
        return [testcase] if isinstance(testcase, str) else list(testcase)
    try:
        return [name.removeprefix(f"{module}.") for name in json.loads((run_dir / ROLL).read_text())]
    except (OSError, ValueError):
        return []


def _filter(module: str, testcase: str | Sequence[str]) -> str:
    """cocotb's filter for these tests and no others."""
    names = [testcase] if isinstance(testcase, str) else testcase
    return f"^{re.escape(module)}\\.({'|'.join(map(re.escape, names))})$"


def _unknown_read(message: str, trace: str) -> str:
    """What to say of a test that read an X as a number: the bench's line, which cocotb's own message leaves out; else ""."""
    if not re.match("Can't convert Logic|Cannot convert Logic", message):
        return ""
    frames = re.findall(r'File "([^"]+)", line (\d+), in .*\n\s*(.*)', trace)
    ours = [(path, line, code) for path, line, code in frames if Path(path).is_relative_to(ROOT) and "site-packages" not in path]
    return "a bit that is read is X" + "".join(f", at {_short(Path(path))}:{line}: {code}" for path, line, code in ours[-1:])


def _read_results(path: Path, wanted: Sequence[str]) -> tuple[int, int, tuple[str, ...]]:
    """Passed, failed and the failures' texts; (0, 0, ()) if the simulator left no readable result. A test that is ``wanted`` and
    did not run is a failure, whatever kept it from running.
    """
    try:
        cases = list(ElementTree.parse(path).getroot().iter("testcase"))
    except (OSError, ElementTree.ParseError):
        return 0, 0, ()
    failures = []
    for case in cases:
        problem = next((child for tag in ("failure", "error") for child in case.findall(tag)), None)
        if problem is not None:
            text = (problem.get("error_msg") or problem.get("message") or problem.text or "failed").strip()
            why = _unknown_read(text, problem.text or "") or (text or "failed").splitlines()[0]
            failures.append(f"{case.get('name')}: {why}")
    ran = [case.get("name") for case in cases if case.find("skipped") is None]
    missing = [name for name in wanted if name not in ran] if ran else []
    failures += [f"{name}: did not run" for name in missing]
    if ran and not wanted:
        failures.append("the bench left no list of its tests, so that nobody knows whether all of them ran")
    return len(ran) + len(missing) - len(failures), len(failures), tuple(failures)


def repeat_command(test: str, seed: int, sim: str = "icarus", waves: bool = False) -> str:
    """The line that repeats ``test`` (a pytest node id or a -k expression)."""
    return " ".join(["make test", f"TEST={shlex.quote(test)}", f"SEED={seed}"]
                    + (["SIM=" + sim] if sim != "icarus" else []) + (["WAVES=1"] if waves else []))


def _report(result: BenchResult, top: str, test: str, parameters: Mapping[str, object], sim: str, repeat: str) -> str:
    """Why the run failed, and how to run it again."""
    ran = result.passed + result.failed
    log = result.log.read_text(errors="replace").splitlines() if result.log.is_file() else []
    if result.failed:
        head = [f"{result.failed} of {ran} tests failed", *(f"  {line}" for line in result.failures)]
    else:
        why = "no test was selected" if result.results_xml.is_file() else "the simulator stopped before the tests ended"
        head = [f"no test ran: {why}; the log ends with", *(f"  | {line}" for line in log[-LOG_TAIL:])]
    shown = " ".join(f"{name}={value}" for name, value in parameters.items()) or "defaults"
    return "\n".join([*head, f"  test       {test}", f"  seed       {result.seed}", f"  parameters {shown}",
                      f"  top        {top} ({sim})", f"  log        {_short(result.log)}", f"  repeat     {repeat}"])


def run_bench(top: str, test_module: str, parameters: Mapping[str, object] | None = None,
              options: RunOptions = USUAL) -> BenchResult:
    """Build ``top`` if its inputs changed and run the cocotb tests of ``test_module`` on it.

    Builds are shared: their folder depends on simulator, top, parameters and waves, and a lock keeps parallel workers apart.
    A run has a folder of its own, which the next run of the same test overwrites; FCIM_RUNS in the environment says where.

    Args:
        test_module: importable from the project root, for example ``tb.exp2.bench_exp2``.
        parameters: Verilog parameters of ``top``.

    Raises:
        BenchFailed: a test failed, or one did not run.
        FcimError: the simulator is missing, a source is missing, or the build failed.
    """
    check_not_ending()
    parameters, extra_env, testcase = dict(parameters or {}), dict(options.extra_env), options.testcase
    sim = options.sim or os.environ.get("SIM") or "icarus"
    seed = choose_seed(options.seed)
    waves = waves_by_default if options.waves is None else options.waves
    tool = require_simulator(sim)
    files = [Path(s).resolve() for s in options.sources] if options.sources is not None else rtl_files()
    for path in files:
        if not path.is_file():
            raise FcimError(f"Verilog file {_short(path)} does not exist; mend the list of sources")

    current = os.environ.get("PYTEST_CURRENT_TEST", "").rsplit(" ", 1)[0]
    test = current or test_module
    repeat = options.repeat or repeat_command(test, seed, sim, waves)
    replaced = replacements()     # a design that is not the project's own leaves nothing beside those that are
    root = replaced / "build" if replaced else (PLACE / options.build_root).resolve()
    # what a broken copy of the RTL goes through covers nothing
    own = all(f.is_relative_to(ROOT) and not f.is_relative_to(COPIES) for f in files)
    covered = coverage_folder() if own or options.samples_only else None
    counted = bool(covered) and not options.samples_only
    place = machine() if sim == "verilator" else ""    # compiled for this processor
    key = _digest([str(f) for f in files], parameters, waves, counted, options.build_args, options.fast_arrays, place)
    folder = root / f"{sim}-{top}-{key[:12]}"
    run_key = _digest(folder.name, test, test_module, testcase, extra_env)[:12]
    run_dir = Path(os.environ.get("FCIM_RUNS") or root / "runs").resolve() / f"{test_module.rsplit('.', 1)[-1]}-{run_key}"
    try:
        run_dir.mkdir(parents=True, exist_ok=True)
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FcimError(f"cannot write to {_short(Path(error.filename))} ({error.strerror}), where builds and runs go; "
                        f"{ELSEWHERE}") from None

    with FileLock(f"{run_dir}.lock"), own_environment():
        runner = get_runner(sim)
        runner.log.setLevel(logging.WARNING)
        begin = time.monotonic()
        with FileLock(f"{folder}.lock"):
            _build(runner, sim, tool, top, files, parameters, waves, counted, options, folder)
        built = time.monotonic()
        shutil.rmtree(run_dir)
        run_dir.mkdir()
        log, xml, wave = run_dir / "sim.log", run_dir / "results.xml", run_dir / f"{top}.fst"
        environment = {"PYTHONWARNINGS": "ignore::DeprecationWarning", "COCOTB_ANSI_OUTPUT": "0", **extra_env,
                       "FCIM_ROLL": str(run_dir / ROLL)}
        if testcase is not None:
            environment["COCOTB_TEST_FILTER"] = _filter(test_module, testcase)
        data = None
        if covered:     # named by all that the run depends on, so that no run overwrites another's
            covered.mkdir(parents=True, exist_ok=True)
            data = covered / f"{run_dir.name}-{_digest(run_key, seed)[:8]}"
            environment["FCIM_COVER_FILE"] = f"{data}.cover.json"
        suffix = APART if options.apart else SUFFIX
        arguments = _run_arguments(sim, seed, wave if waves else None, Path(f"{data}{suffix}") if counted else None)
        # A simulator that crashes makes the runner exit; a run whose tests fail returns normally. The results file decides.
        with contextlib.suppress(SystemExit, RuntimeError, subprocess.SubprocessError):
            runner.test(test_module=[test_module, ROLL_CALL], hdl_toplevel=top, hdl_toplevel_lang="verilog", seed=seed,
                        parameters=parameters, build_dir=folder, test_dir=run_dir, results_xml=str(xml), log_file=log,
                        waves=waves, extra_env=environment, timescale=TIMESCALE, **arguments)
        passed, failed, failures = _read_results(xml, _wanted(run_dir, test_module, testcase))
        result = BenchResult(passed, failed, xml, log, seed, wave if wave.is_file() else None, failures, built - begin,
                             time.monotonic() - built)
        if data and not result.ok:
            for ending in (suffix, ".cover.json"):
                Path(f"{data}{ending}").unlink(missing_ok=True)
    if options.check and not result.ok:
        raise BenchFailed(_report(result, top, test, parameters, sim, repeat), result)
    return result
