"""``make cores``: the descriptions by which other tools take the RTL, made from ``fusioncim.f`` and ``pyproject.toml``.

``fusioncim.core`` is for FuseSoC, ``Bender.yml`` for Bender, ``CITATION.cff`` for whoever cites the project.
"""

from __future__ import annotations

import tomllib
from pathlib import Path

from models.errors import run_cli
from models.hardware.config import load_config
from models.place import ROOT
from models.system.config import load_system
from scripts.flow.arguments import Parser
from scripts.flow.files import write_atomic
from scripts.flow.module_head import parameters_of
from scripts.flow.sources import headers, include_folders, rtl_files

CORE, BENDER, CITATION = ROOT / "fusioncim.core", ROOT / "Bender.yml", ROOT / "CITATION.cff"
ENGINE, ACCELERATOR = "fcim_engine", "fcim_accelerator"
MADE = "# Written by make cores from fusioncim.f and pyproject.toml.\n"
LINT = """  {name}:
    <<: *default
    description: {what} through Verilator, all warnings, with the project's waivers
    default_tool: verilator
    flow: lint
    flow_options:
      tool: verilator
      verilator_options: [-Wall, -Wpedantic, --timescale, 1ns/1ps, --language, 1364-2005]
    filesets_append: [waivers]
    toplevel: {top}
    parameters: [{parameters}]
"""
SIM = """  sim:
    <<: *default
    description: a bench of the engine through Icarus, on the files that FuseSoC has gathered; in a checkout after make setup
    default_tool: icarus
    flow: sim
    flow_options:
      tool: icarus
      iverilog_options: [-g2012]
    hooks: {{pre_run: [bench]}}
    toplevel: {top}
    parameters: [{parameters}]
"""
# FuseSoC's strings take neither quotes nor &&, so that the command is one program; it runs in build/fusioncim_VERSION/sim.
SCRIPTS = """scripts:
  bench:
    cmd: [env, -C, ../../.., .venv/bin/python, -m, scripts.fusesoc_sim, $$PWD/{gathered}]
"""


def project() -> dict[str, str]:
    """Name, version, description and licence of the package."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def shown(path: Path) -> str:
    """A path from the project's root."""
    return path.relative_to(ROOT).as_posix()


def core_text() -> str:
    """The file for FuseSoC.

    Raises:
        FcimError: ``fusioncim.f`` names what is not there.
    """
    about = project()
    included = "".join(f"      - {shown(path)}: {{is_include_file: true, include_path: {shown(path.parent)}}}\n"
                       for path in headers())
    files = "".join(f"      - {shown(path)}\n" for path in rtl_files())
    engine, accelerator = parameters_of(ENGINE), parameters_of(ACCELERATOR)
    parameters = "".join(f"  {name}:\n    description: \"{meaning}\"\n    datatype: int\n    default: {value}\n"
                         "    paramtype: vlogparam\n" for name, (value, meaning) in {**accelerator, **engine}.items())
    core = [name for name in engine if name in parameters_of("fcim_core")]
    usual = {name: value for name, (value, _) in accelerator.items()}
    small = [f"{name}={value}" for name, value in (usual | load_system("tiny").verilog_parameters()).items()]
    tiny = {name: value for name, (value, _) in engine.items()} | load_config("tiny").verilog_parameters()
    lints = "".join(LINT.format(name=name, what=what, top=top, parameters=", ".join(given)) for name, what, top, given in (
        ("lint", "the engine", ENGINE, engine), ("lint_core", "the engine without its scheduler", "fcim_core", core),
        ("lint_accelerator", "a small accelerator of two engines", ACCELERATOR, small)))
    sim = SIM.format(top=ENGINE, parameters=", ".join(f"{name}={value}" for name, value in tiny.items()))
    return f"""CAPI=2:
{MADE}name: "::fusioncim:{about['version']}"
description: "{about['description']}"

filesets:
  rtl:
    # Verilog-2005 with localparam in parameter lists, which is SystemVerilog to most tools.
    file_type: systemVerilogSource
    files:
{included}{files}  waivers:
    file_type: vlt
    files: [rtl/lint.vlt]

targets:
  default: &default
    description: the RTL, for a design that depends on it
    filesets: [rtl]
    toplevel: {ENGINE}
    parameters: [{', '.join(engine)}]
  accelerator:
    <<: *default
    description: the same with the accelerator of several engines on top
    toplevel: {ACCELERATOR}
    parameters: [{', '.join(accelerator)}]
{lints}{sim}
{SCRIPTS.format(gathered=f"src/fusioncim_{about['version']}")}
parameters:
{parameters}"""


def bender_text() -> str:
    """The file for Bender.

    Raises:
        FcimError: ``fusioncim.f`` names what is not there.
    """
    files = "".join(f"      - {shown(path)}\n" for path in rtl_files())
    return f"""{MADE}package:
  name: fusioncim
  description: "{project()['description']}"

sources:
  - include_dirs: [{', '.join(map(shown, include_folders()))}]
    files:
{files}"""


def citation_text() -> str:
    """How to cite the project."""
    about = project()
    return f"""{MADE}cff-version: 1.2.0
message: If you use this software, please cite it as below, and the paper whose architecture it follows (arXiv 2604.25317).
type: software
title: "FusionCIM: {about['description']}"
abstract: >-
  Open Verilog, golden models and test benches of a fused compute-in-memory attention engine and of the accelerator around it. The
  architecture follows FusionCIM (arXiv 2604.25317); docs/scope.md says what is decided differently.
version: {about['version']}
license: {about['license']}
authors:
  - name: The FusionCIM contributors
"""


def outputs() -> dict[Path, str]:
    """Every file that is made, and its text."""
    return {CORE: core_text(), BENDER: bender_text(), CITATION: citation_text()}


def main() -> int:
    """Write all of them."""
    Parser("cores", __doc__).parse_args()
    for path, text in outputs().items():
        write_atomic(path, text)
        print(shown(path))
    return 0


if __name__ == "__main__":
    run_cli(main)
