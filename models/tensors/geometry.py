"""Shapes of published models' attention, by name: what can be run of a model whose weights are not at hand.

Only the standard library is needed, since the names are checked before anything is installed.
"""

from __future__ import annotations

from typing import NamedTuple


class Geometry(NamedTuple):
    """A layer's attention: ``kv_heads`` KV heads of ``group`` query heads each, all of ``head_dim`` channels, and the base of the
    rotary embedding."""

    kv_heads: int
    group: int
    head_dim: int
    rope_base: float


# num_key_value_heads, num_attention_heads over it, head_dim and rope_theta of the models' config.json
GEOMETRIES = {
    "llama3-8b": Geometry(8, 4, 128, 500_000.0),
    "llama3-70b": Geometry(8, 8, 128, 500_000.0),
    "llama3.2-1b": Geometry(8, 4, 64, 500_000.0),
    "llama3.2-3b": Geometry(8, 3, 128, 500_000.0),
}
