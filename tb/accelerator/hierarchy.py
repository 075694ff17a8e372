"""Sources in which all engines of an accelerator are one block to Verilator, which it then builds once for all.

A block of Verilator's hierarchical mode must have no parameters. So ``fcim_engine`` becomes a shell around a block without any,
which holds the engine itself, whose text is the RTL's but for its name.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from models.hardware.config import EngineConfig
from models.hardware.interface import ENGINE, ENGINE_PINS, ports
from scripts.flow.files import write_atomic
from scripts.flow.sources import rtl_files

ENGINE_FILE, BLOCK, INSIDE = "fcim_engine.v", "fcim_engine_block", "fcim_engine_inside"
CONTROL = f'`verilator_config\nhier_block -module "{BLOCK}"\n'


def _shell(cfg: EngineConfig) -> str:
    pins = ports(ENGINE, ENGINE_PINS, cfg)
    parameters = cfg.verilog_parameters()
    declared = ",\n".join(f"    {'input ' if inward else 'output'} wire [{width - 1}:0] {name}"
                          for name, (inward, width) in pins.items())
    connected = ", ".join(f".{name}({name})" for name in pins)
    given = ", ".join(f".{name}({value})" for name, value in parameters.items())
    taken = ", ".join(f"parameter {name} = {value}" for name, value in parameters.items())
    return (f"module {BLOCK} (\n{declared}\n);\n    {INSIDE} #({given}) u_engine ({connected});\nendmodule\n\n"
            f"module fcim_engine #({taken}) (\n{declared}\n);\n    {BLOCK} u_block ({connected});\nendmodule\n")


def sources_by_block(cfg: EngineConfig, folder: Path) -> list[Path]:
    """The RTL's files for an accelerator of engines ``cfg``, some of them written below ``folder``, and Verilator's control file.

    Equal engines have equal files in an equal place, so that a build serves every run.
    """
    shell = _shell(cfg)
    folder = folder / f"engine-{hashlib.sha256(shell.encode()).hexdigest()[:12]}"
    found = []
    for file in rtl_files():
        if file.name != ENGINE_FILE:
            found.append(file)
            continue
        text, count = re.subn(r"\bmodule fcim_engine\b", f"module {INSIDE}", file.read_text())
        assert count == 1, f"{file} is to hold one module"
        for name, body in ((f"{INSIDE}.v", text), ("fcim_engine_shell.v", shell)):
            write_atomic(folder / name, body)
            found.append(folder / name)
    control = folder / "engine.vlt"
    write_atomic(control, CONTROL)
    return [control, *found]
