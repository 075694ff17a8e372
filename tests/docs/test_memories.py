"""The memories that ``docs/hardware.md`` lists are those of the elaborated RTL, word by word and bit by bit."""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from models.hardware.config import EngineConfig, load_config
from scripts.figures.memories import MEMORIES, sizes
from scripts.flow.sources import ROOT

CONFIGURATIONS = {"default": load_config("default"), "tiny": load_config("tiny"),
                  "byte": EngineConfig(rows=8, head_dim=32, bits_per_cycle=8, keys_per_block=8, prob_bits=8, max_keys=64)}
MODULES = {"fcim_ram", "fcim_register_file"}        # what holds an array for the module around it
CELLS = {"bank0_q", "bank1_q", "slot0_q", "slot1_q"}
LARGEST_OTHER = 3       # words of an array that is no memory: one for each tile, slot or buffer

Found = Counter[tuple[str, int, int]]


def elaborated(cfg: EngineConfig, out: Path) -> tuple[Found, list[tuple[str, int]]]:
    """Arrays of the engine by module, words and bits of a word, as Icarus elaborates it, and name and words of the others.

    Arrays of a process' named block are left out: they are its temporaries.
    """
    parameters = [f"-Pfcim_engine.{name}={value}" for name, value in cfg.verilog_parameters().items()]
    subprocess.run(["iverilog", "-g2012", "-s", "fcim_engine", *parameters, "-o", str(out), "-f", "fusioncim.f"],
                   cwd=ROOT, check=True)
    modules: dict[str, str] = {}        # by the scope's label; a generate block is part of the module around it
    found, others, here, temporary = Counter(), [], "", False
    for line in out.read_text().splitlines():
        if scope := re.match(r'(S_\w+) \.scope (\w+), "[^"]*" "(\w+)[^"]*".*?(?:(S_\w+))?;$', line):
            label, kind, name, parent = scope.groups()
            temporary = kind == "begin"
            modules[label] = here = modules[parent] if parent and (kind != "module" or name in MODULES) else name
        elif array := re.match(r'v\w+ \.array "(\w+)", (\d+) 0, (\d+) 0;', line):
            name, words, width = array[1], int(array[2]) + 1, int(array[3]) + 1
            if name in ("word_q", "v_q"):
                found[here, words, width] += 1
            elif not temporary:
                others.append((name, words))
        elif (cell := re.match(r'v\w+ \.var "(\w+)", (\d+) 0;', line)) and cell[1] in CELLS:
            found[here, 1, int(cell[2]) + 1] += 1
    return found, others


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_the_memories_are_those_of_the_rtl(name: str, tmp_path: Path) -> None:
    wanted: Found = Counter()
    for memory in MEMORIES:
        number, words, width = memory.size(sizes(CONFIGURATIONS[name]))
        wanted[memory.module, words, width] += number
    found, others = elaborated(CONFIGURATIONS[name], tmp_path / "engine.vvp")
    assert found == wanted
    assert all(words <= LARGEST_OTHER for _, words in others), others
