"""Hardware configurations and number formats: the one source of parameters for the RTL, the models and the tests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import yaml

from models.errors import FcimError
from models.place import ROOT

CONFIG_DIR = ROOT / "config" / "engine"

# Number formats that no configuration changes; docs/numbers.md says what each means.
OPERAND_BITS = 8
MULT_BITS = 16
V_MULT_BITS = 4
OCTAVES_BITS = 5
Z_FRAC = 10
Z_BITS = 20
ROW_MAX_BITS = Z_BITS - Z_FRAC
SHIFT_BITS = 6
TAU_BITS = 4
OUT_BITS = 16
OUT_FRAC = 8
COUNTER_BITS = 48
TAU_MAX = 8
CUT_HEADROOM = 16       # octaves that the largest running maxima may be raised by where row sums are cut


def _log2(value: int) -> int:
    return value.bit_length() - 1


def _power_of_two(value: int) -> bool:
    return value > 0 and value & (value - 1) == 0


@dataclass(frozen=True)
class EngineConfig:
    """One legal parameter set of the engine; see ``docs/engine.md`` for the meaning of each.

    ``PARAMETERS`` says which Verilog parameter each key of a configuration sets.

    Raises:
        FcimError: the set is illegal; the message names the parameter and its legal values.
    """

    name: str = "default"
    rows: int = 64
    head_dim: int = 128
    bits_per_cycle: int = 1
    keys_per_block: int = 16
    prob_bits: int = 18
    max_keys: int = 131072
    sum_cut: int = 0

    PARAMETERS: ClassVar[Mapping[str, str]] = {
        "rows": "ROWS", "head_dim": "HEAD_DIM", "bits_per_cycle": "BITS_PER_CYCLE", "keys_per_block": "KEYS_PER_BLOCK",
        "prob_bits": "PROB_BITS", "max_keys": "MAX_KEYS", "sum_cut": "SUM_CUT",
    }
    OPTIONAL: ClassVar[tuple[str, ...]] = ("sum_cut",)      # a file need not give them

    def __post_init__(self) -> None:
        for key in self.PARAMETERS:
            value = getattr(self, key)
            if isinstance(value, bool) or not isinstance(value, int):
                raise FcimError(f"configuration '{self.name}': {key} must be a whole number, not {value!r}")
        self._require(8 <= self.rows <= 128 and self.rows % 8 == 0, "rows", "a multiple of 8 from 8 to 128")
        self._require(self.head_dim in (16, 32, 64, 128), "head_dim", "16, 32, 64 or 128")
        self._require(self.bits_per_cycle in (1, 2, 4, 8), "bits_per_cycle", "1, 2, 4 or 8")
        self._require(self.keys_per_block in (8, 16, 32, 64) and self.keys_per_block <= self.head_dim,
                      "keys_per_block", f"8, 16, 32 or 64 and at most head_dim ({self.head_dim})")
        self._require(8 <= self.prob_bits <= 18, "prob_bits", "8 to 18")
        self._require(64 <= self.max_keys <= 131072 and _power_of_two(self.max_keys),
                      "max_keys", "a power of two from 64 to 131072")
        most = max(_log2(self.max_keys) - _log2(self.keys_per_block) - 1, 0)
        self._require(0 <= self.sum_cut <= most, "sum_cut", f"0 to {most}, so that a sum holds two blocks")

    def _require(self, ok: bool, field: str, legal: str) -> None:
        if not ok:
            raise FcimError(f"configuration '{self.name}': {field} = {getattr(self, field)} is illegal; use {legal}")

    @property
    def cycles_per_key(self) -> int:
        """Cycles between two keys: the bit-serial length of an operand."""
        return OPERAND_BITS // self.bits_per_cycle

    @property
    def lanes(self) -> int:
        """Softmax lanes: rows handled per cycle so that a column takes ``cycles_per_key``."""
        return self.rows // self.cycles_per_key

    @property
    def columns(self) -> int:
        """Columns of O in one OP-CIM slice."""
        return self.head_dim // self.keys_per_block

    @property
    def read_columns(self) -> int:
        """Columns of O in a chunk of a row, of which the accumulators give one per cycle."""
        return self.head_dim // self.cycles_per_key

    @property
    def block_cycles(self) -> int:
        """Cycles that the OP-CIM spends on a block, however few keys it has."""
        return self.keys_per_block * self.cycles_per_key

    @property
    def index_bits(self) -> int:
        """Bits of a key's number within its tile."""
        return _log2(self.max_keys)

    @property
    def count_bits(self) -> int:
        """Bits of a number of keys of one block, 0 to ``keys_per_block``."""
        return _log2(self.keys_per_block) + 1

    @property
    def pos_bits(self) -> int:
        """Bits of a position; the all-ones code is a padding key."""
        return self.index_bits + 1

    @property
    def padding_pos(self) -> int:
        """The position of a padding key, later than any row."""
        return (1 << self.pos_bits) - 1

    @property
    def sum_bits(self) -> int:
        """Bits of a row sum: ``max_keys`` probabilities below ``2**prob_bits`` stay below ``2**sum_bits``. With ``sum_cut`` there
        are fewer, and running maxima are raised before a sum is too large (``docs/numbers.md``, *raise*)."""
        return self.prob_bits + _log2(self.max_keys) - self.sum_cut

    @property
    def z_max(self) -> int:
        """The largest scaled score; where row sums are cut, ``CUT_HEADROOM`` octaves above it are left for running maxima."""
        return (1 << (Z_BITS - 1)) - 1 - (CUT_HEADROOM << Z_FRAC if self.sum_cut else 0)

    @property
    def acc_bits(self) -> int:
        """Bits of an accumulator: a row sum times an operand of magnitude up to 128, signed."""
        return self.sum_bits + OPERAND_BITS

    def max_tau(self) -> int:
        """The largest lazy threshold that leaves two bits of probability."""
        return min(TAU_MAX, self.prob_bits - 2)

    def check_tau(self, tau: int) -> int:
        """``tau`` itself if this configuration has the headroom for it.

        Raises:
            FcimError: it has not.
        """
        if not 0 <= tau <= self.max_tau():
            raise FcimError(f"TAU = {tau} is illegal for configuration '{self.name}'; use 0 to {self.max_tau()}")
        return tau

    def verilog_parameters(self) -> dict[str, int]:
        """Parameter names and values as the RTL's top module takes them; optional ones only if they are not 0."""
        return {parameter: getattr(self, key) for key, parameter in self.PARAMETERS.items()
                if key not in self.OPTIONAL or getattr(self, key)}


