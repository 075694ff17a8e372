"""Memory contents as files that Verilog's $readmemh reads and $writememh writes: a word a line, as hexadecimal digits."""

from __future__ import annotations

from pathlib import Path

import numpy as np


def write_words(path: Path, content: np.ndarray, width: int) -> None:
    """Write bytes (uint8, any shape) as little-endian words of ``width`` bytes.

    Raises:
        ValueError: they are no whole words.
    """
    if content.size % width:
        raise ValueError(f"{content.size} bytes are no whole words of {width}")
    digits = content.reshape(-1, width)[:, ::-1].tobytes().hex()
    path.write_text("".join(f"{digits[start:start + 2 * width]}\n" for start in range(0, len(digits), 2 * width)))


def read_words(path: Path, width: int) -> np.ndarray:
    """The bytes [words * width] of a file of little-endian words of ``width`` bytes.

    Raises:
        ValueError: a line is no word of that width, or has an X.
    """
    lines = [line.strip() for line in path.read_text().splitlines() if line.strip() and not line.startswith("//")]
    if any(len(line) != 2 * width for line in lines):
        raise ValueError(f"{path.name} has words of another width than {width} bytes")
    return np.frombuffer(bytes.fromhex("".join(lines)), np.uint8).reshape(-1, width)[:, ::-1].reshape(-1)
