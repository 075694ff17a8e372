"""How far a command is that works through a known number of steps: a bar on a terminal, else a line for each step."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

Told = Callable[[str, int, int], None]
"""Called with a line, how much is done and how much there is."""


def teller() -> tuple[AbstractContextManager, Told]:
    """What is to be open while steps are told, and what tells them."""
    if not sys.stdout.isatty():
        def plain(text: str, done: int, total: int) -> None:
            print(f"[{done:>{len(str(total))}}/{total}] {text}" if done else text, flush=True)

        return nullcontext(), plain
    bar = Progress(BarColumn(24), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}"),
                   console=Console(), transient=True)
    task = bar.add_task("", total=None)
    return bar, lambda text, done, total: bar.update(task, description=text, completed=done, total=total)