def config_names() -> list[str]:
    """Names of the configurations in ``config/engine``."""
    return sorted(p.stem for p in CONFIG_DIR.glob("*.yaml"))


def config_file(name: str) -> Path:
    """The file of the configuration called ``name`` in ``config/engine``, or the YAML file at that path.

    Raises:
        FcimError: there is none.
    """
    path = Path(name) if name.endswith((".yaml", ".yml")) else CONFIG_DIR / f"{name}.yaml"
    if not path.is_file() and path.resolve().parent == CONFIG_DIR.parent:
        path = CONFIG_DIR / path.name       # where the engines' files lay before other kinds of configuration came
    if not path.is_file():
        raise FcimError(f"unknown configuration '{name}'; use one of {', '.join(config_names())} or a path to a .yaml file")
    return path


def load_config(name: str) -> EngineConfig:
    """The configuration called ``name`` in ``config/engine``, or the YAML file at that path.

    Raises:
        FcimError: unknown name, unreadable file, unknown or missing key, or an illegal value.
    """
    path = config_file(name)
    try:
        data = yaml.safe_load(path.read_text())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise FcimError(f"{path} is not valid YAML ({' '.join(str(error).split())}); mend the file") from None
    if not isinstance(data, dict):
        raise FcimError(f"{path} must hold 'parameter: value' lines; see config/engine/default.yaml")
    known = set(EngineConfig.PARAMETERS)
    data.pop("description", None)
    unknown, missing = set(data) - known, known - set(data) - {*EngineConfig.OPTIONAL}
    if unknown or missing:
        problem = f"unknown key '{min(unknown, key=str)}'" if unknown else f"missing key '{min(missing)}'"
        raise FcimError(f"{path}: {problem}; the keys are {', '.join(sorted(known))}")
    return EngineConfig(name=path.stem, **data)
