"""The arrays of the study and what they get: the IP-CIM's with keys in each encoding, the OP-CIM's with V in two of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from models.hardware.config import EngineConfig
from scripts.power.streams import BLOCKS, KINDS, ROWS, Kind, Stream, bits, ip_array, of_lanes, op_array
from scripts.studies.encodings.codes import MOST, OFFSET, Encoding, Signs, changed_bits, changes, column, digits, sums

if TYPE_CHECKING:       # it loads PyTorch, which those that run the gates do not need
    from scripts.power.operands import Walk

FOLDER = Path(__file__).parent
TOP = "fcim_encoded_array"
FILES = (FOLDER / "fcim_encoded_row.v", FOLDER / f"{TOP}.v")
WAIVERS = FOLDER / "lint.vlt"
KEYS, VALUES = "MAC of the IP-CIM", "product of the OP-CIM"


@dataclass(frozen=True)
class Variant:
    """A row of the table: which array, how its streamed operand is encoded; ``signs`` only where digits have them.

    ``beside``: the variant that it is compared with. ``own``: the engine's own module, not the study's.
    """

    name: str
    operation: str
    title: str
    encoding: Encoding
    beside: str
    signs: Signs = Signs.BEFORE
    own: bool = False


VARIANTS = {variant.name: variant for variant in (
    Variant("engine", KEYS, "offset binary, the engine's array", Encoding.OFFSET, "offset", own=True),
    Variant("offset", KEYS, "offset binary", Encoding.OFFSET, "offset"),
    Variant("twos", KEYS, "two's complement", Encoding.TWOS, "offset"),
    Variant("magnitude", KEYS, "sign and magnitude, XOR before AND", Encoding.MAGNITUDE, "offset"),
    Variant("magnitude-lines", KEYS, "sign and magnitude, two lines", Encoding.MAGNITUDE, "offset", Signs.LINES),
    Variant("signed-before", KEYS, "signed digits, XOR before AND", Encoding.SIGNED_DIGITS, "offset"),
    Variant("signed-after", KEYS, "signed digits, XOR after AND", Encoding.SIGNED_DIGITS, "offset", Signs.AFTER),
    Variant("signed-lines", KEYS, "signed digits, two lines", Encoding.SIGNED_DIGITS, "offset", Signs.LINES),
    Variant("values", VALUES, "offset binary, the engine's array", Encoding.OFFSET, "values", own=True),
    Variant("values-twos", VALUES, "two's complement, the engine's array", Encoding.TWOS, "values", own=True),
)}


def _keys(encoding: Encoding, own: bool) -> Callable[[EngineConfig, Walk, np.ndarray, int], Stream]:
    """A stream of the IP-CIM's array: keys as they are, columns and sums as the encoding has them."""
    def one(cfg: EngineConfig, tile: Walk, rows: np.ndarray, block: int) -> Stream:
        found = ip_array(cfg, replace(tile, u=column(encoding, tile.q, tile.k)), rows, block)
        k = tile.k[block * cfg.keys_per_block:(block + BLOCKS - 1) * cfg.keys_per_block]
        of, q = digits(encoding, k), tile.q[rows.reshape(-1)]
        found.operands = {"digits": of.set.sum(-1).mean(-1)[1:], "changes": changes(of, cfg.bits_per_cycle).mean(-1),
                          "bits": changed_bits(of, q, cfg.bits_per_cycle).mean(-1)}
        when, width = found.expected["col"][0], 8 + (cfg.head_dim - 1).bit_length()
        names = ("ksum",) if own else ("ksum", "nsum")
        found.expected.update({name: (when, bits(x, width)) for name, x in zip(names, sums(encoding, k))})
        return found

    return one


def _values(encoding: Encoding) -> Callable[[EngineConfig, Walk, np.ndarray, int], Stream]:
    """A stream of the OP-CIM's array, which takes any code of V for unsigned, that of two's complement too."""
    def one(cfg: EngineConfig, tile: Walk, rows: np.ndarray, block: int) -> Stream:
        size, columns = cfg.keys_per_block, cfg.columns
        code = tile.v + OFFSET if encoding == Encoding.OFFSET else tile.v & MOST
        blocks = len(code) // size
        p = tile.weights[:, :blocks * size].reshape(-1, blocks, size).swapaxes(0, 1)
        sums = p @ code[:blocks * size].reshape(blocks, size, -1)
        found = op_array(cfg, replace(tile, v=code - OFFSET, sums=sums), rows, block)
        # of every column of a slice what its slices bring, one after the other
        used = tile.v[(block + 1) * size:(block + BLOCKS) * size].reshape(BLOCKS - 1, size, -1, columns)
        of = digits(encoding, used.swapaxes(1, 2).reshape(-1, size, columns))
        changed = changes(of, cfg.bits_per_cycle).mean((1, 2))
        found.operands = {"digits": of.set.sum(-1).mean((1, 2)), "changes": np.concatenate([changed[:1], changed])}
        return found

    return one


def _kind(variant: Variant) -> Kind:
    if variant.operation == VALUES:
        return replace(KINDS["op_array"], name=variant.name, stream=of_lanes(_values(variant.encoding)),
                       operands=("digits", "changes"), idle=None)
    found = replace(KINDS["ip_array"], name=variant.name, stream=of_lanes(_keys(variant.encoding, variant.own)),
                    operands=("digits", "changes", "bits"), idle=None)
    if variant.own:
        return found
    more = {"ENCODING": int(variant.encoding), "SIGNS": int(variant.signs)}
    return replace(found, top=TOP, files=FILES, slice_of=lambda cfg: {
        "ROWS": ROWS, "HEAD_DIM": cfg.head_dim, "BITS_PER_CYCLE": cfg.bits_per_cycle, **more})


_KINDS = {name: _kind(variant) for name, variant in VARIANTS.items()}


def arrays() -> Mapping[str, Kind]:
    """What is measured, by the names of :data:`VARIANTS`."""
    return _KINDS
