"""Write what software needs: the accelerator's registers for C, for Python and as IP-XACT, its descriptor for C.

The registers are made from config/system/registers.rdl, the descriptor from models/system/descriptor.py.
"""

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
from models.system.descriptor import COMPLETION_BYTES, DESCRIPTOR_BYTES, FIELDS, Flag, Op, Status, completion_word
from models.system.register import Access
from scripts.flow.arguments import Parser
from scripts.flow.sources import ROOT

SOURCE = ROOT / "config" / "system" / "registers.rdl"
HEADER = ROOT / "config" / "system" / "fcim_registers.h"
DESCRIPTOR = ROOT / "config" / "system" / "fcim_descriptor.h"
IPXACT = ROOT / "config" / "system" / "fcim_registers.xml"
MODEL = ROOT / "models" / "system" / "registers.py"
LICENCE = "// SPDX-License-Identifier: Apache-2.0\n"
DESCRIPTOR_TEXT = LICENCE + """\
// A descriptor of the accelerator: the bytes in memory by which software orders one call, and the word with which it ends.
// Written by make registers from models/system/descriptor.py. docs/registers.md says what the fields mean and what is legal.
#ifndef FCIM_DESCRIPTOR_H
#define FCIM_DESCRIPTOR_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "a descriptor is little endian: swap the bytes of each field, and take this line out"
#endif

#define FCIM_DESCRIPTOR_BYTES {bytes}
#define FCIM_COMPLETION_BYTES {completion_bytes}

// op
{ops}
// flags
{flags}
// the completion word: a mask, and where its lowest bit is
{completion}
// status
{statuses}
// No field lies across a multiple of its size, so that nothing has to be packed; the lines behind it hold that.
typedef struct {{
{members}}} fcim_descriptor_t;

#define FCIM_LIES_AT(field, byte, bytes) static_assert(offsetof(fcim_descriptor_t, field) == byte \\
    && sizeof(((fcim_descriptor_t *)0)->field) == bytes, #field)
{asserts}#undef FCIM_LIES_AT
static_assert(sizeof(fcim_descriptor_t) == FCIM_DESCRIPTOR_BYTES, "fcim_descriptor_t");

#endif
"""
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


def descriptor_text() -> str:
    """The C header of a descriptor."""
    def constants(kind: str, values: type[Op | Flag | Status]) -> str:
        spec = "#x" if values is Flag else "d"
        return "".join(f"#define FCIM_{kind}_{value.name} {int(value):{spec}}u\n" for value in values)

    tag, status = completion_word((1 << 32) - 1, Status.OK), completion_word(0, Status(1)) * 0xFF
    members = "".join(f"    uint{8 * field.size}_t {field.name};".ljust(30) + f" // {field.meaning}\n" for field in FIELDS)
    asserts = "".join(f"FCIM_LIES_AT({field.name}, {field.byte}, {field.size});\n" for field in FIELDS)
    completion = "".join(f"#define FCIM_COMPLETION_{name}_bm {mask:#x}ull\n"
                         f"#define FCIM_COMPLETION_{name}_bp {(mask & -mask).bit_length() - 1}\n"
                         for name, mask in (("TAG", tag), ("STATUS", status)))
    return DESCRIPTOR_TEXT.format(bytes=DESCRIPTOR_BYTES, completion_bytes=COMPLETION_BYTES, ops=constants("OP", Op),
                                  flags=constants("FLAG", Flag), completion=completion, members=members, asserts=asserts,
                                  statuses=constants("STATUS", Status))


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
    return {HEADER: header_text(top), DESCRIPTOR: descriptor_text(), IPXACT: ipxact_text(top), MODEL: model_text(top)}


def main() -> int:
    """Write all of them."""
    Parser("registers", __doc__).parse_args()
    for path, text in outputs().items():
        path.write_text(text)
        print(path.relative_to(ROOT))
    return 0


if __name__ == "__main__":
    run_cli(main)
