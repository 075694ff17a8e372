"""Mutants: small deliberate faults in a Verilog file, found on its syntax tree, to ask whether a bench notices them.

A mutant replaces one piece of text. Left alone are module headers, types and dimensions, the heads of loops, replication counts,
widths of part-selects, parameters of instances and the text that ``FCIM_FAST_SIM`` takes out of a simulation.
"""

from __future__ import annotations

import hashlib
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pyslang import Bag, SourceManager
from pyslang.parsing import PreprocessorOptions, Token
from pyslang.syntax import SyntaxKind, SyntaxNode, SyntaxTree

from models.errors import FcimError
from scripts.flow.sources import include_folders

OPERATORS = {
    "arithmetic": "+ becomes -, - becomes +",
    "logic": "&& || & | of two operands or of a word's bits change places, ^ becomes |",
    "comparison": "== and !=, < and <=, > and >= change places",
    "condition": "the condition of an if is negated",
    "arms": "the arms of ?: change places",
    "constant": "a number plus one; of one with a width the lowest bit flips",
    "assignment": "a non-blocking assignment is dropped",
    "reset": "a register's assignment in the branch of the reset is dropped",
    "index": "an index or a part-select moves up by one",
    "concatenation": "the first two parts of a concatenation change places",
    "shift": "a shift by one less",
    "legality": "one of the above in the check of a parameter",
}
ID_DIGITS, FAST_SIM, RESET, ILLEGAL = 12, "FCIM_FAST_SIM=1", re.compile(r"!\s*rst_n\b"), "fcim_illegal_"
SWAPPED = {
    "AddExpression": ("arithmetic", "-"), "SubtractExpression": ("arithmetic", "+"),
    "LogicalAndExpression": ("logic", "||"), "LogicalOrExpression": ("logic", "&&"), "BinaryAndExpression": ("logic", "|"),
    "BinaryOrExpression": ("logic", "&"), "BinaryXorExpression": ("logic", "|"),
    "UnaryBitwiseOrExpression": ("logic", "&"), "UnaryBitwiseAndExpression": ("logic", "|"),
    "UnaryBitwiseXorExpression": ("logic", "|"),
    "EqualityExpression": ("comparison", "!="), "InequalityExpression": ("comparison", "=="),
    "LessThanExpression": ("comparison", "<="), "LessThanEqualExpression": ("comparison", "<"),
    "GreaterThanExpression": ("comparison", ">="), "GreaterThanEqualExpression": ("comparison", ">"),
}
SAME_AS_NEGATED = ("EqualityExpression", "InequalityExpression")
SHIFTS = ("LogicalShiftLeftExpression", "LogicalShiftRightExpression", "ArithmeticShiftLeftExpression",
          "ArithmeticShiftRightExpression")
LEFT_ALONE = ("ModuleHeader", "VariableDimension", "ParameterValueAssignment", "AttributeInstance", "EventControlWithExpression")
VECTOR = re.compile(r"(?P<head>\d*\s*'[sS]?(?P<base>[bdhoBDHO])\s*)(?P<digits>[0-9a-fA-F_]+)")
BASES = {"b": (2, "b"), "o": (8, "o"), "d": (10, "d"), "h": (16, "x")}


@dataclass(frozen=True)
class Mutant:
    """One fault. ``begin`` counts bytes of the file, ``line`` from 1; ``id`` depends on the text around it, not on its place."""

    id: str
    module: str
    file: str
    operator: str
    begin: int
    line: int
    old: str
    new: str

    def applied(self, text: str) -> str:
        """The file's text with the fault in it.

        Raises:
            ValueError: the text is not the one in which it was found.
        """
        raw, end = text.encode(), self.begin + len(self.old.encode())
        if raw[self.begin:end] != self.old.encode():
            raise ValueError(f"{self.file} does not hold {self.old!r} at {self.begin}")
        return (raw[:self.begin] + self.new.encode() + raw[end:]).decode()


@dataclass(frozen=True)
class _Edit:
    operator: str
    begin: int
    end: int
    new: str


def plus_one(literal: str) -> str | None:
    """A number that is one more, or with its lowest bit flipped if it has a base; None if it holds X or Z."""
    if literal.replace("_", "").isdigit():
        return str(int(literal.replace("_", "")) + 1)
    found = VECTOR.fullmatch(literal)
    if not found:
        return None
    radix, letter = BASES[found["base"].lower()]
    digits = found["digits"].replace("_", "")
    return found["head"] + format(int(digits, radix) ^ 1, letter).zfill(len(digits) if radix != 10 else 1)


