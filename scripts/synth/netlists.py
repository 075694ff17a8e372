"""A block's gates as Verilog that simulators read: the netlists of the block and of what is in it, their cells, and a top with
the block's own parameters and ports, so that the bench of the RTL runs on it as it is.
"""

from __future__ import annotations

import json
import lzma
import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from filelock import FileLock

from models.errors import FcimError
from scripts.flow.gates import yosys
from scripts.flow.gates.cell_models import verilog_models
from scripts.flow.processes import WORK
from scripts.flow.sources import include_folders, rtl_files
from scripts.synth.block import FORM, KEPT, RECIPE, gates_key, key_of, move, synthesize
from scripts.synth.elaborate import Block, elaborate_module
from scripts.synth.libraries import DEFAULT, FOLDER, Chosen, choose

WRITTEN = 2             # form of what is kept here; another number makes all of it old
SUFFIX = "_gates"       # of the netlist's top
TOP_FILE, NETLIST, CELLS, ABOUT = "top.v", "netlist.v", "cells.v", "about.json"
HEADER = r"^module {top}\b.*?^\);"


@dataclass(frozen=True)
class Netlist:
    """Files of a block's gates, the top first; ``kinds`` counts the cells of the block and of all in it."""

    top: str
    files: tuple[Path, ...]
    kinds: Mapping[str, int]
    flops: int

    @property
    def cells(self) -> int:
        """How many."""
        return sum(self.kinds.values())


def netlist(top: str, parameters: Mapping[str, int], folder: Path, given: str = DEFAULT) -> Netlist:
    """The gates of ``top`` with these parameters, from ``folder`` if they were made there before of the same sources.

    Args:
        folder: of ``make synth``, whose gates are taken and kept.
        given: what LIB says.

    Raises:
        FcimError: yosys is not installed, the library cannot be used, or yosys refuses the block.
    """
    yosys.require()
    library = choose(given)
    place = folder / "verilog" / f"{top}-{_key(top, parameters, library)}"
    place.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{place}.lock"):
        if not (place / ABOUT).is_file():
            with tempfile.TemporaryDirectory(dir=os.environ.get(WORK, place.parent), prefix="new-") as name:
                work = Path(name)
                try:
                    _make(top, parameters, library, folder, work)
                except yosys.YosysFailed as failure:
                    raise FcimError(f"{top} has no gates; {failure}") from None
                work.chmod(0o755)
                work.rename(place)
                work.mkdir()        # for the context that removes it
    about = json.loads((place / ABOUT).read_text())
    return Netlist(top, tuple(place / file for file in (TOP_FILE, NETLIST, CELLS)), about["kinds"], about["flops"])


def flat(top: str, blocks: Mapping[str, Block], library: Chosen, folder: Path) -> Path:
    """A folder with the gates of the block ``top`` and of all in it as one module, in ``netlist.json.xz``.

    Raises:
        yosys.YosysFailed: yosys refuses one of the blocks.
    """
    places = [folder / f"{name}-{gates_key(block, library)}" for name, block in blocks.items()]
    for block, place in zip(blocks.values(), places, strict=True):
        synthesize(block, library, place)
    if len(blocks) == 1:
        return places[0]
    found = folder / f"{top}-flat-{key_of(*(place.name for place in places))}"
    if not found.is_dir():
        with tempfile.TemporaryDirectory(dir=os.environ.get(WORK, folder), prefix="new-") as name:
            work = Path(name)
            for place in places:
                (work / f"{place.name}.json").write_bytes(lzma.decompress((place / KEPT).read_bytes()))
            read = "".join(f"read_json {work}/{place.name}.json\n" for place in places)
            yosys.run(f"{read}hierarchy -top {top}\nflatten -noscopeinfo\nopt_clean\nwrite_json {work}/flat.json\n",
                      work, "flatten")
            with lzma.open(work / KEPT, "wt", preset=1) as file:
                file.write((work / "flat.json").read_text())
            for big in work.glob("*.json"):
                big.unlink()
            move(work, found)
    return found


