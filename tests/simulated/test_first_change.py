"""``docs/first_change.md`` is played from top to bottom in a copy of the project: each change is made as the page has it, and
each command of a console block gives what the page shows of it, red where the page says red.

Where the page's change is in the tree already there is nothing to play, and the test skips.
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
    """Shown lines that the output lacks, in this order; ``...`` stands for any lines, and in a line for any part of it."""
    lines, lacking = iter(output.splitlines()), []
    for line in shown:
        pattern = re.compile(".*".join(re.escape(part.strip()) for part in line.split(LEFT_OUT)))
        if line.strip() != LEFT_OUT and not any(pattern.search(other) for other in lines):
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


def change(copy: Path, diff: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Make one change of the page."""
    return subprocess.run(["git", "apply", *options, "-"], cwd=copy, input=diff, text=True, capture_output=True, check=False,
                          env=quiet_environment(GIT_CEILING_DIRECTORIES=str(copy.parent)))


def changed_files(diff: str) -> list[str]:
    """Paths that a change is made to."""
    return re.findall(r"^\+\+\+ b/(\S+)", diff, re.MULTILINE)


def already_made(copy: Path, text: str) -> tuple[list[str], list[str]]:
    """Files whose change by the page is in the copy before anything was played, and those whose change is not."""
    made: list[str] = []
    not_made: list[str] = []
    for step in steps(text):
        if isinstance(step, str):
            there = change(copy, step, "--reverse", "--check").returncode == 0
            (made if there else not_made).extend(changed_files(step))
    return made, not_made


def found_by_searches(copy: Path, text: str) -> set[str]:
    """Files that the page's searches, blocks of lines ``git grep -n ...``, find in a copy."""
    found: set[str] = set()
    for kind, body in BLOCK.findall(text):
        for line in body.splitlines() if kind == "" else ():
            if line.startswith("git grep -n "):
                words = line.replace("git grep -n", "git grep --no-index -l", 1)
                places = " ".join(name for name in FOLDERS if (copy / name).is_dir())
                done = run(["bash", "-c", f"{words if ' -- ' in words else words + ' --'} {places}"], copy)
                assert done.returncode == 0, f"{line}: {done.stderr}"
                found |= set(done.stdout.split())
    return found


def play(copy: Path, command: Command) -> str:
    """What is wrong with what a command does, or nothing."""
    done = run(["bash", "-c", re.sub(r"^make\b", MAKE, command.text)], copy, JOBS="1")
    output = done.stdout + done.stderr
    if bool(done.returncode) != command.fails:
        return f"{command.text}: exit code {done.returncode}\n{output}"
    lacking = missing(command.shown, output)
    return f"{command.text}: the page's lines {lacking} are not in\n{output}" if lacking else ""


def play_page(copy: Path, text: str) -> list[str]:
    """What each step of the page was, in order.

    Raises:
        AssertionError: something is not as the page says; or only some of its changes are in the copy to begin with.
        pytest.skip.Exception: all of them are.
    """
    made, not_made = already_made(copy, text)
    if made and not not_made:
        pytest.skip("every change of docs/first_change.md is in this tree already, so its steps have nothing to start from")
    assert not made, (f"of the page's changes these are in the tree already: {', '.join(made)}; "
                      f"these are not: {', '.join(not_made)}")
    colours = []
    for step in steps(text):
        if isinstance(step, str):
            done = change(copy, step)
            assert done.returncode == 0, f"the page's change no longer fits, make its diff anew:\n{step}\n{done.stderr}"
            colours.append("change " + " ".join(changed_files(step)))
        else:
            assert not (fault := play(copy, step)), fault
            colours.append(("red " if step.fails else "green ") + step.text.split()[1])
    return colours


def test_the_page_is_true(tmp_path: Path) -> None:
    """Step by step; a bench is red between the specification's change and the RTL's, and green after it."""
    assert play_page(make_copy(tmp_path), PAGE.read_text()) == [
        "change docs/numbers.md", "change models/hardware/numerics.py", "red test",
        "change tb/common/spec.py", "change tests/models/hardware/test_numerics.py", "green test", "red test", "red sim",
        "green scripts/gen_exp2_knots.py", "change rtl/softmax/fcim_exp2.v", "green test", "green test", "green sim",
        "change rtl/lint.vlt", "change scripts/figures/widths.py", "change tb/core/coverage/softmax.py",
        "change tb/exp2/coverage.py", "change tests/models/baseline/test_unfused.py", "green test"]


def test_the_searches_find_every_file_of_the_change(tmp_path: Path) -> None:
    """On the tree before the change; after it what they look for is gone."""
    copy, text = make_copy(tmp_path), PAGE.read_text()
    files = {name for step in steps(text) if isinstance(step, str) for name in changed_files(step)}
    if set(already_made(copy, text)[0]) == files:
        for step in steps(text):
            if isinstance(step, str):
                assert change(copy, step, "--reverse").returncode == 0
    found = found_by_searches(copy, text)
    assert files <= found, f"not found: {files - found}"
    assert len(found) < len(files) + 8, f"the searches find much else: {found - files}"


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


SHORT = "--- a/x\n+++ b/x\n@@ -1 +1 @@\n-3\n+2\n"
SHORT_PAGE = f"```diff\n{SHORT}```\n```diff\n{SHORT.replace('x', 'y')}```\n```console\n$ cat x\n2\n```\n"


@pytest.mark.parametrize(("right", "wrong", "says"), [
    ("-3", "-4", "no longer fits"), ("+2", "+1", "the page's lines"), ("\n2\n", "\n3\n", "the page's lines"),
    ("$ cat x", "$ cat z", "exit code 1"), ("\n2\n", "\n1 failed\n", "exit code 0")])
def test_a_wrong_line_of_a_page_is_seen(right: str, wrong: str, says: str, tmp_path: Path) -> None:
    for name in "xy":
        (tmp_path / name).write_text("3\n")
    with pytest.raises(AssertionError, match=says):
        play_page(tmp_path, SHORT_PAGE.replace(right, wrong, 1))
    for name in "xy":
        (tmp_path / name).write_text("3\n")
    assert play_page(tmp_path, SHORT_PAGE) == ["change x", "change y", "green x"]


def test_a_page_whose_change_is_made_is_not_played(tmp_path: Path) -> None:
    """All of it in the tree: a skip that says so. A part of it: a failure that says which."""
    for name, text in (("x", "2\n"), ("y", "2\n")):
        (tmp_path / name).write_text(text)
    with pytest.raises(pytest.skip.Exception, match="in this tree already"):
        play_page(tmp_path, SHORT_PAGE)
    (tmp_path / "y").write_text("3\n")
    with pytest.raises(AssertionError, match="in the tree already: x; these are not: y"):
        play_page(tmp_path, SHORT_PAGE)
    (tmp_path / "x").write_text("7\n")         # another change than the page's
    with pytest.raises(AssertionError, match="no longer fits"):
        play_page(tmp_path, SHORT_PAGE)


@pytest.mark.parametrize(("shown", "lacks"), [
    (["a 1", "...", "c 3"], []), (["b ..."], []), (["a 1", "x"], ["x"]), (["c 3", "a 1"], ["a 1"]), (["..."], []),
    (["... 2"], []), (["b ... 3"], ["b ... 3"]), (["... x"], ["... x"])])
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
