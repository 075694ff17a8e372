"""The list of proofs, ``formal/proofs.yaml``: what is proven of which block, how, and which fault each property must notice.

Of the block ``fcim_X`` the module ``fcim_X_props`` in ``formal`` holds the statements; a second proof of it has another name
and says with ``of`` whose it is. Its labels are the names in the list; those with ``lemma_`` in front are only there for an
induction to close, tie ghosts to registers, and stand in no list.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.errors import FcimError
from scripts.flow.coverage.rules import load_yaml
from scripts.flow.sources import ROOT

FOLDER = ROOT / "formal"
LIST = FOLDER / "proofs.yaml"
LEMMA = "lemma_"
PREFIX, SUFFIX = "fcim_", "_props"
_KEYS = {"parameters": dict, "depth": int, "assumes": dict, "properties": dict, "covers": dict}


@dataclass(frozen=True)
class Property:
    """A statement in words, and a fault ``(file, old, new)`` in the RTL that makes it false.

    ``apart``: the statement is one about the circuit: within a cycle no way leads to the first of these nets from the others.
    """

    name: str
    says: str
    mutant: tuple[str, str, str]
    apart: tuple[str, ...] = ()


@dataclass(frozen=True)
class Proof:
    """A block's statements at its parameters.

    ``induction``: how many good cycles in a row must lead to another one, 0 for a bounded proof. ``depth``: cycles from the first
    one on, which is one of reset, in which each cover is reached and each fault is noticed; those of a bounded proof.
    ``assumes`` and ``covers``: in words by label. ``of``: the block, if the name is not its own.
    """

    name: str
    parameters: Mapping[str, int]
    induction: int
    depth: int
    assumes: Mapping[str, str]
    properties: tuple[Property, ...]
    covers: Mapping[str, str]
    of: str = ""

    @property
    def module(self) -> str:
        """The block."""
        return PREFIX + (self.of or self.name)

    @property
    def top(self) -> str:
        """The module that holds the statements and the block."""
        return PREFIX + self.name + SUFFIX

    @property
    def statements(self) -> list[str]:
        """The properties as the verification plan names them, ``block.property``."""
        return [f"{self.name}.{statement.name}" for statement in self.properties]

    @property
    def how(self) -> str:
        """Induction or how many cycles, in words."""
        return f"induction, {self.induction}" if self.induction else f"bounded, {self.depth}"


def _words(data: Any, where: str, path: Path) -> dict[str, str]:
    if not all(isinstance(name, str) and isinstance(text, str) and text.endswith(".") for name, text in data.items()):
        raise FcimError(f"{path}: {where} must be 'label: a sentence that ends with a full stop'")
    return data


def _property(name: str, data: Any, where: str, path: Path) -> Property:
    where = f"{where}, property '{name}'"
    if not isinstance(data, dict) or not {"says", "mutant"} <= set(data) <= {"says", "mutant", "apart"}:
        raise FcimError(f"{path}: {where} must have the keys says and mutant, may have apart, and no others")
    mutant, apart = data["mutant"], data.get("apart", [])
    if not isinstance(mutant, list) or len(mutant) != 3 or not all(isinstance(text, str) for text in mutant):
        raise FcimError(f"{path}: {where}: mutant must be three texts: file, what stands there, what stands there instead")
    if not isinstance(apart, list) or not all(isinstance(net, str) for net in apart) or len(apart) == 1:
        raise FcimError(f"{path}: {where}: apart must be a list of nets: the one that others must not reach, and those others")
    _words({name: data["says"]}, where, path)
    return Property(name, data["says"], (mutant[0], mutant[1], mutant[2]), tuple(apart))


def _proof(name: str, data: Any, path: Path) -> Proof:
    where = f"proof '{name}'"
    if not isinstance(data, dict) or not set(_KEYS) <= set(data) <= {*_KEYS, "induction", "of"}:
        raise FcimError(f"{path}: {where} must have the keys {', '.join(_KEYS)}, may have induction and of, and no others")
    for key, kind in _KEYS.items():
        if not isinstance(data[key], kind) or isinstance(data[key], bool):
            raise FcimError(f"{path}: {where}: {key} must be {'a mapping' if kind is dict else 'a whole number'}")
    of, steps, depth = data.get("of", ""), data.get("induction", 0), data["depth"]
    if not isinstance(steps, int) or steps < 0 or depth <= steps:
        raise FcimError(f"{path}: {where}: induction must be a whole number from 0, depth a greater one")
    if not isinstance(of, str):
        raise FcimError(f"{path}: {where}: of must be the name of a block")
    if not data["properties"] or not data["covers"] or not all(isinstance(value, int) for value in data["parameters"].values()):
        raise FcimError(f"{path}: {where} needs properties, covers, and parameters that are whole numbers")
    properties = tuple(_property(key, value, where, path) for key, value in data["properties"].items())
    return Proof(name, data["parameters"], steps, depth, _words(data["assumes"], f"{where}, assumes", path), properties,
                 _words(data["covers"], f"{where}, covers", path), of)


def load_proofs(path: Path = LIST) -> dict[str, Proof]:
    """All proofs by name, in the list's order.

    Raises:
        FcimError: the list cannot be read or has another form than expected; the message says where.
    """
    data = load_yaml(path, "the list of proofs")
    if not isinstance(data, dict) or not data:
        raise FcimError(f"{path}: the list of proofs must be a mapping of blocks that is not empty")
    return {name: _proof(name, value, path) for name, value in data.items()}


def chosen(names: Sequence[str], proofs: Mapping[str, Proof]) -> list[Proof]:
    """Those with these names, with or without the prefix of modules; all if there is no name.

    Raises:
        FcimError: there is no such proof.
    """
    found = []
    for name in names:
        if name.removeprefix(PREFIX) not in proofs:
            raise FcimError(f"BLOCK = '{name}' has no proof; use {', '.join(sorted(proofs))}")
        found.append(proofs[name.removeprefix(PREFIX)])
    return list({proof.name: proof for proof in found or proofs.values()}.values())


def proof_files() -> list[Path]:
    """The Verilog of the proofs: ghosts that several share, and a module of statements for each block."""
    return sorted(FOLDER.glob("*.v"))
