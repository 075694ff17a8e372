"""``docs/first_change.md`` is played from top to bottom in a copy of the project: each change is made as the page has it, and
each command of a console block gives what the page shows of it, red where the page says red.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from scripts.flow.sources import ROOT
from tests.commands.bad_inputs import quiet_environment, run

PAGE = ROOT / "docs" / "first_change.md"
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LEFT_OUT = "..."
MAKE = "make -o .venv/.stamp"     # the copy's .venv is set up, whatever the times of its files say
FOLDERS = ("models", "scripts", "config", "rtl", "tb", "tests", "docs")
FILES = ("Makefile", "conftest.py", "pyproject.toml", "fusioncim.f", "requirements.txt")


@dataclass
class Command:
    """A line that the reader types, and lines of its output, which the page may shorten."""

    text: str
    shown: list[str] = field(default_factory=list)

    @property
    def fails(self) -> bool:
        """Whether the page shows a failure."""
        return any(re.search(r"\d failed|^FAIL\b", line) for line in self.shown)


def steps(text: str) -> list[Command | str]:
    """What the page has its reader do: commands, and changes as text of a diff, in order."""
    found: list[Command | str] = []
    for kind, body in BLOCK.findall(text):
        if kind == "diff":
            found.append(body)
        elif kind == "console":
            for line in body.splitlines():
                if line.startswith("$ "):
                    found.append(Command(line[2:]))
                else:
                    found[-1].shown.append(line)
    return found


def missing(shown: list[str], output: str) -> list[str]:
    """Shown lines that the output lacks, in this order; ``...`` stands for any, at a line's end for the rest of the line."""
    lines, lacking = iter(output.splitlines()), []
    for line in shown:
        if line.strip() != LEFT_OUT and not any(line.strip().removesuffix(LEFT_OUT).rstrip() in other for other in lines):
            lacking.append(line)
            lines = iter(output.splitlines())
    return lacking


def make_copy(folder: Path) -> Path:
    """What the commands need of the project."""
    for name in FOLDERS:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "fixture"))
    for name in FILES:
        shutil.copy2(ROOT / name, folder / name)
    for name in (".venv", ".tools", "models/fixture"):
        (folder / name).symlink_to((ROOT / name).resolve())
    return folder


def change(copy: Path, diff: str) -> subprocess.CompletedProcess[str]:
    """Make one change of the page."""
    return subprocess.run(["git", "apply", "-"], cwd=copy, input=diff, text=True, capture_output=True, check=False,
                          env=quiet_environment(GIT_CEILING_DIRECTORIES=str(copy.parent)))


def play(copy: Path, command: Command) -> str:
    """What is wrong with what a command does, or nothing."""
    done = run(["bash", "-c", re.sub(r"^make\b", MAKE, command.text)], copy, JOBS="1")
    output = done.stdout + done.stderr
    if bool(done.returncode) != command.fails:
        return f"{command.text}: exit code {done.returncode}\n{output}"
    lacking = missing(command.shown, output)
    return f"{command.text}: the page's lines {lacking} are not in\n{output}" if lacking else ""


def test_the_page_is_true(tmp_path: Path) -> None:
    """Step by step; a bench is red between the specification's change and the RTL's, and green after it."""
    copy, colours = make_copy(tmp_path), []
    for step in steps(PAGE.read_text()):
        if isinstance(step, str):
            done = change(copy, step)
            assert done.returncode == 0, f"the page's change no longer fits, make its diff anew:\n{step}\n{done.stderr}"
            colours.append("change " + " ".join(re.findall(r"^\+\+\+ b/(\w+)", step, re.MULTILINE)))
        else:
            assert not (fault := play(copy, step)), fault
            colours.append(("red " if step.fails else "green ") + step.text.split()[1])
    assert colours == ["change docs models", "red test", "change tb tests", "green test", "red test",
                       "green scripts/gen_exp2_knots.py", "change rtl", "green test", "green test",
                       "change rtl scripts tb tb tests", "green test"]


def test_every_other_command_of_the_page_is_legal() -> None:
    """Those that take longer are not run here, but make takes their names and variables."""
    lines = [line for kind, body in BLOCK.findall(PAGE.read_text()) if kind == "" for line in body.splitlines()]
    calls = [line.partition("#")[0].strip() for line in lines if line.startswith("make ")]
    assert len(calls) >= 6
    for call in calls:
        target, *given = call.split()[1:]
        command = ["python3", "-I", "-S", "scripts/flow/variables.py", "check", target, "--", target, "--", *given, "--"]
        done = run(command)
        assert done.returncode == 0, f"{call}: {done.stderr}"


@pytest.mark.parametrize(("shown", "lacks"), [
    (["a 1", "...", "c 3"], []), (["b ..."], []), (["a 1", "x"], ["x"]), (["c 3", "a 1"], ["a 1"]), (["..."], [])])
def test_lines_of_an_output(shown: list[str], lacks: list[str]) -> None:
    assert missing(shown, "a 1\nb 2\nc 3\n") == lacks


def test_steps_of_a_page() -> None:
    text = "```console\n$ make test\n...\n1 failed\n$ ls\n```\nand\n```diff\n--- a/x\n```\n```\nmake sim\n```\n"
    first, second, third = steps(text)
    assert (first, second, third) == (Command("make test", ["...", "1 failed"]), Command("ls"), "--- a/x\n")
    assert (first.fails, second.fails) == (True, False)


def test_what_is_not_so_is_seen(tmp_path: Path) -> None:
    """A command that ends otherwise than the page shows, one that prints something else, a change that does not fit."""
    assert "exit code 1" in play(tmp_path, Command("false"))
    assert "exit code 0" in play(tmp_path, Command("true", ["1 failed"]))
    assert "['a'] are not in" in play(tmp_path, Command("echo b", ["a"]))
    assert not play(tmp_path, Command("echo b", ["b"]))
    (tmp_path / "x").write_text("3\n")
    assert change(tmp_path, "--- a/x\n+++ b/x\n@@ -1 +1 @@\n-1\n+2\n").returncode != 0
    assert change(tmp_path, "--- a/x\n+++ b/x\n@@ -1 +1 @@\n-3\n+2\n").returncode == 0
    assert (tmp_path / "x").read_text() == "2\n"
