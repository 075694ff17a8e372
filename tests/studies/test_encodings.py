"""The study of encodings: digits give back their number, gates give what the digits say, and a wrong array is found out."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.errors import FcimError
from models.hardware.config import EngineConfig, load_config
from scripts.figures import encodings as figures
from scripts.figures.text import plain
from scripts.flow.gates import yosys
from scripts.flow.gates.energies import load_behaviours
from scripts.flow.sources import rtl_files
from scripts.power.measure import Fit, Measured, measure
from scripts.power.operands import Walk
from scripts.power.streams import KINDS
from scripts.studies.encodings import __main__ as command
from scripts.studies.encodings.arrays import FILES, KEYS, TOP, VALUES, VARIANTS, arrays
from scripts.studies.encodings.codes import (
    PLANES,
    Encoding,
    changed_bits,
    changes,
    codes,
    column,
    digits,
    inner_product,
    lines,
    sums,
)
from scripts.studies.encodings.table import OPERANDS, energies, explained, said, sizes, spread
from scripts.synth.elaborate import elaborate_module
from scripts.synth.libraries import choose
from scripts.synth.netlists import flat

BYTES = np.arange(-128, 128)
WEIGHTS = 1 << np.arange(PLANES - 1, -1, -1)
TINY = replace(load_config("tiny"), name="few-elements", head_dim=16)       # so that synthesis takes a second


@pytest.fixture
def generator(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def signed_bytes(generator: np.random.Generator, *shape: int) -> np.ndarray:
    """Small numbers mostly, as a model's are, and both ends of the range."""
    found = np.clip(np.rint(generator.normal(0, 30, shape)), -128, 127).astype(np.int64)
    ends = generator.random(shape)
    return np.where(ends < 0.1, -128, np.where(ends > 0.9, 127, found))


@pytest.mark.parametrize("encoding", Encoding)
def test_digits_give_back_their_number(encoding: Encoding) -> None:
    """All 256, by the weights of their digits."""
    of = digits(encoding, BYTES)
    assert of.set.shape == of.negative.shape == (256, PLANES) and not (of.negative & ~of.set & 1).any()
    weights = np.where(np.arange(PLANES) == 0, -WEIGHTS, WEIGHTS) if encoding == Encoding.TWOS else WEIGHTS
    value = (of.set.astype(int) - 2 * of.negative) @ weights
    assert np.array_equal(value, BYTES + 128 if encoding == Encoding.OFFSET else BYTES)
    every, negative = codes(encoding, BYTES)
    assert np.array_equal(of.set @ WEIGHTS, every) and np.array_equal(of.negative @ WEIGHTS, negative)


def test_signed_digits_have_no_neighbours_and_no_form_has_fewer() -> None:
    of = digits(Encoding.SIGNED_DIGITS, BYTES)
    assert not (of.set[:, 1:] & of.set[:, :-1]).any()
    reached, fewest = {0}, {0: 0}       # sums of so many powers of two with signs
    for count in range(1, 5):
        reached = {x + sign * int(w) for x in reached for w in WEIGHTS for sign in (1, -1)}
        fewest = {x: count for x in reached} | fewest
    assert of.set.sum(-1).tolist() == [fewest[x] for x in BYTES.tolist()]


@pytest.mark.parametrize("encoding", Encoding)
def test_the_inner_product_is_in_the_column(encoding: Encoding, generator: np.random.Generator) -> None:
    """From a column, what is one number for each key, and with offset binary the sum of a row."""
    q, k = signed_bytes(generator, 16, 32), signed_bytes(generator, 24, 32)
    q[:2, :], k[:2, :] = np.array([[-128], [127]]), np.array([[-128], [127]])
    found = column(encoding, q, k)
    assert np.array_equal(inner_product(encoding, found, *sums(encoding, k), q.sum(-1)), q @ k.T)
    if encoding != Encoding.TWOS:
        assert found.min() >= 0 and found.max() <= 255 * 255 * 32
    # as the array adds it: words of the digits, planes by their weights
    of = digits(encoding, k)
    weights = np.where(np.arange(PLANES) == 0, -WEIGHTS, WEIGHTS) if encoding == Encoding.TWOS else WEIGHTS
    cell = (q + 128)[:, None, :, None]
    word = np.where(of.negative, 255 - cell, cell) * of.set
    assert np.array_equal((word * weights).sum((2, 3)), found)


