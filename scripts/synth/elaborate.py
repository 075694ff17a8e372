"""The engine and what is beside it at a configuration, read by slang and cut into modules, each at its parameters in a file."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from models.errors import FcimError
from models.hardware.config import EngineConfig, load_config
from scripts.flow.gates import yosys
from scripts.flow.gates.readers import ENGINE, UNITS, read_command, unit_parameters

TOP, PREFIX = ENGINE, "fcim_"
TOPS = (ENGINE, *UNITS)
MEMORIES = ("fcim_ram", "fcim_register_file")   # occur in many sizes, and have them in their names
_SMALL_SYSTEM = {"ENGINES": 2, "ROWS": 16, "HEAD_DIM": 32, "BITS_PER_CYCLE": 2, "KEYS_PER_BLOCK": 8, "PROB_BITS": 16,
                 "MAX_KEYS": 1024, "BUFFER_KEYS": 64, "DATA_BITS": 128, "MAX_BURST": 16, "OUTSTANDING": 8, "READ_BEATS": 64,
                 "O_ROWS": 16}
# Tops of which no configuration says anything, at these parameters.
OTHER_TOPS: Mapping[str, Mapping[str, int]] = {
    "fcim_axi_reader": {"DATA_BITS": 512, "MAX_BURST": 16, "OUTSTANDING": 8, "BUFFER_BEATS": 128},
    "fcim_axi_writer": {"DATA_BITS": 512, "MAX_BURST": 16, "OUTSTANDING": 8},
    "fcim_kv_loader": {"ENGINES": 16, "HEAD_DIM": 128, "KEYS_PER_BLOCK": 16, "MAX_KEYS": 131072, "BUFFER_KEYS": 4096,
                       "DATA_BITS": 512},
    "fcim_q_fetch": {"ENGINES": 16, "ROWS": 64, "HEAD_DIM": 128, "MAX_KEYS": 131072, "DATA_BITS": 512},
    "fcim_read_router": {"ENGINES": 16, "ROWS": 64, "HEAD_DIM": 128, "KEYS_PER_BLOCK": 16, "MAX_KEYS": 131072,
                         "BUFFER_KEYS": 4096, "DATA_BITS": 512, "COMMANDS": 32},
    "fcim_o_stage": {"ENGINES": 16, "HEAD_DIM": 128, "O_ROWS": 1024},
    "fcim_store": {"ENGINES": 16, "HEAD_DIM": 128, "MAX_KEYS": 131072, "DATA_BITS": 512},
    "fcim_cluster": {"ENGINES": 2, "ROWS": 16, "HEAD_DIM": 32, "BITS_PER_CYCLE": 2, "KEYS_PER_BLOCK": 8, "PROB_BITS": 16,
                     "MAX_KEYS": 1024, "BUFFER_KEYS": 512},
    "fcim_command_processor": {"ENGINES": 16, "ROWS": 64, "PROB_BITS": 18, "MAX_KEYS": 131072, "BUFFER_KEYS": 4096,
                               "DATA_BITS": 512},
    "fcim_registers": {"ENGINES": 16},
    "fcim_planner": {"ENGINES": 16, "KEYS_PER_BLOCK": 16, "MAX_KEYS": 131072, "BUFFER_KEYS": 4096},
    "fcim_unfused": {"MACROS": 4, "ROWS": 16, "HEAD_DIM": 32, "BITS_PER_CYCLE": 2, "LANES": 8, "PORT_BYTES": 64, "SLOTS": 64},
    # of the cluster what grows with its engines, of 16; beside those it is read with two small ones
    "fcim_sequencer": {"ENGINES": 16, "BLOCK_BITS": 13},
    "fcim_row_bus": {"ENGINES": 16, "WIDTH": 1044, "KEYS_PER_BLOCK": 16, "BLOCK_BITS": 13, "BASE_BITS": 8},
    "fcim_wave_fanout": {"ENGINES": 16, "BLOCK_BITS": 13, "BASE_BITS": 8},
    "fcim_row_collector": {"ENGINES": 17, "WIDTH": 2050},
    "fcim_block_credits": {"SLOTS": 16, "BLOCKS": 256},
    "fcim_key_feed": {"WIDTH": 1062, "KEYS_PER_BLOCK": 16, "ROOM": 3, "AHEAD": 16},
    "fcim_request_head": {"BLOCK_BITS": 13, "REQUESTS": 16},
    # of the design to compare with a small one
    "fcim_kv_stationary": {"MACROS": 2, "ROWS": 16, "HEAD_DIM": 16, "BITS_PER_CYCLE": 2, "LANES": 4, "O_COLUMNS": 4, "V_TILES": 2,
                           "MAX_KEYS": 128, "MAX_ROWS": 64},
    "fcim_call_unit": _SMALL_SYSTEM,
    "fcim_accelerator": _SMALL_SYSTEM,
}
WITH_ENGINES = ("fcim_cluster", "fcim_call_unit", "fcim_accelerator")
SMALL = "tiny"          # names the parameters of an engine
DIGEST = 16             # hex digits
FRESH = 1_000_000       # where yosys begins to number what it makes
_MODULE = re.compile(r"^module \\(\S+)\n(.*?)^end\n", re.M | re.S)
_SOURCE = re.compile(r"^ *attribute \\(?:src|hdlname|top|keep_hierarchy) .*\n", re.M)
_CELL = re.compile(rf"^  cell \\({PREFIX}\S+) \\(\S+)$", re.M)
_PORT = re.compile(r"^  wire .*(?:input|output) \d+ .*\n", re.M)
_MEMORY = re.compile(r"^  memory width (\d+) size (\d+) ", re.M)
_NUMBERED = re.compile(r"[^\s\"\\]*\$\d[^\s\"]*")      # a name, also one in a text
_NUMBER = re.compile(r"\$(\d+)(?![0-9A-Za-z])")


@dataclass(frozen=True)
class Block:
    """A module at its parameters.

    ``children``: for each instance the block that it is. ``digest``: of the file, which says all about the module and of its
    children their ports only.
    """

    name: str
    file: Path
    digest: str
    children: dict[str, str]

    @property
    def size(self) -> int:
        """A measure of the work that it is."""
        return self.file.stat().st_size


def elaborate(cfg: EngineConfig, folder: Path) -> dict[str, Block]:
    """The blocks of the engine and of the units beside it by name, children before parents.

    A module that occurs with several sets of parameters gets a number behind its name, a memory its words and width; instances
    that are alike are one block.

    Raises:
        FcimError: the RTL cannot be elaborated.
    """
    shown = f"at {cfg.name}"
    blocks = elaborate_module(TOP, cfg.verilog_parameters(), folder, shown)
    for unit in UNITS:
        blocks = elaborate_module(unit, unit_parameters(unit, cfg), folder, shown, blocks)
    return blocks


def elaborate_module(top: str, parameters: Mapping[str, int], folder: Path, shown: str = "",
                     known: Mapping[str, Block] | None = None, apart: Collection[str] = (),
                     more: Collection[Path] = ()) -> dict[str, Block]:
    """The same of one module at its own parameters.

    Args:
        shown: for the message. known: blocks of other modules, which come first in the result; a block that is there already is
            not cut again. apart: modules that are not read, since they are known at their parameters. more: files beside
            the RTL.

    Raises:
        FcimError: the RTL cannot be elaborated.
    """
    folder.mkdir(parents=True, exist_ok=True)
    whole = folder / f"whole-{top}.il"
    try:
        yosys.run(f"{read_command('slang', top, parameters, apart, more)}write_rtlil {whole}\n", folder, "elaborate")
    except yosys.YosysFailed as failure:
        raise FcimError(f"{top} cannot be elaborated {shown or f'with {dict(parameters)}'}; {failure}") from None
    return cut(whole.read_text(), folder, top, known, apart)


def elaborate_other(top: str, folder: Path) -> dict[str, Block]:
    """The blocks of one of :data:`OTHER_TOPS`; of one that has engines, all of them are alike, and read once.

    Raises:
        FcimError: the RTL cannot be elaborated.
    """
    parameters = OTHER_TOPS[top]
    if top not in WITH_ENGINES:
        return elaborate_module(top, parameters, folder)
    engine = elaborate_module(ENGINE, {name: parameters[name] for name in load_config(SMALL).verilog_parameters()}, folder)
    return elaborate_module(top, parameters, folder, known=engine, apart=[ENGINE])


def renumbered(text: str) -> str:
    """Numbers that yosys and its reader gave, anew from 1 on; both count, so a number counts with what is in front of it."""
    numbers: dict[tuple[str, str], int] = {}

    def name(found: re.Match[str]) -> str:
        return _NUMBER.sub(lambda n: f"${numbers.setdefault((found[0][:n.start()], n[1]), len(numbers) + 1)}", found[0])

    return _NUMBERED.sub(name, text)


def cut(text: str, folder: Path, top: str = TOP, known: Mapping[str, Block] | None = None,
        apart: Collection[str] = ()) -> dict[str, Block]:
    """The modules of a design in yosys' text form as blocks behind those known, each in a file with its children's ports.

    Numbers that yosys gave are given anew, so that a block's text does not depend on what is around it.
    """
    bodies = {found[1]: _SOURCE.sub("", found[2]) for found in _MODULE.finditer(text)}
    blocks = dict(known or {})
    name_of: dict[str, str] = {}        # of a module of the file
    ports: dict[str, str] = {}          # of a block

    for module in apart:                # its parameters are not asked for again
        name_of[module] = module
        ports[module] = "".join(_PORT.findall(blocks[module].file.read_text().split(f"module \\{module}\n")[-1]))
        for name, body in bodies.items():
            bodies[name] = re.sub(rf"^(  cell \\{module} \\\S+\n)(?:    parameter .*\n)+", r"\1", body, flags=re.M)

    def place(module: str) -> str:
        if module in name_of:
            return name_of[module]
        body = bodies[module]
        children = {instance: place(kind) for kind, instance in _CELL.findall(body)}
        body = _CELL.sub(lambda found: f"  cell \\{name_of[found[1]]} \\{found[2]}", body)
        body = renumbered(body)
        stubs = "".join(f"attribute \\blackbox 1\nmodule \\{kind}\n{ports[kind]}end\n" for kind in sorted(set(children.values())))
        base, count = module.split("$")[0], 1
        memories = _MEMORY.findall(body)
        if len(memories) == 1 and base in MEMORIES:
            base += "_{1}x{0}".format(*memories[0])
        while True:
            name = base if count == 1 else f"{base}_{count}"
            content = f"autoidx {FRESH}\n{stubs}module \\{name}\n{body}end\n"
            digest = hashlib.sha256(content.encode()).hexdigest()[:DIGEST]
            if name not in blocks or blocks[name].digest == digest:
                break
            count += 1
        if name not in blocks:
            (folder / f"{name}.il").write_text(content)
            blocks[name] = Block(name, folder / f"{name}.il", digest, children)
        ports[name] = "".join(_PORT.findall(body))
        name_of[module] = name
        return name

    place(top)
    return blocks