def _kind(node: SyntaxNode) -> str:
    return node.kind.name


def _parts(node: SyntaxNode) -> list[SyntaxNode]:
    """The children that are no tokens."""
    return [child for child in node if not isinstance(child, Token)]


class _Finder:
    """Walks one file's tree and gathers edits."""

    def __init__(self, tree: SyntaxTree, raw: bytes) -> None:
        self.raw, self.edits = raw, []
        self.buffer = next(n for n in _modules(tree.root)).header.moduleKeyword.location.buffer
        self.walk(tree.root, None, False, False)

    def here(self, node: SyntaxNode) -> bool:
        """Whether the node stands in the file itself, not in an included one."""
        found = node.sourceRange
        return found.start.buffer == found.end.buffer == self.buffer

    def text(self, node: SyntaxNode) -> str:
        found = node.sourceRange
        return self.raw[found.start.offset:found.end.offset].decode()

    def replace(self, operator: str, first: SyntaxNode, new: str, last: SyntaxNode | None = None) -> None:
        """One edit: the text from ``first`` to ``last`` (default: the same node) becomes ``new``."""
        begin, end = first.sourceRange.start.offset, (last or first).sourceRange.end.offset
        if self.raw[begin:end].decode() != new:
            self.edits.append(_Edit(operator, begin, end, new))

    def walk(self, node: SyntaxNode, above: SyntaxNode | None, in_reset: bool, in_check: bool) -> None:
        """``in_reset``: inside the branch that a reset takes; ``in_check``: inside a check of parameters."""
        kind = _kind(node)
        if kind in LEFT_ALONE or kind.endswith("Type") or not self.here(node):
            return
        before = len(self.edits)
        in_check = in_check or (kind == "IfGenerate" and ILLEGAL in self.text(node.block))
        self.edit(node, kind, above, in_reset)
        if in_check:
            self.edits[before:] = [_Edit("legality", e.begin, e.end, e.new) for e in self.edits[before:]]
        for child in self.inside(node, kind):
            resets = kind == "ConditionalStatement" and child is node.statement and RESET.search(self.text(node.predicate))
            self.walk(child, node, in_reset or bool(resets), in_check)

    def inside(self, node: SyntaxNode, kind: str) -> list[SyntaxNode]:
        """The children in which faults are looked for."""
        if kind == "ForLoopStatement":
            return [node.statement]
        if kind == "LoopGenerate":
            return [node.block]
        if kind == "MultipleConcatenationExpression":
            return [node.concatenation]
        if kind in ("AscendingRangeSelect", "DescendingRangeSelect"):
            return [] if _is_number(node.left) else [node.left]
        if kind == "SimpleRangeSelect":
            return []
        if kind == "BitSelect" and _is_number(node.expr):
            return []
        if kind in SHIFTS and _is_number(node.right):
            return [node.left]
        if kind == "ConditionalStatement":      # by name, so that the branch is known by identity
            return [node.predicate, node.statement, *([node.elseClause] if node.elseClause else [])]
        return _parts(node)

    def edit(self, node: SyntaxNode, kind: str, above: SyntaxNode | None, in_reset: bool) -> None:
        """The edits of one node."""
        if kind in SWAPPED:
            operator, new = SWAPPED[kind]
            token = node.operatorToken
            negated = above is not None and _kind(above) in ("ConditionalPattern", "IfGenerate") and kind in SAME_AS_NEGATED
            if not negated:     # a negated condition, or swapped arms, is the same fault
                begin = token.location.offset
                self.edits.append(_Edit(operator, begin, begin + len(token.rawText), new))
        elif kind in SHIFTS:
            self.replace("shift", node.right, _moved(self.text(node.right), -1))
        elif kind == "ConditionalStatement":
            self.replace("condition", node.predicate, f"!({self.text(node.predicate)})")
        elif kind == "IfGenerate":
            self.replace("condition", node.condition, f"!({self.text(node.condition)})")
        elif kind == "ConditionalExpression":
            left, right = self.text(node.left), self.text(node.right)
            between = self.raw[node.left.sourceRange.end.offset:node.right.sourceRange.start.offset].decode()
            self.replace("arms", node.left, f"{right}{between}{left}", node.right)
        elif kind in ("IntegerLiteralExpression", "IntegerVectorExpression"):
            new = plus_one(self.text(node))
            if new is not None:
                self.replace("constant", node, new)
        elif kind == "ExpressionStatement" and _kind(node.expr) == "NonblockingAssignmentExpression":
            self.replace("reset" if in_reset else "assignment", node, ";")
        elif kind == "BitSelect" and _kind(above) == "ElementSelect":
            self.replace("index", node.expr, _moved(self.text(node.expr), 1))
        elif kind in ("AscendingRangeSelect", "DescendingRangeSelect"):
            self.replace("index", node.left, _moved(self.text(node.left), 1))
        elif kind == "SimpleRangeSelect":
            left, right = (_moved(self.text(side), 1) for side in (node.left, node.right))
            self.replace("index", node.left, f"{left}:{right}", node.right)
        elif kind == "ConcatenationExpression":
            parts = [child for child in _parts(node.expressions)]
            if len(parts) >= 2:
                between = self.raw[parts[0].sourceRange.end.offset:parts[1].sourceRange.start.offset].decode()
                self.replace("concatenation", parts[0], f"{self.text(parts[1])}{between}{self.text(parts[0])}", parts[1])


