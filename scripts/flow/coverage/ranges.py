"""Bits of a signal in few words: ``acc_q[1:0][40:32, 7]`` instead of eighty names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from scripts.flow.coverage.points import CodePoint

Index = tuple[int, ...]
MOST, GROUPS = 12, 8       # ranges and groups of ranges that are named before "and more"
RISE, FALL = "0->1", "1->0"
WORDS = {(RISE,): "never rises", (FALL,): "never falls", (RISE, FALL): "never toggles", ("",): "never toggles"}


def split_object(text: str) -> tuple[str, Index, str]:
    """Name, bit indices and direction ("" where Verilator gives none) of a toggle point."""
    name, _, edge = text.partition(":")
    indices = re.findall(r"\[(\d+)\]", name)
    return name.partition("[")[0], tuple(int(i) for i in indices), edge


def _runs(numbers: Iterable[int]) -> list[str]:
    """``7:4`` and the like, highest first."""
    found: list[list[int]] = []
    for n in sorted(numbers, reverse=True):
        if found and found[-1][1] == n + 1:
            found[-1][1] = n
        else:
            found.append([n, n])
    return [str(high) if high == low else f"{high}:{low}" for high, low in found]


def number_ranges(numbers: Iterable[int]) -> str:
    """``5:3, 1``."""
    return ", ".join(_runs(numbers))


def _shorten(runs: Sequence[str]) -> str:
    more = len(runs) - MOST
    return ", ".join(runs[:MOST]) + (f" and {more} more ranges" if more > 0 else "")


def bit_ranges(indices: Iterable[Index]) -> list[str]:
    """Texts that name all of ``indices``, which have the same number of dimensions; [""] for a signal of one bit."""
    indices = set(indices)
    if not indices:
        return []
    if indices == {()}:
        return [""]
    words: dict[Index, set[int]] = {}
    for index in indices:
        words.setdefault(index[:-1], set()).add(index[-1])
    alike: dict[str, set[Index]] = {}
    for word, bits in words.items():
        alike.setdefault(f"[{_shorten(_runs(bits))}]", set()).add(word)
    return [prefix + bits for bits, prefixes in alike.items() for prefix in bit_ranges(prefixes)]


def describe(points: Iterable[CodePoint]) -> list[str]:
    """Sentences about toggle points: which bits of which signal never rise, fall or toggle."""
    edges: dict[str, dict[Index, list[str]]] = {}
    for point in points:
        name, index, edge = split_object(point.object)
        edges.setdefault(name, {}).setdefault(index, []).append(edge)
    sentences = []
    for name, bits in edges.items():
        for key, words in WORDS.items():
            texts = bit_ranges(index for index, found in bits.items() if tuple(sorted(found)) == key)
            sentences += [f"{name}{text} {words}" for text in texts[:GROUPS]]
            if len(texts) > GROUPS:
                sentences.append(f"{name}: {len(texts) - GROUPS} more groups of bits {words}")
    return sentences
