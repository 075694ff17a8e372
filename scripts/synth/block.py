"""One block: from its file to gates, and the timing of those. What was found once stays in a folder named by all that it
depends on."""

from __future__ import annotations

import hashlib
import json
import lzma
import os
import re
import shutil
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from scripts.flow.gates import yosys
from scripts.flow.gates.fanout import limit_fanout
from scripts.flow.gates.netlist import netlist_of
from scripts.flow.gates.readers import FIND_LATCHES
from scripts.flow.gates.timing import End, Model, Step, analyse
from scripts.flow.gates.timing import Path as TimingPath
from scripts.flow.processes import WORK
from scripts.synth.elaborate import DIGEST, Block
from scripts.synth.libraries import FOLDER, Chosen

RECIPE = ("prepare.ys", "map.ys", "gates.abc")
MACRO_BITS, MACRO_READS, MACRO_WRITES = 4096, 2, 1      # from this size on, with at most these ports, a memory is a macro
KEPT = "netlist.json.xz"                                # of a block, beside gates.json
FORM = 1                                                # of what is kept; another number makes all of it old
_MEMORY = re.compile(r"^  cell \$mem_v2 \\?(\S+)\n(.*?)^  end\n", re.M | re.S)
_PARAMETER = re.compile(r"^    parameter (?:signed )?\\(\w+) (\S+)$", re.M)
_WARNING = re.compile(r"^Warning: (.*)$", re.M)


@dataclass(frozen=True)
class Memory:
    """A memory of a block: ``width`` times ``words`` bits; ``macro`` says that it stays one and is no flip-flops."""

    name: str
    width: int
    words: int
    reads: int
    writes: int
    clocked_read: bool
    macro: bool

    @property
    def bits(self) -> int:
        """How much it holds."""
        return self.width * self.words


@dataclass(frozen=True)
class Gates:
    """A block without its children: ``area`` in um2 of its cells, ``kinds`` how many of each, ``buffers`` those for fan-out."""

    cells: int
    flops: int
    area: float
    latches: list[str]
    memories: list[Memory]
    kinds: dict[str, int]
    buffers: int
    warnings: list[str]
    seconds: float

    @property
    def flop_bits(self) -> int:
        """Bits of memories that are flip-flops."""
        return sum(m.bits for m in self.memories if m.writes and not m.macro)

    @property
    def macro_bits(self) -> int:
        """Bits of memories that are macros."""
        return sum(m.bits for m in self.memories if m.macro)


@dataclass(frozen=True)
class Timed:
    """The longest path of a block with its children, and of those from a register to one; None where there is none. And what
    its parent must know."""

    worst: TimingPath | None
    inside: TimingPath | None
    model: Model
    seconds: float = 0.0


def key_of(*parts: str | bytes) -> str:
    """A name for what depends on these."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()[:DIGEST]


def gates_key(block: Block, library: Chosen) -> str:
    """The name of a block's gates: its text, the recipe, the library and its settings, the version of yosys."""
    settings = asdict(library.settings)
    settings.pop("file")
    return key_of(str(FORM), block.digest, yosys.VERSION, *((FOLDER / name).read_bytes() for name in RECIPE),
                  library.file.read_bytes(), json.dumps(settings, sort_keys=True))


def timing_key(key: str, children: Mapping[str, str]) -> str:
    """The name of a block's timing: its gates' and the timing's of its children."""
    return key_of("timing 2", key, json.dumps(children, sort_keys=True))


def synthesize(block: Block, library: Chosen, place: Path) -> Gates:
    """Gates of a block, which stay in the folder ``place`` with netlist and logs; what is there already is only read.

    Raises:
        yosys.YosysFailed: yosys refuses the block.
    """
    if (place / "gates.json").is_file():
        return _gates_from(json.loads((place / "gates.json").read_text()))
    began = time.monotonic()
    place.parent.mkdir(parents=True, exist_ok=True)
    # in the folder of the run, which goes with it, however it ends
    with tempfile.TemporaryDirectory(dir=os.environ.get(WORK, place.parent), prefix="new-") as name:
        work = Path(name)
        shutil.copy(block.file, work / "block.il")
        log = yosys.run(f"read_rtlil {work}/block.il\nhierarchy -top {block.name}\nproc\n"
                        f"tee -q -o {work}/latches.txt {FIND_LATCHES}\n{(FOLDER / RECIPE[0]).read_text()}"
                        f"dump -o {work}/memories.il t:$mem_v2\nwrite_rtlil {work}/prepared.il\n", work, "prepare")
        memories = _memories((work / "memories.il").read_text())
        latches = [line.split("/")[-1] for line in (work / "latches.txt").read_text().split()]
        flops = " ".join(f"c:{m.name}" for m in memories if not m.macro) or "* %n"
        liberty = library.file
        if liberty.suffix == ".xz":
            liberty = work / "library.lib"
            liberty.write_bytes(lzma.decompress(library.file.read_bytes()))
        (work / "constraints.txt").write_text(f"set_driving_cell {library.buffer.name}\n"
                                              f"set_load {library.settings.load:g} [all_outputs]\n")
        script = (FOLDER / RECIPE[1]).read_text().format(
            flops=flops, library=liberty, abc=FOLDER / RECIPE[2], constraints=work / "constraints.txt",
            dont_use=" ".join(f"-dont_use {cell}" for cell in library.dont_use()))
        yosys.run(f"read_rtlil {work}/prepared.il\nhierarchy -top {block.name}\n{script}write_json {work}/mapped.json\n",
                  work, "map")
        design = json.loads((work / "mapped.json").read_text())
        module = design["modules"][block.name]
        buffers = limit_fanout(module, library.cells, library.buffer)
        kinds: dict[str, int] = {}
        for cell in module["cells"].values():
            kinds[cell["type"]] = kinds.get(cell["type"], 0) + 1
        known = {kind: count for kind, count in kinds.items() if kind in library.cells.cells}
        left = sorted(set(kinds) - set(known) - set(block.children.values()) - {"$mem_v2"})
        if left:
            raise yosys.YosysFailed(f"{block.name}: {', '.join(left)} could not be made of the library's cells ({place})")
        gates = Gates(sum(known.values()), sum(n for kind, n in known.items() if library.cells.cells[kind].clock),
                      sum(n * library.cells.cells[kind].area for kind, n in known.items()), latches, memories, known, buffers,
                      sorted(set(_WARNING.findall(log))), time.monotonic() - began)
        with lzma.open(work / KEPT, "wt", preset=1) as file:
            json.dump({"modules": {block.name: module}}, file)
        for big in ("block.il", "prepared.il", "memories.il", "mapped.json", "library.lib"):
            (work / big).unlink(missing_ok=True)
        (work / "gates.json").write_text(json.dumps(asdict(gates), indent=1))
        move(work, place)
    return gates


