"""The memories that ``docs/hardware.md`` and ``docs/system.md`` list are those of the elaborated RTL, to the word and the bit."""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from models.hardware.config import EngineConfig, load_config
from models.system.config import load_system
from scripts.figures.memories import AROUND, MEMORIES, Memory, sizes, system_sizes
from scripts.figures.memories import SYSTEMS as SHOWN_SYSTEMS
from scripts.flow.sources import ROOT

CONFIGURATIONS = {"default": load_config("default"), "tiny": load_config("tiny"),
                  "byte": EngineConfig(rows=8, head_dim=32, bits_per_cycle=8, keys_per_block=8, prob_bits=8, max_keys=64)}
SYSTEMS = {**{name: load_system(name) for name in SHOWN_SYSTEMS},
           "one": replace(load_system("tiny"), engines=1, data_bits=256, buffer_keys=32, outstanding=3, o_rows=4),
           "four": replace(load_system("tiny"), engines=4, buffer_keys=256, read_beats=32, max_burst=4),
           "eight": replace(load_system("tiny"), engines=8, buffer_keys=512)}
MODULES = {"fcim_ram", "fcim_register_file", "fcim_fifo"}      # what holds an array for the module around it
CELLS = {"bank0_q", "bank1_q", "slot0_q", "slot1_q"}
LARGEST_OTHER = 3       # words of an array that is no memory: one for each tile, slot or buffer; or one for each engine

Found = Counter[tuple[str, int, int]]


def wanted(memories: tuple[Memory, ...], names: Mapping[str, int], times: int = 1) -> Found:
    """What the tables say, ``times`` over."""
    said: Found = Counter()
    for memory in memories:
        number, words, width = memory.size(dict(names))
        said[memory.module, words, width] += times * number
    return said


def elaborated(top: str, values: Mapping[str, int], out: Path) -> tuple[Found, list[tuple[str, int]]]:
    """Arrays of a top by module, words and bits of a word, as Icarus elaborates it, and name and words of the others.

    Arrays of a process' named block are left out: they are its temporaries.
    """
    parameters = [f"-P{top}.{name}={value}" for name, value in values.items()]
    subprocess.run(["iverilog", "-g2012", "-s", top, *parameters, "-o", str(out), "-f", "fusioncim.f"],
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
    cfg = CONFIGURATIONS[name]
    found, others = elaborated("fcim_engine", cfg.verilog_parameters(), tmp_path / "engine.vvp")
    assert found == wanted(MEMORIES, sizes(cfg))
    assert all(words <= LARGEST_OTHER for _, words in others), others


@pytest.mark.parametrize("name", SYSTEMS)
def test_the_memories_of_the_accelerator_are_those_of_the_rtl(name: str, tmp_path: Path) -> None:
    """Its engines' too."""
    system = SYSTEMS[name]
    names = system_sizes(system)
    found, others = elaborated("fcim_accelerator", system.verilog_parameters(), tmp_path / "accelerator.vvp")
    assert found == wanted(AROUND, names) + wanted(MEMORIES, names, system.engines)
    assert all(words <= max(LARGEST_OTHER, system.engines) for _, words in others), others
