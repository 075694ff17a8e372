"""What software gets of registers and descriptors is what lies in the repository, C takes it, and a wrong file gets one line."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from models.errors import FcimError
from models.system.descriptor import FIELDS, Descriptor, Flag, Op, Status, completion_word
from models.system.register import Access
from models.system.registers import REGISTERS
from scripts import registers


def test_what_is_made_from_the_registers_is_current() -> None:
    for path, text in registers.outputs().items():
        assert path.read_text() == text, f"{path.name} is not what registers.rdl says; run: make registers"


def test_the_command_writes_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.argv", ["registers"])
    wanted = registers.outputs()
    for name in ("HEADER", "DESCRIPTOR", "IPXACT", "MODEL"):
        monkeypatch.setattr(registers, name, tmp_path / getattr(registers, name).name)
    shutil.copy(registers.ROOT / "pyproject.toml", tmp_path)
    monkeypatch.setattr(registers, "ROOT", tmp_path)
    assert registers.main() == 0
    assert sorted(capsys.readouterr().out.split()) == sorted(path.name for path in wanted)
    assert all((tmp_path / path.name).read_text() == text for path, text in wanted.items())


@pytest.mark.parametrize(("text", "message"), [
    ("addrmap a { reg { field {} x[3:0]; } r @ 0; reg { field {} x[3:0]; } s @ 2; };", "mend wrong.rdl"),
    ("addrmap a { reg { field {} x; } r @ 0 ", "mend wrong.rdl"),
])
def test_a_wrong_file_gets_one_line(text: str, message: str, tmp_path: Path) -> None:
    source = tmp_path / "wrong.rdl"
    source.write_text(text)
    with pytest.raises(FcimError, match=message) as error:
        registers.compile_registers(source)
    assert "\n" not in str(error.value) and "error" in str(error.value)


def test_a_c_compiler_takes_the_header(tmp_path: Path) -> None:
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler")
    source = tmp_path / "use.c"
    source.write_text(f'#include "{registers.HEADER}"\n#include <stddef.h>\n'
                      'static_assert(offsetof(fcim_registers_t, ring_tail) == 0x4C, "ring_tail");\n'
                      "int main(void) { return 0; }\n")
    subprocess.run([compiler, "-std=c11", "-Wall", "-Werror", "-fsyntax-only", str(source)], check=True)


def compiled(text: str, folder: Path, header: str | None = None) -> Path:
    """A program of C, with ``fcim_descriptor.h`` as it lies in the repository or with another text.

    Raises:
        subprocess.CalledProcessError: the compiler refuses it.
    """
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler")
    (folder / "fcim_descriptor.h").write_text(header or registers.DESCRIPTOR.read_text())
    (folder / "use.c").write_text(text)
    subprocess.run([compiler, "-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-o", folder / "use", folder / "use.c"],
                   check=True, stderr=subprocess.PIPE, text=True)
    return folder / "use"


def test_c_and_python_fill_the_same_bytes(tmp_path: Path, seed: int) -> None:
    """Random values in every field, and each field alone all ones."""
    generator = np.random.default_rng(seed)
    values = [{field.name: int.from_bytes(generator.bytes(field.size)) for field in FIELDS} for _ in range(20)]
    values += [{field.name: (1 << 8 * field.size) - 1 if field is alone else 0 for field in FIELDS} for alone in FIELDS]
    rows = "".join("    {" + ", ".join(f".{name} = {value:#x}ull" for name, value in row.items()) + "},\n" for row in values)
    program = compiled('#include "fcim_descriptor.h"\n#include <stdio.h>\nstatic const fcim_descriptor_t all[] = {\n' + rows
                       + "};\nint main(void) { return fwrite(all, sizeof all, 1, stdout) != 1; }\n", tmp_path)
    got = subprocess.run([program], check=True, stdout=subprocess.PIPE).stdout
    assert got == b"".join(Descriptor(**row).pack() for row in values)


def test_c_and_python_have_the_same_bits(tmp_path: Path) -> None:
    """Of flags, of the completion word, of op and status."""
    word = completion_word(0x89ABCDEF, Status.ENGINE)
    wanted = {f"FCIM_{kind}_{value.name}": int(value) for kind, values in (("OP", Op), ("FLAG", Flag), ("STATUS", Status))
              for value in values}
    wanted |= {f"({word:#x}ull & FCIM_COMPLETION_TAG_bm) >> FCIM_COMPLETION_TAG_bp": 0x89ABCDEF,
               f"({word:#x}ull & FCIM_COMPLETION_STATUS_bm) >> FCIM_COMPLETION_STATUS_bp": int(Status.ENGINE)}
    lines = "".join(f'static_assert(({name}) == {value:#x}u, "no");\n' for name, value in wanted.items())
    compiled(f'#include "fcim_descriptor.h"\n{lines}int main(void) {{ return 0; }}\n', tmp_path)
    assert set(re.findall(r"#define (FCIM_(?:OP|FLAG|STATUS)_\w+)", registers.DESCRIPTOR.read_text())) <= set(wanted)


@pytest.mark.parametrize(("old", "new", "says"), [
    ("    uint8_t tau; ", "    uint16_t tau;", "octaves"), ("    uint64_t v; ", "    uint32_t v; ", "v"),
    ("    uint16_t reserved; ", "    uint32_t reserved; ", "reserved"),
    ("    uint64_t h_table; ", "    uint64_t h_table, more;", "fcim_descriptor_t")])
def test_a_descriptor_that_lies_elsewhere_does_not_compile(old: str, new: str, says: str, tmp_path: Path) -> None:
    text = registers.DESCRIPTOR.read_text()
    assert old in text
    use = '#include "fcim_descriptor.h"\nint main(void) { return 0; }\n'
    with pytest.raises(subprocess.CalledProcessError) as error:
        compiled(use, tmp_path, text.replace(old, new))
    assert f'static assertion failed: "{says}"' in error.value.stderr


def test_the_page_shows_c_that_compiles(tmp_path: Path) -> None:
    (shown,) = re.findall(r"^```c\n(.*?)^```$", (registers.ROOT / "docs" / "registers.md").read_text(), re.M | re.S)
    include, body = shown.split("\n", 1)
    compiled(f"{include}\nint main(void) {{\n    uint64_t place = 0, *completion = &place;\n{body}\n"
             "    return (int)(tag + status) + d.op - FCIM_OP_DECODE;\n}\n", tmp_path)


def test_ip_xact_has_every_register_and_field() -> None:
    """Addresses, bits and access as the Python model has them, which the bench of the RTL goes by."""
    space = {"": "http://www.accellera.org/XMLSchema/IPXACT/1685-2014"}
    found = {}
    for register in ElementTree.parse(registers.IPXACT).iterfind(".//register", space):
        fields = {field.findtext("name", None, space): field for field in register.iterfind("field", space)}
        bits = {name: (int(field.findtext("bitOffset", None, space)), int(field.findtext("bitWidth", None, space)),
                       field.findtext("access", None, space)) for name, field in fields.items()}
        address = int(register.findtext("addressOffset", None, space).removeprefix("'h"), 16)
        found[register.findtext("name", None, space)] = address, bits
    assert set(found) == set(REGISTERS) and len(found) > 10
    for name, register in REGISTERS.items():
        address, fields = found[name]
        assert address == register.offset
        assert {field: (low, low + width - 1) for field, (low, width, _) in fields.items()} == {
            field.name: (field.low, field.high) for field in register.fields}
        assert all((fields[field.name][2] == "read-only") == (field.access is Access.READ) for field in register.fields), name
