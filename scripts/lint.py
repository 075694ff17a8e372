"""Static checks: Verilator and yosys on every configuration, columns, ruff, layers, unseeded random numbers. A finding fails."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

from models.errors import run_cli
from models.hardware.config import config_names, load_config
from models.system.config import load_system
from scripts.flow.arguments import Parser
from scripts.flow.gates import yosys
from scripts.flow.gates.readers import (
    ENGINE,
    ROWS,
    UNITS,
    WAIVERS,
    engine_findings,
    findings,
    unit_findings,
    unit_parameters,
    verilator_command,
    verilator_on,
)
from scripts.flow.simulator import FAST_ARRAYS
from scripts.flow.sources import ROOT

TOPS, BENCH_TOP = ("fcim_core", ENGINE), "tb_core"
# what a configuration says nothing of: each set of parameters with its name
OTHER_TOPS = [(top, f"{bits} bits", {"DATA_BITS": bits, "MAX_BURST": burst, "OUTSTANDING": outstanding, **more})
              for bits, burst, outstanding, beats in ((128, 256, 16, 1024), (512, 16, 8, 128), (1024, 1, 1, 1))
              for top, more in (("fcim_axi_reader", {"BUFFER_BEATS": beats}), ("fcim_axi_writer", {}))]
OTHER_TOPS += [("fcim_cluster", f"ENGINES {engines}", {**load_config("tiny").verilog_parameters(), "ENGINES": engines,
                                                       "BUFFER_KEYS": 512, **more})
               for engines, more in ((1, {}), (3, {}), (2, {"PROB_BITS": 8, "SUM_CUT": 6}))]
OTHER_TOPS += [(top, f"ENGINES {sizes['ENGINES']}", {**sizes, **more})
               for sizes, rows, blocks in (
                   ({"ENGINES": 1, "HEAD_DIM": 16, "MAX_KEYS": 64, "DATA_BITS": 128}, 8, (8, 32)),
                   ({"ENGINES": 16, "HEAD_DIM": 128, "MAX_KEYS": 131072, "DATA_BITS": 1024}, 128, (16, 4096)))
               for top, more in (("fcim_kv_loader", dict(zip(("KEYS_PER_BLOCK", "BUFFER_KEYS"), blocks, strict=True))),
                                 ("fcim_q_fetch", {"ROWS": rows}),
                                 ("fcim_read_router", {"ROWS": rows, "KEYS_PER_BLOCK": blocks[0], "BUFFER_KEYS": blocks[1]}),
                                 ("fcim_store", {}))]
OTHER_TOPS += [("fcim_o_stage", f"O_ROWS {rows}", {"ENGINES": engines, "HEAD_DIM": 16, "O_ROWS": rows})
               for engines, rows in ((1, 1), (16, 2), (2, 1024))]
OTHER_TOPS += [("fcim_command_processor", f"MAX_KEYS {keys}", {"ENGINES": engines, "ROWS": rows, "MAX_KEYS": keys,
                                                               "BUFFER_KEYS": keys, "DATA_BITS": bits})
               for engines, rows, keys, bits in ((1, 128, 64, 1024), (16, 8, 131072, 128))]
OTHER_TOPS += [("fcim_registers", f"ENGINES {engines}", {"ENGINES": engines}) for engines in (1, 16)]
OTHER_TOPS += [("fcim_planner", f"ENGINES {engines}", {"ENGINES": engines, "KEYS_PER_BLOCK": 8, "MAX_KEYS": keys,
                                                     "BUFFER_KEYS": keys})
               for engines, keys in ((1, 64), (4, 1024), (16, 131072))]
OTHER_TOPS += [("fcim_kv_stationary", f"MACROS {macros}", {
    "MACROS": macros, "ROWS": rows, "HEAD_DIM": 16, "BITS_PER_CYCLE": 2, "LANES": lanes, "O_COLUMNS": columns, "V_TILES": tiles,
    "MAX_KEYS": 64, "MAX_ROWS": 16, "BANKS": banks})
    for macros, rows, lanes, columns, tiles, banks in ((1, 32, 32, 16, 1, 2), (2, 16, 4, 4, 2, 8))]
OTHER_TOPS += [("fcim_unfused", f"MACROS {macros}", {"MACROS": macros, "ROWS": rows, "HEAD_DIM": dim, "BITS_PER_CYCLE": bits,
                                                     "LANES": lanes, "PORT_BYTES": port, "SLOTS": slots,
                                                     "BANKS": banks})
               for macros, rows, dim, bits, lanes, port, slots, banks in (
                   (1, 8, 128, 1, 2, 4, 2, 8), (4, 16, 32, 2, 8, 64, 64, 4), (32, 8, 16, 8, 32, 128, 65536, 2))]
# yosys takes minutes for all blocks together, and reads each of them by itself anyway
JOINED = [("fcim_accelerator", f"ENGINES {engines}", load_system("tiny").with_engines(engines).verilog_parameters())
          for engines in (1, 2, 4)] + [("fcim_unfused", "as it is", {})]
BENCH_WAIVERS = ROOT / "tb" / "hdl" / "lint.vlt"
BENCHMARK = ROOT / "tb" / "hdl" / "alone" / "tb_core_alone.v"
SMALLEST, READERS_FOLDER = "tiny", ROOT / "build" / "lint"
STUDIES = ROOT / "scripts" / "studies"
ENCODED = [("fcim_encoded_array", f"ENCODING {encoding}, SIGNS {signs}", {
    "ROWS": 8, "HEAD_DIM": 16, "BITS_PER_CYCLE": bits, "ENCODING": encoding, "SIGNS": signs})
    for encoding, signs, bits in ((0, 0, 1), (1, 0, 1), (1, 0, 8), (2, 0, 2), (2, 2, 1), (3, 0, 8), (3, 1, 2), (3, 2, 1))]
COLUMNS = 100       # of a line of Verilog

SEEDED_PARTS = {"default_rng", "Generator", "SeedSequence", "BitGenerator", "PCG64"}     # of numpy.random


def _step(name: str, ok: bool) -> bool:
    print(f"{name:<42} {'ok' if ok else 'FAILED'}", flush=True)
    return ok


def _run(name: str, *command: str) -> bool:
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode != 0:
        print(done.stdout, end="")
    return _step(name, done.returncode == 0)


def lint_rtl() -> bool:
    """Verilator, once per top and configuration or set of parameters, then with the benches and the benchmark.

    The engine has the text of the arrays for synthesis, all else that for simulation.
    """
    ok = True
    for name in config_names():
        for top in TOPS:
            text = [] if top == ENGINE else [FAST_ARRAYS]
            ok &= _run(f"verilator, {top}, {name}", *verilator_on(top, load_config(name).verilog_parameters()), *text)
        for unit in UNITS:
            ok &= _run(f"verilator, {unit}, {name}", *verilator_on(unit, unit_parameters(unit, load_config(name))))
    for top, name, parameters in (*OTHER_TOPS, *JOINED):
        ok &= _run(f"verilator, {top}, {name}", *verilator_on(top, parameters))
    study = [str(path.relative_to(ROOT)) for suffix in ("vlt", "v") for path in sorted(STUDIES.rglob(f"*.{suffix}"))]
    for top, name, parameters in ENCODED:
        ok &= _run(f"verilator, {top}, {name}", *verilator_on(top, parameters), *study)
    bench = [str(path.relative_to(ROOT)) for path in (WAIVERS, BENCH_WAIVERS, *sorted((ROOT / "tb" / "hdl").glob("*.v")))]
    ok &= _run("verilator, benches", *verilator_command(FAST_ARRAYS, "--top-module", BENCH_TOP, *bench))
    return ok & _run("verilator, benchmark", *verilator_command(FAST_ARRAYS, "--timing", "--top-module", BENCHMARK.stem, *bench,
                                                                str(BENCHMARK.relative_to(ROOT))))


def lint_readers() -> bool:
    """Yosys with both of its readers: no latch, no loop, no net without a driver or with two; slang on every configuration.

    Yosys' own reader takes long, and what it sees depends little on sizes: it reads the smallest configuration.

    Raises:
        FcimError: yosys is not installed.
    """
    yosys.require()
    ok = True
    for reader, names in (("slang", config_names()), ("verilog", [SMALLEST])):
        for name in names:
            cfg, folder = load_config(name), READERS_FOLDER / name
            found = engine_findings(reader, cfg, folder) + unit_findings(reader, cfg, folder)
            print("".join(f"{line}\n" for line in found), end="")
            ok &= _step(f"yosys, {reader}, {name}", not found)
        for top, name, parameters in OTHER_TOPS:
            found = findings(reader, top, parameters, READERS_FOLDER / f"{top} {name}".replace(" ", "-"), ROWS)
            print("".join(f"{line}\n" for line in found), end="")
            ok &= _step(f"yosys, {reader}, {top}, {name}", not found)
    return ok


def lint_columns() -> bool:
    """No line of Verilog is longer than ``COLUMNS`` or holds a tab."""
    folders = (ROOT / "rtl", ROOT / "tb" / "hdl", ROOT / "formal", STUDIES)
    files = [path for folder in folders for path in sorted(folder.rglob("*.v*"))]
    findings = [f"{path.relative_to(ROOT)}:{number}: {len(line)} columns, at most {COLUMNS} are allowed, and no tab"
                for path in files for number, line in enumerate(path.read_text().splitlines(), 1)
                if len(line) > COLUMNS or "\t" in line]
    print("".join(f"{line}\n" for line in findings), end="")
    return _step("columns of Verilog", not findings)


def lint_layers() -> bool:
    """No layer imports from one above it: the contract in ``pyproject.toml``."""
    program = Path(sys.executable).with_name("lint-imports")    # a virtual environment has it beside its Python
    return _run("layers", str(program), "--cache-dir", "build/import_linter")


def _dotted(node: ast.AST) -> str:
    """``a.b.c`` for such an expression, else an empty string."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}"
    return ""