def _is_number(node: SyntaxNode) -> bool:
    return _kind(node) == "IntegerLiteralExpression"


def _moved(text: str, by: int) -> str:
    """An expression plus or minus one."""
    if text.isdigit() and int(text) + by >= 0:
        return str(int(text) + by)
    return f"({text}) {'+' if by > 0 else '-'} 1"


def _modules(root: SyntaxNode) -> Iterator[SyntaxNode]:
    for node in [root] if _kind(root) == "ModuleDeclaration" else _members(root):
        if _kind(node) == "ModuleDeclaration":
            yield node


def _members(root: SyntaxNode) -> list[SyntaxNode]:
    """What stands at the outermost level of a file."""
    return [inner for node in _parts(root) for inner in (_parts(node) if _kind(node) == "SyntaxList" else [node])]


def parsed(text: str, path: Path) -> SyntaxTree:
    """The syntax tree of a file's text as the benches build it; headers lie beside ``path`` or where the list of files says.

    Raises:
        FcimError: it holds no module, or is not legal Verilog.
    """
    options = PreprocessorOptions()
    options.predefines = [FAST_SIM]
    options.additionalIncludePaths = [path.parent, *include_folders()]
    manager = SourceManager()
    tree = SyntaxTree.fromText(text, manager, path.name, str(path), Bag([options]))
    errors = [d for d in tree.diagnostics if d.isError()]
    if errors or not any(True for _ in _modules(tree.root)):
        raise FcimError(f"{path} is not legal Verilog, or holds no module; run: make lint")
    return tree


def instances(tree: SyntaxTree) -> set[str]:
    """The names of the modules that a file instantiates."""
    found: set[str] = set()

    def visit(node: SyntaxNode) -> None:
        if isinstance(node, SyntaxNode) and node.kind == SyntaxKind.HierarchyInstantiation:
            found.add(node.type.valueText)

    tree.root.visit(visit)
    return found


def mutants_of(text: str, file: str, path: Path) -> list[Mutant]:
    """All mutants of a Verilog file, in the order of their places.

    Args:
        text: of the file, which holds one module.
        file: its path as ``fusioncim.f`` has it.
        path: where it lies, for its headers.

    Raises:
        FcimError: it is not legal Verilog.
    """
    raw, tree = text.encode(), parsed(text, path)
    module = next(_modules(tree.root)).header.name.valueText
    edits = sorted(_Finder(tree, raw).edits, key=lambda e: (e.begin, e.end, e.operator, e.new))
    starts = [0, *(i + 1 for i, byte in enumerate(raw) if byte == ord("\n"))]
    lines = text.split("\n")
    seen: Counter[tuple[str, ...]] = Counter()
    found = []
    for edit in edits:
        first = _line(starts, edit.begin)
        last = _line(starts, edit.end)
        around = "\n".join(line.strip() for line in lines[max(0, first - 1):last + 2])
        old = raw[edit.begin:edit.end].decode()
        what = (module, edit.operator, old, edit.new, around)
        digest = hashlib.sha256("\0".join([*what, str(seen[what])]).encode()).hexdigest()[:ID_DIGITS]
        seen[what] += 1
        found.append(Mutant(digest, module, file, edit.operator, edit.begin, first + 1, old, edit.new))
    return found


def _line(starts: list[int], offset: int) -> int:
    """The number, from 0, of the line that holds a byte."""
    return bisect_right(starts, offset) - 1
