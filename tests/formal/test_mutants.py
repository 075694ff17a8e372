"""Every property of every proof notices its fault: alone, with all others left out, it is false in the RTL that has it."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.flow.proofs import Proof, Property, load_proofs
from scripts.prove.solve import notices
from tb.common.mutation import faulty_sources

ALL = [(proof, statement) for proof in load_proofs().values() for statement in proof.properties]


@pytest.mark.parametrize(("proof", "statement"), ALL, ids=[f"{proof.name}-{statement.name}" for proof, statement in ALL])
def test_a_fault_is_noticed(proof: Proof, statement: Property, tmp_path: Path) -> None:
    assert notices(proof, statement, tmp_path / "proof", faulty_sources(tmp_path, [statement.mutant]))
