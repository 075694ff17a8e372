"""What the two AXI engines share: which parameters they take. The rest of it is tested in their benches."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from scripts.flow.sources import rtl_files

LEGAL = {"DATA_BITS": 256, "MAX_BURST": 16, "OUTSTANDING": 4, "BUFFER_BEATS": 64}
ILLEGAL = {
    "DATA_BITS": ((64, 192, 2048), "128_256_512_or_1024"),
    "MAX_BURST": ((0, 3, 512), "a_power_of_two_from_1_to_256"),
    "OUTSTANDING": ((0, 257), "1_to_256"),
    "BUFFER_BEATS": ((8, 63, 0), "a_power_of_two_from_MAX_BURST_on"),
}


def elaborate(top: str, **parameters: int) -> str:
    """What Icarus says to these parameters; nothing if it takes them."""
    program = shutil.which("iverilog")
    assert program, "iverilog is not on PATH; run: make setup"
    given = [f"-P{top}.{name}={value}" for name, value in (LEGAL | parameters).items()
             if top == "fcim_axi_reader" or name != "BUFFER_BEATS"]
    done = subprocess.run([program, "-g2012", "-t", "null", "-s", top, *given,
                           *(f"-I{folder}" for folder in sorted({path.parent for path in rtl_files()})), *map(str, rtl_files())],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert (done.returncode == 0) == ("fcim_illegal" not in done.stdout), done.stdout
    return done.stdout if done.returncode else ""


@pytest.mark.parametrize("name", ILLEGAL)
def test_only_legal_parameters_elaborate(name: str) -> None:
    values, use = ILLEGAL[name]
    for value in values:
        assert f"fcim_illegal_{name}_use_{use}" in elaborate("fcim_axi_reader", **{name: value}), value
    if name != "BUFFER_BEATS":
        assert f"fcim_illegal_{name}_use_{use}" in elaborate("fcim_axi_writer", **{name: values[0]}), values[0]


@pytest.mark.parametrize("top", ["fcim_axi_reader", "fcim_axi_writer"])
def test_the_ends_of_what_is_legal_elaborate(top: str) -> None:
    for bits, burst, outstanding, beats in ((128, 1, 1, 1), (512, 2, 2, 4), (1024, 256, 256, 256)):
        assert not elaborate(top, DATA_BITS=bits, MAX_BURST=burst, OUTSTANDING=outstanding, BUFFER_BEATS=beats)