def _key(top: str, parameters: Mapping[str, int], library: Chosen) -> str:
    headers = sorted(h for place in include_folders() for h in place.glob("*.vh"))
    settings = {key: value for key, value in asdict(library.settings).items() if key != "file"}
    return key_of(f"{FORM}.{WRITTEN}", top, json.dumps([dict(parameters), settings], sort_keys=True), yosys.VERSION,
                  *(path.read_bytes() for path in (*rtl_files(), *headers, library.file, *(FOLDER / name for name in RECIPE))))


def _make(top: str, parameters: Mapping[str, int], library: Chosen, folder: Path, work: Path) -> None:
    blocks = elaborate_module(top, parameters, work)
    script, kinds, flops = [], {}, 0
    for name, block in blocks.items():
        place = folder / "gates" / f"{name}-{gates_key(block, library)}"
        gates = synthesize(block, library, place)
        flops += gates.flops
        for kind, count in gates.kinds.items():
            kinds[kind] = kinds.get(kind, 0) + count
        (work / f"{name}.json").write_bytes(lzma.decompress((place / KEPT).read_bytes()))
        script.append(f"read_json {work}/{name}.json")
    script += [f"rename {top} {top}{SUFFIX}", f"write_verilog -noattr -noexpr {work}/{NETLIST}", ""]
    yosys.run("\n".join(script), work, "write")
    (work / CELLS).write_text(verilog_models(library.file, kinds))
    (work / TOP_FILE).write_text(top_of(top, parameters))
    for rest in (*work.glob("*.json"), *work.glob("*.il")):
        rest.unlink()
    (work / ABOUT).write_text(json.dumps({"top": top, "parameters": dict(parameters), "kinds": kinds, "flops": flops}))


def top_of(top: str, parameters: Mapping[str, int]) -> str:
    """A module with the header of the RTL's, which elaborates with these parameters alone, and the netlist in it."""
    checks = "".join(f"    generate if ({name} != {value}) begin : g_{name}\n"
                     f"        fcim_netlist_has_{name}_{value} illegal ();\n    end endgenerate\n"
                     for name, value in parameters.items())
    return shell(top, top, f"{top}{SUFFIX}", {}, before=checks)


def shell(top: str, name: str, inside: str, parameters: Mapping[str, int], before: str = "", hand_on: bool = False) -> str:
    """A module called ``name`` with the header of ``top`` in the RTL around one called ``inside``, its instance ``gates``.

    Args:
        parameters: values that the header gets instead of those in the RTL.
        before: Verilog in front of the instance.
        hand_on: ``inside`` has these parameters too.

    Raises:
        FcimError: there is no such module.
    """
    path = next((path for path in rtl_files() if path.stem == top), None)
    found = re.search(HEADER.format(top=top), path.read_text(), re.M | re.S) if path else None
    if found is None:
        raise FcimError(f"{top} is in no file of fusioncim.f; name a module of rtl/")
    header = re.sub(r"\boutput\s+reg\b", "output wire", found[0]).replace(top, name, 1)
    for key, value in parameters.items():
        header = re.sub(rf"(\bparameter\s+{key}\s*=\s*)\w+", rf"\g<1>{value}", header)
    lines = [line.split("//")[0].rstrip(", ") for line in header.splitlines()]
    ports = [line.split()[-1] for line in lines if line.lstrip().startswith(("input", "output"))]
    handed = f" #({', '.join(f'.{key}({key})' for key in parameters)})" if hand_on and parameters else ""
    pins = ",\n".join(f"        .{port}({port})" for port in ports)
    return (f"`default_nettype none\n{header}\n{before}    {inside}{handed} gates (\n{pins}\n    );\nendmodule\n"
            "`default_nettype wire\n")
