"""What a product of an outer-product macro takes, in full adders and flip-flops: where a constant of ``config/energy`` is from.

Gates are those of ZigZag's model of digital compute-in-memory in 28 nm (zigzag-imc): a NAND2 of 0.7 fF and an XOR2 of half as
much again at 0.9 V, a full adder of three NAND2 and two XOR2, a flip-flop of three NAND2; C V^2 for each time that one switches.
"""

from __future__ import annotations

from dataclasses import dataclass

VOLT = 0.9
NAND2, XOR2 = 0.7, 1.05                                 # fF
FULL_ADDER = (3 * NAND2 + 2 * XOR2) * VOLT**2           # fJ
FLIP_FLOP = 3 * NAND2 * VOLT**2
BIT_PRODUCT = NAND2 * VOLT**2
HALF = 0.5                                              # of a code's bits are set
PLANES = 8                                              # of a streamed byte


@dataclass(frozen=True)
class Product:
    """fJ of a product by what they are for: bits of the stored code that are selected, the tree that adds over the keys, the sum
    over planes, and the accumulator, which moves once for all keys of a block."""

    select: float
    tree: float
    planes: float
    accumulator: float

    @property
    def array(self) -> float:
        """All but the accumulator."""
        return self.select + self.tree + self.planes


def tree_adders(keys: int, bits: int) -> int:
    """Full adders of a tree over ``keys`` words, a power of two, of ``bits`` bits: words of a level are one bit wider."""
    found = 0
    while keys > 1:
        keys //= 2
        found += keys * bits
        bits += 1
    return found


def outer_product(keys: int, prob_bits: int = 8, accumulator_bits: int = 28) -> Product:
    """A product of a streamed byte with a p of ``prob_bits`` in an array that adds over ``keys`` keys, half of all bits set.

    A selected bit is set, and an adder of the tree switches, in a quarter of the planes: where both bits are set. Sums over
    planes, with room for all keys, and accumulators are an adder and a flip-flop a bit, of which half switch.
    """
    both = HALF * HALF
    moved = HALF * (FULL_ADDER + FLIP_FLOP)
    sum_bits = prob_bits + PLANES + keys.bit_length() - 1
    return Product(
        select=PLANES * prob_bits * both * BIT_PRODUCT, tree=PLANES * tree_adders(keys, prob_bits) * both * FULL_ADDER / keys,
        planes=PLANES * sum_bits * moved / keys, accumulator=accumulator_bits * moved / keys)


def pair(product: Product, prob_bits: int = 8) -> float:
    """fJ for each pair of set bits in the array, half of all bits set."""
    return product.array / (HALF * PLANES * HALF * prob_bits)
