"""``fcim``: the commands behind ``make`` for those who installed the project with pip; ``fcim --help`` lists them.

The Makefile is the one list: what its recipes start is started here, with the same variables, written as make's (``TOKENS=64``)
or as options (``--tokens=64``). An installed copy has the commands that need no tests, no tools for gates and no pages to write.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from shutil import get_terminal_size
from textwrap import fill
from typing import NamedTuple, NoReturn

from models.errors import FcimError, note, run_cli
from models.place import CHECKOUT, ROOT
from scripts.flow.arguments import flag
from scripts.flow.variables import FROM_ENVIRONMENT, WIDTH, check_names, near, rows_of

USAGE = "usage: fcim COMMAND [VARIABLE=value or --option=value ...]"
MAKEFILE = ROOT / "Makefile"
TARGET = re.compile(r"^([a-z][a-z-]*):[^#\n]*## (.*)$")
STEP = re.compile(r"^\t@?((?:\w+=\S+ )*)\$\(PY\) -m (\S+)(.*)$")
VARIABLE = re.compile(r"([A-Z][A-Z_]*)=(.*)", re.S)
CALLED = "scripts.call"     # what starts the commands that need no more than models, RTL and benches
# what would change Python or pytest unseen; the Makefile keeps the same from what it starts
NOT_HANDED_ON = ("PYTHONOPTIMIZE", "PYTHONPATH", "PYTHONHOME", "PYTHONSAFEPATH", "PYTHONWARNINGS", "PYTHONINSPECT",
                 "PYTEST_ADDOPTS", "PYTEST_PLUGINS", "PYTEST_DISABLE_PLUGIN_AUTOLOAD")


class Step(NamedTuple):
    """A line of a recipe: Python's ``module`` with these ``words`` before the user's, in an environment that also says this."""

    module: str
    words: tuple[str, ...]
    environment: Mapping[str, str]


class Command(NamedTuple):
    """A target of the Makefile whose recipe starts modules of Python."""

    name: str
    meaning: str
    steps: tuple[Step, ...]

    def is_here(self, checkout: bool = CHECKOUT) -> bool:
        """Whether it runs here: an installed copy has no tests, no proofs, no documents."""
        return checkout or self.steps[0].module == CALLED and "test" not in self.steps[0].words


def without_calls(text: str) -> str:
    """What stands in a line of make outside of all ``$(...)``."""
    depth, kept = 0, []
    for i, character in enumerate(text):
        opens = character == "(" and (depth or text[i - 1:i] == "$")
        depth += bool(opens)
        if not depth and text[i:i + 2] != "$(":
            kept.append(character)
        depth -= bool(depth and character == ")")
    return "".join(kept)


def commands(makefile: str | None = None) -> dict[str, Command]:
    """The commands by name, in the Makefile's order.

    Args:
        makefile: its text; None reads that of the project.
    """
    found: dict[str, Command] = {}
    name, meaning = "", ""
    for line in (MAKEFILE.read_text() if makefile is None else makefile).splitlines():
        if target := TARGET.match(line):
            name, meaning = target.groups()
        elif not line.startswith("\t"):
            name = ""
        elif name and (step := STEP.match(line)):
            before = found[name].steps if name in found else ()
            more = Step(step[2], tuple(without_calls(step[3]).split()), dict(word.split("=", 1) for word in step[1].split()))
            found[name] = Command(name, meaning, (*before, more))
    return found


def options(target: str, words: Sequence[str], environment: Mapping[str, str]) -> list[str]:
    """The options of a call: variables as make writes them become options, others stay; the environment's come first.

    Raises:
        FcimError: a variable that the command does not take.
    """
    pairs = [VARIABLE.fullmatch(word) for word in words]
    check_names([target], [pair[1] for pair in pairs if pair])
    given = [f"{flag(pair[1])}={pair[2]}" if pair else word for pair, word in zip(pairs, words)]
    named = {word.split("=", 1)[0] for word in given}
    rows = {row.name for row in rows_of(target)}
    outside = [f"{flag(name)}={environment[name]}" for name in FROM_ENVIRONMENT
               if name in rows and flag(name) not in named and environment.get(name, "").strip()]
    return [*outside, *given]


def help_text() -> str:
    """What ``fcim --help`` says, in the terminal's width."""
    width = max(60, min(WIDTH, get_terminal_size((WIDTH, 24)).columns - 1))
    lines = [USAGE, "", "commands"]
    lines += [fill(command.meaning, width, initial_indent=f"  {command.name:<15} ", subsequent_indent=" " * 18)
              for command in commands().values() if command.is_here()]
    elsewhere = [command.name for command in commands().values() if not command.is_here()]
    if elsewhere:
        lines += ["", fill(f"only in a checkout of the project: {', '.join(elsewhere)}", width)]
    lines += ["", fill("fcim COMMAND --help lists its variables; reports go to the folder build. fcim --version prints the "
                       "version, fcim --where the folder that holds rtl, config and fusioncim.f.", width)]
    return "\n".join(lines)


def command_of(name: str) -> Command:
    """The command of that name.

    Raises:
        FcimError: there is none, or an installed copy does not have it.
    """
    known = commands()
    if name not in known:
        meant = near(name, list(known))
        targets = [found[1] for line in MAKEFILE.read_text().splitlines() if (found := TARGET.match(line))]
        if name in targets:
            raise FcimError(f"{name} belongs to a checkout and needs no Python package; type make {name} there")
        raise FcimError(f"{name} is not a command; {f'did you mean {meant}?' if meant else 'fcim --help lists them all'}")
    if not known[name].is_here():
        raise FcimError(f"fcim {name} needs a checkout of the project, with its tests and tools; this is an installed copy")
    return known[name]


def environment_of(step: Step) -> dict[str, str]:
    """The environment of a step: the project first on Python's path, nothing of the caller's that changes Python unseen."""
    kept = {name: value for name, value in os.environ.items() if name not in (*NOT_HANDED_ON, *FROM_ENVIRONMENT)}
    return kept | {"PYTHONPATH": str(ROOT), "PYTHONSAFEPATH": "1"} | dict(step.environment)


def run(command: Command, words: Sequence[str]) -> NoReturn:
    """Do the steps of a command, the user's options with the first; become the last."""
    if CHECKOUT and os.path.realpath(os.curdir) != str(ROOT):
        note(f"the project is installed from its checkout: paths count from {ROOT}, where reports go too")
        os.chdir(ROOT)
    for step in command.steps[:-1]:
        done = subprocess.run([sys.executable, "-m", step.module, *step.words, *words], env=environment_of(step), check=False)
        if done.returncode:
            sys.exit(done.returncode)
        words = []
    step = command.steps[-1]
    sys.stdout.flush()
    os.execve(sys.executable, [sys.executable, "-m", step.module, *step.words, *words], environment_of(step))


def main() -> int:
    """Say what was asked for, or become the command."""
    name, *words = sys.argv[1:] or ["--help"]
    if name in ("--help", "-h", "help"):
        print(help_text())
    elif name == "--where":
        print(ROOT)
    elif name == "--version":
        try:
            print(f"fcim {version('fusioncim')}")
        except PackageNotFoundError:
            raise FcimError("the project is not installed; type: pip install -e . in its folder") from None
    else:
        run(command_of(name), options(name, words, os.environ))
    return 0


def start() -> None:
    """The console command."""
    run_cli(main)


if __name__ == "__main__":
    start()
