"""The tables of what is proven: what ``formal/proofs.yaml`` says, which ``make prove`` shows to be so."""

from __future__ import annotations

from scripts.figures.pages import Piece
from scripts.figures.text import exact, table
from scripts.flow.proofs import load_proofs

PAGE = "docs/proofs.md"


def proofs() -> list[Piece]:
    """A row per block, then each block's assumptions and properties in words."""
    rows, parts = [], []
    for name, proof in load_proofs().items():
        rows.append([f"`{proof.module}`", ", ".join(f"{key} {value}" for key, value in proof.parameters.items()), proof.how,
                     exact(len(proof.properties)), exact(len(proof.covers))])
        assumed = " ".join(f"*Assumed* (`{label}`): {says}" for label, says in proof.assumes.items())
        stated = [f"* `{name}.{statement.name}`: {statement.says}" for statement in proof.properties]
        heading = f"{proof.module}, {name}" if proof.of else proof.module
        parts.append("\n".join([f"### {heading}", "", assumed, "", *stated]))
    summary = table(("block", "parameters", "proof", "properties", "covers"), rows, 3)
    return [Piece(PAGE, summary, "proofs"), Piece(PAGE, "\n\n".join(parts), "proofs-properties")]
