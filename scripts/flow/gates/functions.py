"""Functions of Liberty cells: ``(A * B) + !C`` as a tree that is evaluated on words of bits, all bits of a word at once.

The grammar is that of the Liberty reference manual: ``!`` before or ``'`` after what is inverted, ``^`` for XOR, ``*``, ``&`` or
a space for AND, ``+`` or ``|`` for OR, in this order of binding.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np

from models.errors import FcimError

Tree = tuple            # ("pin", name), ("not", tree), ("and" | "or" | "xor", tree, tree), ("constant", 0 or 1)
_TOKEN = re.compile(r"\s*([A-Za-z_][\w\[\]]*|[01]|[!'*&+|^()])")
_STARTS = re.compile(r"[A-Za-z_01!(]")


def parse(text: str) -> Tree:
    """The tree of a function.

    Raises:
        FcimError: the text is none.
    """
    tokens, at = [], 0
    while text[at:].strip():
        found = _TOKEN.match(text, at)
        if found is None:
            raise _wrong(text)
        tokens.append(found[1])
        at = found.end()
    reader = _Reader(tokens, text)
    tree = reader.sum()
    if reader.left:
        raise _wrong(text)
    return tree


def _wrong(text: str) -> FcimError:
    return FcimError(f"'{text}' is no function of a Liberty cell; give another Liberty file")


class _Reader:
    """Recursive descent, one method a level of binding."""

    def __init__(self, tokens: list[str], text: str) -> None:
        self.left, self.text = tokens[::-1], text

    def next_is(self, *marks: str) -> bool:
        return bool(self.left) and self.left[-1] in marks

    def sum(self) -> Tree:
        tree = self.product()
        while self.next_is("+", "|"):
            self.left.pop()
            tree = ("or", tree, self.product())
        return tree

    def product(self) -> Tree:
        tree = self.exclusive()
        while self.next_is("*", "&") or (self.left and _STARTS.match(self.left[-1])):
            if self.next_is("*", "&"):
                self.left.pop()
            tree = ("and", tree, self.exclusive())
        return tree

    def exclusive(self) -> Tree:
        tree = self.inverted()
        while self.next_is("^"):
            self.left.pop()
            tree = ("xor", tree, self.inverted())
        return tree

    def inverted(self) -> Tree:
        if self.next_is("!"):
            self.left.pop()
            return ("not", self.inverted())
        tree = self.atom()
        while self.next_is("'"):
            self.left.pop()
            tree = ("not", tree)
        return tree

    def atom(self) -> Tree:
        token = self.left.pop() if self.left else ""
        if token == "(":
            tree = self.sum()
            if not self.next_is(")"):
                raise _wrong(self.text)
            self.left.pop()
            return tree
        if token in ("0", "1"):
            return ("constant", int(token))
        if not token or not token[0].isalpha() and token[0] != "_":
            raise _wrong(self.text)
        return ("pin", token)


def pins_of(tree: Tree) -> list[str]:
    """The names in a function, each once, in their order."""
    if tree[0] == "pin":
        return [tree[1]]
    return list(dict.fromkeys(name for part in tree[1:] if isinstance(part, tuple) for name in pins_of(part)))


def evaluate(tree: Tree, values: Mapping[str, np.ndarray]) -> np.ndarray:
    """The function of words of bits, which all have one shape and type."""
    kind = tree[0]
    if kind == "pin":
        return values[tree[1]]
    if kind == "not":
        return ~evaluate(tree[1], values)
    if kind == "constant":
        some = next(iter(values.values()))
        return np.zeros_like(some) if not tree[1] else ~np.zeros_like(some)
    left, right = evaluate(tree[1], values), evaluate(tree[2], values)
    return left & right if kind == "and" else left | right if kind == "or" else left ^ right
