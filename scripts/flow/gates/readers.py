"""Verilator's reader and the two that yosys has, and what they must not find: latches, loops, nets with no driver or several."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from pathlib import Path

from models.hardware.config import EngineConfig
from scripts.flow.gates import yosys
from scripts.flow.simulator import require_simulator
from scripts.flow.sources import FILE_LIST, ROOT, include_folders, rtl_files

WAIVERS = ROOT / "rtl" / "lint.vlt"
READERS = ("slang", "verilog")
ENGINE = "fcim_engine"
# beside engines, and what of these they share
UNITS = {"fcim_merge": ("HEAD_DIM", "BITS_PER_CYCLE", "PROB_BITS", "MAX_KEYS", "SUM_CUT")}
ROWS = {"fcim_ip_row": ("HEAD_DIM", "BITS_PER_CYCLE"),      # of the arrays, and their parameters
        "fcim_op_row": ("COLUMNS", "BITS_PER_CYCLE", "KEYS_PER_BLOCK", "PROB_BITS")}
LATCHES = ("$dlatch", "$adlatch", "$dlatchsr", "$sr")
FIND_LATCHES = f"select -list {' '.join(f't:{kind}' for kind in LATCHES)}"


def read_command(reader: str, top: str, parameters: Mapping[str, int], apart: Collection[str] = (),
                 more: Collection[Path] = ()) -> str:
    """The commands that read the RTL, and the files ``more`` beside it, and elaborate ``top``, its hierarchy kept; slang leaves
    out the modules ``apart``."""
    includes = " ".join(f"-I{path}" for path in include_folders())
    files = " ".join(str(path) for path in (*rtl_files(), *more))
    if reader == "slang":
        given = " ".join(f"-G {name}={value}" for name, value in parameters.items())
        left_out = " ".join(f"--blackboxed-module {module}" for module in apart)
        return f"read_slang --keep-hierarchy --top {top} {given} {left_out} {includes} {files}\n"
    given = " ".join(f"-chparam {name} {value}" for name, value in parameters.items())
    return f"read_verilog -sv -defer {includes} {files}\nhierarchy -check -top {top} {given}\n"


def verilator_command(*more: str) -> list[str]:
    """Verilator on the RTL with all warnings, which are errors unless the RTL's waivers or others among ``more`` excuse them.

    Raises:
        FcimError: Verilator is not installed, or too old.
    """
    return [require_simulator("verilator"), "--lint-only", "-Wall", "-Wpedantic", "--timescale", "1ns/1ps",
            "-f", str(FILE_LIST), *more]


def verilator_on(top: str, parameters: Mapping[str, int]) -> list[str]:
    """That on one top, read as Verilog-2005, in which Verilator also takes the ``localparam`` of parameter lists."""
    given = [f"-G{key}={value}" for key, value in parameters.items()]
    return verilator_command("--language", "1364-2005", "--top-module", top, *given, str(WAIVERS.relative_to(ROOT)))


def unit_parameters(unit: str, cfg: EngineConfig) -> dict[str, int]:
    """What a unit beside engines of this configuration is given; its other parameters stay as they are."""
    given = cfg.verilog_parameters()
    return {name: given[name] for name in UNITS[unit] if name in given}


def unit_findings(reader: str, cfg: EngineConfig, folder: Path) -> list[str]:
    """:func:`findings` in all units beside engines of this configuration.

    Raises:
        FcimError: ``fusioncim.f`` names what is not there.
    """
    return [line for unit in UNITS for line in findings(reader, unit, unit_parameters(unit, cfg), folder / unit)]


def engine_findings(reader: str, cfg: EngineConfig, folder: Path) -> list[str]:
    """:func:`findings` in the whole engine; slang, which elaborates every instance by itself, reads the arrays' rows apart, once.

    Raises:
        FcimError: ``fusioncim.f`` names what is not there.
    """
    parameters = cfg.verilog_parameters()
    if reader != "slang":
        return findings(reader, ENGINE, parameters, folder)
    rows = {name: {key: {**parameters, "COLUMNS": cfg.columns}[key] for key in keys} for name, keys in ROWS.items()}
    found = findings(reader, ENGINE, parameters, folder, rows)
    for row, given in rows.items():
        found += findings(reader, row, given, folder / row)
    return found


def findings(reader: str, top: str, parameters: Mapping[str, int], folder: Path, apart: Collection[str] = ()) -> list[str]:
    """What a reader finds wrong with the RTL, one line each; its script and log stay in ``folder``.

    Args:
        apart: modules that are not looked into (slang alone).

    Raises:
        FcimError: ``fusioncim.f`` names what is not there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    latches = folder / f"{reader}-latches.txt"
    script = (f"{read_command(reader, top, parameters, apart)}proc\ntee -q -o {latches} {FIND_LATCHES}\n"
              "opt_expr\nopt_clean\ncheck -assert\n")
    latches.unlink(missing_ok=True)
    try:
        log = yosys.run(script, folder, reader)
        found = []
    except yosys.YosysFailed as failure:
        log, found = (folder / f"{reader}.log").read_text(errors="replace"), [str(failure)]
    found += [line.strip() for line in log.splitlines() if line.startswith("Warning: ") and "Latch inferred" not in line
              and "list of registers" not in line]
    if latches.is_file():
        modules = [line.split("/")[0].split("\\")[-1].split("$fcim")[0] for line in latches.read_text().split()]
        counts = Counter(modules)
        found += [f"{n} latch{'es' if n > 1 else ''} in {name}; assign on every path" for name, n in counts.items()]
    return found