@pytest.mark.parametrize("per_cycle", [1, 2, 8])
@pytest.mark.parametrize("encoding", Encoding)
def test_changes_are_those_from_step_to_step(encoding: Encoding, per_cycle: int, generator: np.random.Generator) -> None:
    """Against a walk along each line, digit by digit."""
    q, k = signed_bytes(generator, 3, 4), signed_bytes(generator, 5, 4)
    of = digits(encoding, k)
    digit, word = np.zeros((4, 4), int), np.zeros((4, 4))
    for d in range(4):
        for line in range(per_cycle):
            before = None
            for key in range(5):
                for step in range(PLANES // per_cycle):
                    place = step * per_cycle + line
                    now = int(of.set[key, d, place]) * (-1 if of.negative[key, d, place] else 1)
                    if key:
                        digit[key - 1, d] += now != before
                        for row in (q[:, d] + 128).tolist():
                            made = [0 if not x else row if x > 0 else 255 - row for x in (before, now)]
                            word[key - 1, d] += (made[0] ^ made[1]).bit_count() / 3
                    before = now
    assert np.array_equal(changes(of, per_cycle), digit)
    assert changed_bits(of, q, per_cycle) == pytest.approx(word)


def test_planes_of_a_step_are_side_by_side() -> None:
    assert lines(np.arange(8)[None], 1).tolist() == [[x] for x in range(8)]
    assert lines(np.arange(16).reshape(2, 8), 2)[3:5].tolist() == [[6, 7], [8, 9]]


def test_what_changes_by_hand() -> None:
    """A -3 after a -3: a sign's copies keep two's complement still, the non-adjacent form has nothing that stays."""
    k = np.array([[-3], [-3]])
    assert {encoding.name: int(changes(digits(encoding, k), 1)[0, 0]) for encoding in Encoding} == {
        "OFFSET": 4,            # 01111101
        "TWOS": 2,              # 11111101
        "MAGNITUDE": 2,         # 000000--
        "SIGNED_DIGITS": 4}     # 00000-0+


def tile(cfg: EngineConfig, generator: np.random.Generator) -> Walk:
    """A tile of which only what the arrays see is filled."""
    keys = 4 * cfg.keys_per_block
    nothing = np.zeros(0, dtype=np.int64)
    q, k, v = (signed_bytes(generator, rows, cfg.head_dim) for rows in (cfg.rows, keys, keys))
    p = generator.integers(0, 2**cfg.prob_bits, (cfg.rows, keys))
    blocks = p.reshape(cfg.rows, -1, cfg.keys_per_block).swapaxes(0, 1), v.reshape(-1, cfg.keys_per_block, cfg.head_dim) + 128
    return Walk(q, nothing, nothing, k, nothing, nothing, v, 0, 0, (q + 128) @ (k + 128).T, nothing, nothing, nothing, p, p,
                blocks[0] @ blocks[1], nothing, nothing, nothing, nothing, cfg.head_dim)


def measured(name: str, cfg: EngineConfig, walk: Walk, folder: Path, files: tuple[Path, ...] | None = None) -> Measured:
    """An array's gates on a tile."""
    yosys.require()
    kind, library = arrays()[name], choose("asap7")
    blocks = elaborate_module(kind.top, kind.slice_of(cfg), folder / "rtl", more=kind.files if files is None else files)
    place = flat(kind.top, blocks, library, folder / "gates")
    stream = kind.stream(cfg, [walk])
    return measure(kind, cfg, place, library, load_behaviours(library.file, library.settings.slew), stream, ["random"])


@pytest.mark.parametrize(("name", "per_cycle"), [
    *((name, 2) for name in VARIANTS if name != "values"), ("twos", 1), ("twos", 4), ("signed-lines", 1)])
def test_gates_give_what_the_encoding_says(name: str, per_cycle: int, tmp_path: Path, generator: np.random.Generator) -> None:
    """Columns and sums, bit by bit, both ends of the range among the operands; and costs of the size that they should be."""
    cfg = replace(TINY, bits_per_cycle=per_cycle)
    walk = tile(cfg, generator)
    found = measured(name, cfg, walk, tmp_path)
    stream = arrays()[name].stream(cfg, [walk])
    assert found.checked == sum(expected.size for _, expected in stream.expected.values()) > 1000
    assert set(stream.expected) == ({"rd_data"} if VARIANTS[name].operation == VALUES else
                                    {"col", "ksum"} if VARIANTS[name].own else {"col", "ksum", "nsum"})
    cost, = found.costs
    assert 20 < cost.total < 1000 and found.area > 0
    assert stream.operands["digits"].shape == stream.operands["changes"].shape == stream.valid.shape
    assert 2 < cost.operands["digits"] < 5 and 2 < cost.operands["changes"] < 6


def test_offset_binary_is_the_engines_array(tmp_path: Path, generator: np.random.Generator) -> None:
    """The study's is another text of it: the same stream, the same outputs, and nearly the same gates."""
    walk = tile(TINY, generator)
    own, other = (arrays()[name].stream(TINY, [walk]) for name in ("engine", "offset"))
    for port, x in KINDS["ip_array"].stream(TINY, [walk]).stimulus.items():
        assert np.array_equal(x, own.stimulus[port]) and np.array_equal(x, other.stimulus[port]), port
    engine, offset = (measured(name, TINY, walk, tmp_path / name) for name in ("engine", "offset"))
    assert offset.costs[0].total == pytest.approx(engine.costs[0].total, rel=0.02)
    assert offset.area == pytest.approx(engine.area, rel=0.02)
    assert offset.registers == pytest.approx(engine.registers, rel=0.002)       # fan-out may take a copy more


@pytest.mark.parametrize(("name", "file", "text", "other", "port"), [
    ("twos", 0, "(OWN > 0) ? 2 : 0", "(OWN > 0) ? 0 : 0", "col"),
    ("twos", 0, "^ {2*IP_LANE{first}}", "", "col"),
    ("twos", 1, "weight = -weight;", "weight = weight;", "ksum"),
    ("signed-before", 0, "^ {8{sign}}) & {8{plane}}", "^ {8{sign & chosen[1]}}) & {8{plane}}", "col"),
    ("signed-after", 1, "~more & half", "more & ~half", "col"),
    ("signed-lines", 0, "(~cell0 &", "(cell0 &", "col"),
    ("magnitude", 1, "+ {7'd0, key[7]}", "", "col"),
    ("magnitude-lines", 1, "(SIGNS == LINES) ? signs : planes_q & signs", "signs & planes_q", "nsum"),
])
def test_a_wrong_array_is_found_out(name: str, file: int, text: str, other: str, port: str, tmp_path: Path) -> None:
    """Faults of the Verilog, each with the port that shows it, at one seed."""
    folder = tmp_path / "wrong"
    folder.mkdir()
    files = tuple(folder / path.name for path in FILES)
    for path, copy in zip(FILES, files, strict=True):
        copy.write_text(path.read_text())
    right = files[file].read_text()
    assert right.count(text) == 1
    files[file].write_text(right.replace(text, other))
    with pytest.raises(FcimError, match=f"{name}: [0-9]+ of [0-9]+ bits of {port} differ between gates and models"):
        measured(name, TINY, tile(TINY, np.random.default_rng(1)), tmp_path, files)


def test_values_in_twos_complement_are_unsigned_codes_to_the_array(generator: np.random.Generator) -> None:
    """Their sums are too large by 256 for each negative one, which its first plane would have to count."""
    walk = tile(TINY, generator)
    plain_, other = (arrays()[name].stream(TINY, [walk]).expected["rd_data"][1] for name in ("values", "values-twos"))
    assert np.array_equal(plain_, KINDS["op_array"].stream(TINY, [walk]).expected["rd_data"][1])
    lane = TINY.prob_bits + 8 + (TINY.keys_per_block - 1).bit_length()
    first, found = (x[..., 0].reshape(len(x), -1, lane) @ (1 << np.arange(lane)) for x in (plain_, other))
    p, v = (x.reshape(-1, TINY.keys_per_block, x.shape[-1]) for x in (walk.weights.T, walk.v))
    signed = np.einsum("bkr,bkd->brd", p, v)
    sums_p = np.einsum("bkr,bkd->brd", p, np.ones_like(v))
    negative = np.einsum("bkr,bkd->brd", p, (v < 0).astype(int))
    pairs = {(int(a), int(b)) for a, b in zip(first.ravel(), found.ravel())}
    assert pairs <= {(int(a), int(b)) for a, b in zip((signed + 128 * sums_p).ravel(), (signed + 256 * negative).ravel())}
    assert any(a != b for a, b in pairs)


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two arrays at the smallest size, from a checkpoint to the report."""
    out = tmp_path / "out"
    arguments = ["--config=tiny", "--top=offset,twos", "--tokens=96", "--checkpoint=models/fixture", f"--out={out}"]
    assert command.main(arguments) == 0
    text = capsys.readouterr().out
    assert "PASS" in text and "two's complement" in text and "set digits" in text
    data = json.loads((out / command.REPORT).read_text())
    assert data["command"].startswith("make encodings CONFIG=tiny TOP=offset,twos CHECKPOINT=") and not data["faults"]
    assert set(data["arrays"]) == {"offset", "twos"}
    for array in data["arrays"].values():
        cost, = array["costs"]
        assert cost["total"] == cost["loads"] + cost["internal"] + cost["clock"] > 0 and array["area"] > 0


def report() -> dict[str, object]:
    """Data of a run, with figures that are easy to follow."""
    found = {}
    for place, (name, variant) in enumerate(VARIANTS.items()):
        operands = {"digits": 4.0, "changes": 4.0, **({"bits": 10.0 + place} if variant.operation == KEYS else {})}
        total = 100.0 + 10 * place
        costs = [{"source": source, "operands": operands, "total": total, "toggles": 20.0 * (place + 1), "loads": total / 2,
                  "internal": total / 2 - 5, "clock": 5.0} for source in ("fixture", "smollm2")]
        found[name] = {"operation": variant.operation, "encoding": variant.title, "beside": variant.beside, "cells": 1000,
                       "area": 500.0 + place, "registers": 100, "checked": 10, "costs": costs,
                       "explained": dict(zip(OPERANDS, (0.25, 0.5, 0.75) if variant.operation == KEYS else (None,) * 3))}
    return found


def test_tables_and_what_energy_goes_along_with(capsys: pytest.CaptureFixture[str]) -> None:
    found = report()
    assert spread(found, "digits") == (5.0, 40.0) and spread(found, "bits") == (pytest.approx(2.0), pytest.approx(160 / 17))
    assert "2.0 to 9.4 fJ for each bit" in said(found) and "5.0 to 40.0 fJ for each set digit" in said(found)
    for table in (energies(found, "title"), sizes(found)):
        table.show()
    text = capsys.readouterr().out
    assert "title" in text and "+9.1%" in text and "sign and magnitude, two lines" in text and "+0.2%" in text


def test_how_much_an_operand_explains() -> None:
    points = [(float(x), float(x % 3), float(-x), 5.0 - 2 * x) for x in range(12)]
    fit = Fit({}, {}, 0.0, 0.0, 12, {name: (0.0, 1.0) for name in ("digits", "changes", "bits")})
    block = Measured("twos", KEYS, {}, 1, 1, (), fit, None, {"a": points[:6], "b": points[6:]}, {}, 1, 1.0)
    assert explained(block, "digits") == explained(block, "bits") == pytest.approx(1)
    assert 0 < explained(block, "changes") < 0.2
    without = replace(block, fit=replace(fit, ranges={"digits": (0.0, 1.0), "changes": (0.0, 1.0)}))
    assert explained(without, "bits") is None and explained(replace(block, name="values"), "digits") is None
    still = replace(block, points={"a": [(1.0, 1.0, 1.0, 2.0), (1.0, 1.0, 1.0, 3.0)]})
    assert explained(still, "bits") == 0


def test_figures_of_the_page() -> None:
    text = {piece.region: plain(piece.text) for piece in figures.encodings({"arrays": report()})}
    assert len(text["encodings"].splitlines()) == 2 + 2 * len(VARIANTS)
    assert re.search(r"two's complement \| smollm2 \| 4\.00 \| .*\+9\.1 %", text["encodings"])
    assert len(text["encodings-cells"].splitlines()) == 2 + len(VARIANTS) and "0.75 |" in text["encodings-cells"]
    assert "9.4 fJ" in text["encodings-spread"] and "40.0 fJ" in text["encodings-spread"]


def test_the_top_is_no_part_of_the_rtl() -> None:
    """Its module has another name than any in ``fusioncim.f``."""
    assert not {path.name for path in FILES} & {path.name for path in rtl_files()} and FILES[-1].stem == TOP


def test_unknown_arrays() -> None:
    assert command.chosen(None) == list(VARIANTS) and command.chosen("twos,twos,engine") == ["twos", "engine"]
    with pytest.raises(FcimError, match="TOP = 'naf' is no array of the study; use engine, offset, "):
        command.chosen("naf")