def move(work: Path, place: Path) -> None:
    """A whole folder at once; another run may have been first."""
    work.chmod(0o755)
    if not place.exists():
        work.rename(place)
        work.mkdir()        # for the context that removes it


def _memories(text: str) -> list[Memory]:
    found = []
    for name, body in _MEMORY.findall(text):
        parameters = dict(_PARAMETER.findall(body))
        width, words, reads, writes = (_number(parameters[key]) for key in ("WIDTH", "SIZE", "RD_PORTS", "WR_PORTS"))
        macro = width * words >= MACRO_BITS and reads <= MACRO_READS and 0 < writes <= MACRO_WRITES
        found.append(Memory(name, width, words, reads, writes, "1" in parameters["RD_CLK_ENABLE"].split("'")[-1], macro))
    return found


def _number(text: str) -> int:
    return int(text.split("'")[1], 2) if "'" in text else int(text)


def _gates_from(data: dict[str, Any]) -> Gates:
    return Gates(**{**data, "memories": [Memory(**memory) for memory in data["memories"]]})


def time_block(block: Block, library: Chosen, place: Path, key: str, children: Mapping[str, Timed]) -> Timed:
    """The timing of a block whose gates lie in ``place``; ``children``: by the name of their block.

    Raises:
        FcimError: gates form a loop.
    """
    file = place / f"timing-{key}.json"
    if file.is_file():
        return timed_from(json.loads(file.read_text()))
    began = time.monotonic()
    with lzma.open(place / KEPT, "rt") as text:
        netlist = netlist_of(json.load(text), block.name)
    models = {name: timed.model for name, timed in children.items()}
    models |= {memory.name: _macro(memory) for memory in _gates_from(json.loads((place / "gates.json").read_text())).memories}
    found = analyse(netlist, library.cells, library.conditions, models)
    inside = _longest(found.inside, *(_below(instance, children[child].inside) for instance, child in block.children.items()))
    timed = Timed(_longest(found.worst, inside), inside, found.model, time.monotonic() - began)
    file.write_text(json.dumps(as_data(timed)))
    return timed


def _longest(*paths: TimingPath | None) -> TimingPath | None:
    return max((path for path in paths if path), key=lambda path: path.ps, default=None)


def _below(instance: str, path: TimingPath | None) -> TimingPath | None:
    """A child's path as its parent names it."""
    return path and replace(path, start=f"{instance}/{path.start}", end=f"{instance}/{path.end}")


def _macro(memory: Memory) -> Model:
    """A macro's inputs end paths and its outputs begin them; how fast it is itself is not known and counts as nothing."""
    ends = {port: End(0.0, memory.name) for port in ("RD_ADDR", "RD_EN", "WR_ADDR", "WR_DATA", "WR_EN")}
    return Model({"RD_DATA": End(0.0, memory.name)}, ends)


def as_data(timed: Timed) -> dict[str, Any]:
    """As JSON takes it."""
    data = asdict(timed)
    data["model"]["through"] = [[*ports, ps] for ports, ps in timed.model.through.items()]
    return data


def timed_from(data: dict[str, Any]) -> Timed:
    """Back from JSON."""
    model = data["model"]
    worst, inside = (TimingPath(**{**path, "steps": tuple(Step(**s) for s in path["steps"])}) if path else None
                     for path in (data["worst"], data["inside"]))
    outputs, inputs = ({port: End(*end) for port, end in model[name].items()} for name in ("outputs", "inputs"))
    through = {(a, b): ps for a, b, ps in model["through"]}
    return Timed(worst, inside, Model(outputs, inputs, through, model["slews"], model["loads"]), data["seconds"])
