"""What is made from config/system/registers.rdl is what lies in the repository, and a file that is wrong gets one line."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest

from models.errors import FcimError
from models.system.register import Access
from models.system.registers import REGISTERS
from scripts import registers


def test_what_is_made_from_the_registers_is_current() -> None:
    for path, text in registers.outputs().items():
        assert path.read_text() == text, f"{path.name} is not what registers.rdl says; run: make registers"


def test_the_command_writes_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.argv", ["registers"])
    wanted = registers.outputs()
    for name in ("HEADER", "IPXACT", "MODEL"):
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
