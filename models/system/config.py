"""Configurations of the accelerator: how many engines of which kind, the buffer, the bus."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import yaml

from models.errors import FcimError
from models.hardware.config import EngineConfig, load_config
from models.place import ROOT
from models.system.descriptor import Limits

SYSTEM_DIR = ROOT / "config" / "system"
OPERAND_BYTES, OUT_BYTES = 1, 2


def _power_of_two(value: int) -> bool:
    return value > 0 and value & (value - 1) == 0


@dataclass(frozen=True)
class SystemConfig:
    """One legal parameter set of ``fcim_accelerator``.

    Attributes:
        engine: what every engine is.
        engines: how many.
        buffer_keys: keys of one KV head that the buffer holds.
        data_bits: width of the AXI4 bus.
        max_burst: beats of a burst at most. outstanding: bursts under way. read_beats: room for beats that are read.
        o_rows: room for rows of O that wait for the memory.

    Raises:
        FcimError: the set is illegal; the message names the parameter and its legal values.
    """

    name: str
    engine: EngineConfig
    engines: int = 16
    buffer_keys: int = 4096
    data_bits: int = 1024
    max_burst: int = 32
    outstanding: int = 16
    read_beats: int = 512
    o_rows: int = 1024

    PARAMETERS: ClassVar[Mapping[str, str]] = {
        "engines": "ENGINES", "buffer_keys": "BUFFER_KEYS", "data_bits": "DATA_BITS", "max_burst": "MAX_BURST",
        "outstanding": "OUTSTANDING", "read_beats": "READ_BEATS", "o_rows": "O_ROWS",
    }

    def __post_init__(self) -> None:
        for key in self.PARAMETERS:
            value = getattr(self, key)
            if isinstance(value, bool) or not isinstance(value, int):
                raise FcimError(f"configuration '{self.name}': {key} must be a whole number, not {value!r}")
        least, most = 2 * max(self.engines, 2) * self.engine.keys_per_block, self.engine.max_keys
        widest = min(1024, 8 * self.engine.head_dim)
        self._require(self.engines in (1, 2, 4, 8, 16), "engines", "1, 2, 4, 8 or 16")
        self._require(_power_of_two(self.buffer_keys) and least <= self.buffer_keys <= most, "buffer_keys",
                      f"a power of two from {least} to {most}")
        self._require(self.data_bits in (128, 256, 512, 1024) and self.data_bits <= widest, "data_bits",
                      f"128, 256, 512 or 1024, at most {widest}")
        self._require(_power_of_two(self.max_burst) and self.max_burst <= 256, "max_burst", "a power of two from 1 to 256")
        self._require(1 <= self.outstanding <= 256, "outstanding", "1 to 256")
        self._require(_power_of_two(self.read_beats) and self.read_beats >= self.max_burst, "read_beats",
                      f"a power of two from max_burst ({self.max_burst}) on")
        self._require(_power_of_two(self.o_rows) and self.o_rows <= 65536, "o_rows", "a power of two from 1 to 65536")

    def _require(self, ok: bool, field: str, legal: str) -> None:
        if not ok:
            raise FcimError(f"configuration '{self.name}': {field} = {getattr(self, field)} is illegal; use {legal}")

    @property
    def beat_bytes(self) -> int:
        """Bytes of a beat of the bus."""
        return self.data_bits // 8

    @property
    def q_table_bytes(self) -> int:
        """Bytes of a query tile's multipliers, in whole beats."""
        return -(-2 * self.engine.rows // self.beat_bytes) * self.beat_bytes

    @property
    def k_table_bytes(self) -> int:
        """Bytes of a key block's multipliers, in whole beats."""
        return -(-4 * self.engine.keys_per_block // self.beat_bytes) * self.beat_bytes

    @property
    def limits(self) -> Limits:
        """What decides which descriptors are legal."""
        return Limits(self.engines, self.engine.rows, self.engine.prob_bits, self.engine.max_keys, self.buffer_keys,
                      self.data_bits)

    def with_engines(self, engines: int) -> SystemConfig:
        """The same with another number of engines."""
        return replace(self, engines=engines)

    def verilog_parameters(self) -> dict[str, int]:
        """Parameter names and values as the RTL's top module takes them."""
        own = {parameter: getattr(self, key) for key, parameter in self.PARAMETERS.items()}
        return {**self.engine.verilog_parameters(), **own}


def system_names() -> list[str]:
    """Names of the configurations in ``config/system``."""
    return sorted(p.stem for p in SYSTEM_DIR.glob("*.yaml"))


def load_system(name: str) -> SystemConfig:
    """The configuration called ``name`` in ``config/system``, or the YAML file at that path.

    Raises:
        FcimError: unknown name, unreadable file, unknown or missing key, or an illegal value.
    """
    path = Path(name) if name.endswith((".yaml", ".yml")) else SYSTEM_DIR / f"{name}.yaml"
    if not path.is_file():
        raise FcimError(f"unknown system '{name}'; use one of {', '.join(system_names())} or a path to a .yaml file")
    try:
        data = yaml.safe_load(path.read_text())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise FcimError(f"{path} is not valid YAML ({' '.join(str(error).split())}); mend the file") from None
    known = {"engine", *SystemConfig.PARAMETERS}
    if not isinstance(data, dict) or not isinstance(data.get("engine"), str):
        raise FcimError(f"{path} must hold 'parameter: value' lines with 'engine: NAME'; see config/system/default.yaml")
    data.pop("description", None)
    unknown, missing = set(data) - known, known - set(data)
    if unknown or missing:
        problem = f"unknown key '{min(unknown, key=str)}'" if unknown else f"missing key '{min(missing)}'"
        raise FcimError(f"{path}: {problem}; the keys are {', '.join(sorted(known))}")
    return SystemConfig(name=path.stem, engine=load_config(data.pop("engine")), **data)
