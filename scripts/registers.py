"""Write what is made from config/system/registers.rdl: the accelerator's registers for C, for Python and as IP-XACT."""

from __future__ import annotations

import tempfile
import tomllib
from pathlib import Path

from peakrdl_cheader.exporter import CHeaderExporter
from peakrdl_ipxact import IPXACTExporter, Standard
from systemrdl import RDLCompileError, RDLCompiler
from systemrdl.messages import MessagePrinter
from systemrdl.node import AddrmapNode, FieldNode, RegNode

from models.errors import FcimError, run_cli
from models.system.register import Access
from scripts.flow.arguments import Parser
from scripts.flow.sources import ROOT

SOURCE = ROOT / "config" / "system" / "registers.rdl"
HEADER = ROOT / "config" / "system" / "fcim_registers.h"
IPXACT = ROOT / "config" / "system" / "fcim_registers.xml"
MODEL = ROOT / "models" / "system" / "registers.py"
LICENCE = "// SPDX-License-Identifier: Apache-2.0\n"
MODEL_HEAD = '''"""The accelerator's registers by name, written by ``make registers`` from config/system/registers.rdl."""

from __future__ import annotations

from collections.abc import Mapping

from models.system.register import Access, Field, Register

REGISTERS: Mapping[str, Register] = {register.name: register for register in (
'''


class _Silent(MessagePrinter):
    """Keeps messages instead of printing them."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit_message(self, lines: list[str]) -> None:
        self.lines += lines


def compile_registers(source: Path = SOURCE) -> AddrmapNode:
    """The register map in ``source``.

    Raises:
        FcimError: the file is not legal SystemRDL; the message has the compiler's first complaint.
    """
    messages = _Silent()
    compiler = RDLCompiler(message_printer=messages)
    try:
        compiler.compile_file(str(source))
        return compiler.elaborate().top
    except (RDLCompileError, FileNotFoundError) as error:
        first = next((line for line in messages.lines if "error" in line), str(error))
        raise FcimError(f"{first.strip()}; mend {source.name}") from None


def _access(field: FieldNode) -> Access:
    if field.get_property("singlepulse"):
        return Access.WRITE_1_ACTS
    if field.get_property("onwrite") is not None:
        return Access.WRITE_1_CLEARS
    return Access.READ_WRITE if field.is_sw_writable else Access.READ


def _field(field: FieldNode) -> str:
    reset = field.get_property("reset")
    shown = "None" if reset is None else f"0x{reset:X}" if reset > 9 else str(reset)
    meaning = field.get_property("desc").replace('"', '\\"')
    return (f'        Field("{field.inst_name}", {field.high}, {field.low}, Access.{_access(field).name}, {shown},\n'
            f'              "{meaning}"),\n')


def _register(register: RegNode) -> str:
    return (f'    Register("{register.inst_name}", 0x{register.absolute_address:02X}, "{register.get_property("name")}", (\n'
            + "".join(map(_field, register.fields())) + "    )),\n")


def model_text(top: AddrmapNode) -> str:
    """The Python module."""
    return MODEL_HEAD + "".join(map(_register, top.registers())) + ")}\n"


def header_text(top: AddrmapNode) -> str:
    """The C header."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / HEADER.name
        CHeaderExporter().export(top, path=str(path))
        return LICENCE + path.read_text()


def ipxact_text(top: AddrmapNode) -> str:
    """The component of IEEE 1685-2014, whose version is the package's."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / IPXACT.name
        IPXACTExporter(standard=Standard.IEEE_1685_2014, vendor="fusioncim", library="fusioncim", version=version).export(
            top, str(path))
        return path.read_text()


def outputs() -> dict[Path, str]:
    """Every file that is made, and its text.

    Raises:
        FcimError: see :func:`compile_registers`.
    """
    top = compile_registers()
    return {HEADER: header_text(top), IPXACT: ipxact_text(top), MODEL: model_text(top)}


def main() -> int:
    """Write all of them."""
    Parser("registers", __doc__).parse_args()
    for path, text in outputs().items():
        path.write_text(text)
        print(path.relative_to(ROOT))
    return 0


if __name__ == "__main__":
    run_cli(main)