def _unseeded(node: ast.AST) -> str | None:
    """Why this is a random number that no seed reaches, None if it is not: a global generator, or one made without a seed."""
    if isinstance(node, ast.Import) and any(name.name == "random" for name in node.names):
        return "Python's global generator; use numpy's default_rng with the run's seed"
    if isinstance(node, ast.ImportFrom) and node.module == "random":
        return "Python's global generator; use numpy's default_rng with the run's seed"
    if isinstance(node, ast.ImportFrom) and node.module == "numpy.random" and {n.name for n in node.names} - SEEDED_PARTS:
        return "numpy's global generator; use default_rng with the run's seed"
    if isinstance(node, ast.Attribute) and _dotted(node.value) in ("np.random", "numpy.random") and node.attr not in SEEDED_PARTS:
        return "numpy's global generator; use default_rng with the run's seed"
    if isinstance(node, ast.Call) and _dotted(node.func).split(".")[-1] == "default_rng":
        first = node.args[0] if node.args else next((k.value for k in node.keywords if k.arg == "seed"), None)
        if first is None or (isinstance(first, ast.Constant) and first.value is None):
            return "default_rng without a seed"
    return None


def find_unseeded(path: Path, root: Path) -> list[str]:
    """``file:line: problem`` for each use in the Python file ``path``; paths are shown from ``root`` on."""
    try:
        tree = ast.parse(path.read_text(), filename=str(path))
    except SyntaxError as error:
        return [f"{path.relative_to(root)}:{error.lineno}: not valid Python ({error.msg})"]
    found = [(node.lineno, problem) for node in ast.walk(tree) if (problem := _unseeded(node))]
    return [f"{path.relative_to(root)}:{line}: {problem}" for line, problem in sorted(found)]


def lint_random() -> bool:
    """No number may come from a generator that the run's seed does not reach."""
    findings = [line for folder in ("models", "scripts", "tb", "tests") for path in sorted((ROOT / folder).rglob("*.py"))
                for line in find_unseeded(path, ROOT)]
    print("".join(f"{line}\n" for line in findings), end="")
    return _step("random numbers", not findings)


def main() -> int:
    """Run all checks, also after one has failed; 1 if any did."""
    Parser("lint", "Verilator and yosys on every configuration, line widths, ruff, layers, unseeded random numbers.").parse_args()
    ruff = (sys.executable, "-m", "ruff", "check", "--quiet", ".")
    results = [lint_rtl(), lint_readers(), lint_columns(), _run("ruff", *ruff), lint_layers(), lint_random()]
    return 0 if all(results) else 1


if __name__ == "__main__":
    run_cli(main)
