"""The layer around attention: its projections and feed-forward network on the same macros, the same for every design.

A rough model, for one purpose: to show how much of a whole layer's time a quicker attention can save. Weights come from the
memory outside once for every tile of 512 tokens, inputs once for every 512 outputs, and macros wait for nothing but the memory.
"""

from __future__ import annotations

from typing import NamedTuple

from models.comparison.claims import CLOCK_MHZ

TILE = 512


class Block(NamedTuple):
    """Sizes of a transformer layer of LLaMA's kind: channels, those of the feed-forward network, query heads and KV heads."""

    hidden: int
    feed_forward: int
    heads: int
    kv_heads: int
    head_dim: int

    @property
    def projections(self) -> int:
        """Weights of the projections of Q, K, V and O."""
        return self.hidden * 2 * (self.heads + self.kv_heads) * self.head_dim

    @property
    def network(self) -> int:
        """Weights of the gated feed-forward network."""
        return 3 * self.hidden * self.feed_forward


# hidden_size and intermediate_size of the model's config.json
LLAMA3_8B = Block(4096, 14336, 32, 8, 128)


def cycles(weights: int, inputs: int, tokens: int, peak: int, beat: float) -> float:
    """Cycles of a matrix of ``weights`` bytes with ``inputs`` inputs for all tokens.

    Args:
        peak: products per cycle. beat: bytes per cycle of the memory outside.
    """
    outputs = weights // inputs
    tile = min(TILE, tokens)
    moved = weights * max(1, tokens / tile) + tokens * inputs * max(1, outputs / TILE) + tokens * outputs
    return max(tokens * weights / peak, moved / beat)


def milliseconds(block: Block, tokens: int, peak: int, beat: float) -> tuple[float, float]:
    """Of the projections, and of the feed-forward network."""
    found = (cycles(block.projections, block.hidden, tokens, peak, beat), cycles(block.network, block.hidden, tokens, peak, beat))
    return found[0] / CLOCK_MHZ / 1000, found[1] / CLOCK_MHZ / 1000
