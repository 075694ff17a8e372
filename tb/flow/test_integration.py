"""``docs/integration.md`` does what it says: its commands, its template, its numbers, its code and its masks."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch

from models.hardware.config import EngineConfig, load_config
from models.hardware.golden import run_tile
from models.hardware.operands import PLAIN
from models.hardware.quantise import multiplier_exponents, quantise, score_factor, snap_scale
from models.hardware.tile import TileJob
from models.hardware.tiling import build_tiles
from models.tensors.attention_tensors import AttentionTensors
from scripts.flow.simulator import require_simulator
from scripts.flow.sources import ROOT, include_folders, rtl_files

PAGE = (ROOT / "docs" / "integration.md").read_text()
LIST = ROOT / "fusioncim.f"
TINY = load_config("tiny")


def block(language: str) -> str:
    """The page's only block of code in ``language``."""
    found = re.findall(rf"```{language}\n(.*?)```", PAGE, re.S)
    assert len(found) == 1, f"{len(found)} blocks of {language} in docs/integration.md"
    return found[0]


def command(program: str) -> str:
    """The command of the page's table that begins with ``program``."""
    return re.search(rf"\| `({program} [^`]*)`", PAGE)[1]


def run(line: str | list[str], cwd: Path, usual: str = "no warning is") -> None:
    """Run a command, which must succeed and say nothing of warnings (but the ``usual`` one) or errors."""
    words = shlex.split(line) if isinstance(line, str) else line
    done = subprocess.run(words, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout
    assert not re.search(rf"(?i)^%?(warning|error)(?!: {usual})", done.stdout, re.M), done.stdout


def test_icarus_takes_the_list(tmp_path: Path) -> None:
    run(command("iverilog").replace("-o fcim.vvp", f"-o {tmp_path}/fcim.vvp -Wall"), ROOT)


def verilog_2005(text: str) -> str:
    """A Verilog file with what its parameter list has beyond Verilog-2005 undone: ``localparam`` there is ``parameter``."""
    head, begin, rest = text.partition(" #(\n")
    parameters, end, body = rest.partition("\n) (\n")
    return head + begin + parameters.replace("    localparam ", "    parameter  ") + end + body


def test_the_language_is_verilog_2005_but_for_parameter_lists(tmp_path: Path) -> None:
    """A compiler that stops at SystemVerilog takes the files without that, and refuses one more word of it."""
    files = [tmp_path / path.name for path in rtl_files()]
    for path, copy in zip(rtl_files(), files, strict=True):
        copy.write_text(verilog_2005(path.read_text()))
    line = ["iverilog", "-g2005", "-Wall", "-s", "fcim_engine", "-o", str(tmp_path / "out.vvp"),
            *(f"-I{folder}" for folder in include_folders()), *map(str, files)]
    run(line, tmp_path)
    files[0].write_text(files[0].read_text().replace("always @", "always_ff @", 1))
    with pytest.raises(AssertionError, match=r"(?i)error"):
        run(line, tmp_path)


@pytest.mark.parametrize("top", ["fcim_core", "fcim_engine"])
def test_verilator_takes_the_list_from_the_root_and_from_anywhere(top: str, tmp_path: Path) -> None:
    require_simulator("verilator")
    line = command("verilator").replace("fcim_engine", top)
    run(line, ROOT)
    run(line.replace("-F fusioncim.f", "-f fusioncim.f"), ROOT)
    run(line.replace("-F fusioncim.f", f"-F {LIST}").replace("rtl/lint.vlt", f"{ROOT}/rtl/lint.vlt"), tmp_path)


def test_yosys_takes_the_rtl() -> None:
    yosys = shutil.which("yosys")
    if yosys is None:
        pytest.skip("yosys is not installed; apt-get install yosys")
    words = shlex.split(command("yosys"))
    run([yosys, "-q", *words[1:]], ROOT, usual="Replacing memory")


def delayed_assignments_to_arrays_in_loops(text: str) -> list[str]:
    """Lines of a Verilog file that assign with ``<=`` to a word of an array within a procedural ``for`` loop."""
    arrays = re.findall(r"\breg\b[^;]*?\b(\w+)\s*\[[^\]]+:[^\]]+\]\s*;", re.sub(r"//.*", "", text))
    found, loops = [], []
    for line in re.sub(r"//.*", "", text).splitlines():
        depth = len(line) - len(line.lstrip())
        loops = [start for start in loops if line.strip() and depth > start or not line.strip()]
        if any(re.match(rf"\s*{name}\s*\[.*<=", line) for name in arrays) and loops:
            found.append(line.strip())
        if re.match(r"\s*for \(", line) and "begin : g_" not in line:
            loops.append(depth)
    return found


def test_nothing_in_the_rtl_is_beyond_verilator_5_006() -> None:
    """Debian's Verilator has no delayed assignments to arrays in loops; where it is not at hand, this stands for it.

    The columns of the OP-CIM's slice are few, so that it unrolls their loop (docs/integration.md says with which option always).
    """
    wrong = "reg [7:0] a [0:3];\nalways @(posedge c)\n    for (i = 0; i < 4; i = i + 1)\n        a[i] <= 0;\n"
    assert delayed_assignments_to_arrays_in_loops(wrong)
    for path in sorted((ROOT / "rtl").rglob("*.v")):
        unrolled = ["usum_q[c] <= plane_sum;", "hold_q[c] <= plane_sum & lanes_used;"] if path.name == "fcim_op_array.v" else []
        assert delayed_assignments_to_arrays_in_loops(path.read_text()) == unrolled, path


def test_an_old_verilator_takes_the_rtl(tmp_path: Path) -> None:
    program = os.environ.get("FCIM_OLD_VERILATOR") or next(
        (found for folder in ("/usr/bin", "/usr/local/bin") if (found := shutil.which("verilator", path=folder))), None)
    if program is None:
        pytest.skip("no other Verilator than the project's own is installed (FCIM_OLD_VERILATOR names one)")
    line = command("verilator").replace("verilator", program, 1)
    run(line.replace("-F fusioncim.f", f"-F {LIST}").replace("rtl/lint.vlt", f"{ROOT}/rtl/lint.vlt"), tmp_path)


def test_the_template_is_complete_and_clean(tmp_path: Path) -> None:
    source = tmp_path / "my_design.v"
    source.write_text(block("verilog"))
    verilator = [require_simulator("verilator"), "--lint-only", "-Wall", "-Wpedantic", "--top-module", "my_design",
                 "-F", str(LIST), str(ROOT / "rtl" / "lint.vlt"), str(source)]
    run(verilator, tmp_path)
    run(["iverilog", "-g2012", "-Wall", "-s", "my_design", "-o", str(tmp_path / "out.vvp"), "-f", LIST.name, str(source)], ROOT)
    source.write_text(block("verilog").replace(".s_k_last(s_k_last)", ".s_k_last()"))
    with pytest.raises(AssertionError, match="s_k_last"):
        run(verilator, tmp_path)


def test_no_header_hides_a_macro_and_no_file_a_timescale() -> None:
    for path in (ROOT / "rtl").rglob("*.v*"):
        text = path.read_text()
        assert "`timescale" not in text and "`define" not in text and not re.search(r"^\s*initial\b", text, re.M), path
        if path.suffix == ".v":
            assert "`default_nettype none" in text and text.rstrip().endswith("`default_nettype wire"), path


# ---- numbers

def example() -> dict[str, str]:
    """The worked example's quantities, without back quotes, as the page writes them."""
    table = PAGE.split("A worked example")[1].split("## Masks")[0].replace("`", "")
    return dict(re.findall(r"^\| ([^|]+?) \| ([\d.]+) \|", table, re.M))


def test_the_worked_example_is_what_the_quantiser_gives() -> None:
    factor = score_factor(128**-0.5)
    q_unit, k_unit = 3.2 / 127 * factor, 5.1 / 127
    q_exp, k_exp = multiplier_exponents(q_unit, k_unit)
    (q_mult, q_value), (k_mult, k_scale) = ([float(part) for part in snap_scale(torch.tensor(unit, dtype=torch.float64), power)]
                                            for unit, power in ((q_unit, q_exp), (k_unit, k_exp)))
    q_scale, shift = q_value / factor, q_exp + k_exp
    q_code, k_code = round(2.52 / q_scale), round(3.61 / k_scale)
    z = (q_code * k_code * int(q_mult) * int(k_mult) + (1 << (shift - 1))) >> shift
    v_name, v_scale = "v_scale of a channel with a largest value of 1.9", 1.9 / 127
    right = {"factor": factor, "q_unit": q_unit, "k_unit": k_unit, "q_exp": q_exp, "k_exp": k_exp, "q_mult": q_mult,
             "k_mult": k_mult, "shift": shift, "q_scale": q_scale, "k_scale": k_scale, "code of 2.52 in the row": q_code,
             "code of 3.61 in the key": k_code, "s of this one product": q_code * k_code, "z": z, v_name: v_scale,
             "an output of 6208 in that channel": 6208 * v_scale / 256}
    page = example()
    assert set(page) == set(right)
    for name, value in right.items():
        digits = len(page[name].partition(".")[2])
        assert page[name] == f"{value:.{digits}f}", name
    exact = q_code * q_scale * k_code * k_scale * 128**-0.5 * np.log2(np.e)
    assert abs(z / 1024 - exact) <= 0.5 / 1024 and f"{z / 1024:.4f} in log2 units" in PAGE and f"is {exact:.4f}" in PAGE


@pytest.fixture
def generator(seed: int) -> np.random.Generator:
    """Random numbers of the run's seed."""
    return np.random.default_rng([seed, 21])


def random_tensors(generator: np.random.Generator, rows: int, keys: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Float64 q ``[rows, D]``, k and v ``[keys, D]`` of rows and keys that differ in size."""
    shape = TINY.head_dim
    q, k, v = (generator.normal(size=(n, shape)) * np.exp2(generator.uniform(-4, 4, (n, 1))) for n in (rows, keys, keys))
    return tuple(x.astype(np.float32).astype(np.float64) for x in (q, k, v))      # tensors are float32 on their way


def test_the_code_of_the_page_is_the_quantiser(generator: np.random.Generator) -> None:
    names: dict[str, object] = {}
    exec(compile(block("python"), "docs/integration.md", "exec"), names)
    for _ in range(5):
        q, k, v = random_tensors(generator, 12, 40)
        got = names["operands"](q, k, v, TINY.head_dim**-0.5)
        tensors = AttentionTensors(q=torch.from_numpy(q)[None], k=torch.from_numpy(k)[None], v=torch.from_numpy(v)[None],
                                   scale=TINY.head_dim**-0.5, kv_of_head=[0])
        right, = quantise(tensors, PLAIN)
        for name, value in {"q": right.q[0], "q_mult": right.q_mult[0], "k": right.k, "k_mult": right.k_mult, "v": right.v,
                            "v_scale": right.v_scale}.items():
            assert np.array_equal(got[name], value.numpy()), name
        assert got["shift"] == right.shift


# ---- masks

def attend(cfg: EngineConfig, tensors: tuple[np.ndarray, ...], q_pos: np.ndarray, k_pos: np.ndarray, seen: np.ndarray) -> float:
    """SQNR in dB of the golden model with these positions against float attention under the mask ``seen`` [rows, keys]."""
    q, k, v = (torch.from_numpy(x) for x in tensors)
    scale = cfg.head_dim**-0.5
    whole = AttentionTensors(q=q[None], k=k[None], v=v[None], scale=scale, kv_of_head=[0])
    group, = quantise(whole, PLAIN)
    tile = TileJob(q=group.q[0], q_pos=torch.from_numpy(q_pos), q_mult=group.q_mult[0], k=group.k, v=group.v,
                   k_pos=torch.from_numpy(k_pos), k_mult=group.k_mult, shift=group.shift)
    out = run_tile(cfg, tile).out.double() * group.v_scale.double() / 256
    scores = (q @ k.T * scale).masked_fill(~torch.from_numpy(seen), float("-inf"))
    right = scores.softmax(-1) @ v
    return float(10 * torch.log10((right**2).sum() / ((out - right)**2).sum()))


def test_positions_make_attention_full_or_with_a_prefix_or_padded(generator: np.random.Generator) -> None:
    rows, keys = TINY.rows, 48
    tensors = tuple(generator.normal(size=(n, TINY.head_dim)) for n in (rows, keys, keys))
    zeros, places = np.zeros(rows, dtype=np.int64), np.arange(keys)
    tokens = keys - rows + np.arange(rows)
    everything = np.ones((rows, keys), dtype=bool)
    causal = places <= tokens[:, None]
    padding = np.where(places < 40, 0, (1 << TINY.pos_bits) - 1)
    prefix = np.where(places < 36, 0, places)
    cases = {"causal": (tokens, places, causal), "full": (zeros, np.zeros(keys, dtype=np.int64), everything),
             "prefix": (zeros + np.arange(rows) + 32, prefix, prefix <= (np.arange(rows) + 32)[:, None]),
             "padded": (zeros, padding, everything & (places < 40))}
    for name, (q_pos, k_pos, seen) in cases.items():
        assert attend(TINY, tensors, q_pos, k_pos, seen) > 35, name
    # another mask would be noticed: positions of causal attention are not those of full attention
    assert attend(TINY, tensors, tokens, places, everything) < 20


def test_tiles_of_the_models_are_causal(generator: np.random.Generator) -> None:
    """The page's first row is what ``models.hardware.tiling`` sends."""
    q, k, v = random_tensors(generator, 12, 40)
    tensors = AttentionTensors(q=torch.from_numpy(q)[None], k=torch.from_numpy(k)[None], v=torch.from_numpy(v)[None],
                               scale=TINY.head_dim**-0.5, kv_of_head=[0])
    tile, = build_tiles(TINY, quantise(tensors)[0])
    assert tile.q_pos.tolist() == list(range(28, 40)) and tile.k_pos.tolist() == list(range(40))
