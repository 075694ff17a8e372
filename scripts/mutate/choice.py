"""Which faults are tried, by which tests, and what each outcome depends on."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

from models.errors import FcimError
from scripts.flow.mutants import Mutant, instances, mutants_of, parsed
from scripts.flow.sources import ROOT, rtl_files

BENCHES, VERDICTS = ROOT / "tb" / "benches.yaml", ROOT / "tb" / "mutants.yaml"
PACKAGES = ("models", "scripts", "tb")


@dataclass(frozen=True)
class Design:
    """The RTL: the text and the mutants of each module, and what it instantiates."""

    files: Mapping[str, Path]
    mutants: Mapping[str, Sequence[Mutant]]
    below: Mapping[str, set[str]]

    def closure(self, module: str) -> set[str]:
        """The module and all that is in it."""
        found, new = set(), [module]
        while new:
            name = new.pop()
            if name not in found:
                found.add(name)
                new += self.below.get(name, ())
        return found

    def above(self, module: str) -> list[str]:
        """The modules that instantiate it."""
        return sorted(name for name, inner in self.below.items() if module in inner)


def read_design(root: Path = ROOT, files: Sequence[Path] | None = None) -> Design:
    """All modules of ``fusioncim.f``, or of these files.

    Raises:
        FcimError: a file is not legal Verilog.
    """
    paths, mutants, below = {}, {}, {}
    for path in files if files is not None else rtl_files():
        text = path.read_text()
        paths[path.stem], mutants[path.stem] = path, mutants_of(text, str(path.relative_to(root)), path)
        below[path.stem] = instances(parsed(text, path))
    return Design(paths, mutants, {name: inner & set(paths) for name, inner in below.items()})


@dataclass(frozen=True)
class Bench:
    """Tests that are run together: those of ``module``, which may be the mutant's own or one that holds it."""

    module: str
    nodes: tuple[str, ...]


def read_benches(design: Design, file: Path = BENCHES) -> dict[str, Bench]:
    """The tests of each module that has some.

    Raises:
        FcimError: a module or a file of tests does not exist.
    """
    found = {}
    for module, nodes in (yaml.safe_load(file.read_text()) or {}).items():
        if module not in design.files:
            raise FcimError(f"{file.name} names {module}, which is no module; mend the name")
        for node in nodes:
            if not (ROOT / node.split("::")[0]).is_file():
                raise FcimError(f"{file.name}: {node.split('::')[0]} of {module} does not exist; mend the path")
        found[module] = Bench(module, tuple(nodes))
    return found


def chain(module: str, design: Design, benches: Mapping[str, Bench]) -> list[Bench]:
    """The module's own tests, then those of the nearest modules above it that have some."""
    found, level, seen = [benches[module]] if module in benches else [], [module], {module}
    while level:
        level = sorted({up for name in level for up in design.above(name)} - seen)
        seen |= set(level)
        there = [benches[name] for name in level if name in benches]
        if there:
            return found + there
    return found


def choose(design: Design, modules: Sequence[str], count: int, seed: int) -> list[Mutant]:
    """``count`` mutants, as evenly over the modules as these allow, and within each over the operators; the same for a seed,
    and a larger count adds to a smaller one."""
    queues = []
    for module in modules:
        by_operator: dict[str, list[Mutant]] = {}
        for mutant in sorted(design.mutants[module], key=lambda m: _draw(seed, m.id)):
            by_operator.setdefault(mutant.operator, []).append(mutant)
        order = sorted(by_operator, key=lambda name, module=module: _draw(seed, f"{module} {name}"))
        queues.append(_in_turn([by_operator[name] for name in order]))
    return _in_turn(queues)[:count]


def _draw(seed: int, name: str) -> str:
    return hashlib.sha256(f"{seed} {name}".encode()).hexdigest()


def _in_turn(queues: Sequence[Sequence[Mutant]]) -> list[Mutant]:
    """The first of each, the second of each, and so on."""
    return [queue[i] for i in range(max(map(len, queues), default=0)) for queue in queues if i < len(queue)]


@cache
def _imported(path: Path) -> frozenset[Path]:
    """The project's own modules that a Python file imports."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {node.module, *(f"{node.module}.{name.name}" for name in node.names)}
    paths = (ROOT.joinpath(*name.split(".")) for name in names if name.split(".")[0] in PACKAGES)
    return frozenset(file for p in paths for file in (p.with_suffix(".py"), p / "__init__.py") if file.is_file())


def _python_of(bench: Bench) -> set[Path]:
    """The files of its folders and all that these import."""
    new = [path for node in bench.nodes for path in (ROOT / node.split("::")[0]).parent.rglob("*.py")]
    found: set[Path] = set()
    while new:
        path = new.pop()
        if path not in found:
            found.add(path)
            new += _imported(path)
    return found


def tops(bench: Bench, design: Design) -> set[str]:
    """The module and those that its tests build: a folder of ``tb`` is named like the module in it."""
    folders = {f"fcim_{Path(node.split('::')[0]).parent.name}" for node in bench.nodes}
    return {bench.module} | (folders & set(design.files))


def digest(bench: Bench, design: Design) -> str:
    """Changes with whatever the bench's outcome depends on: its tests, what they import, and the RTL of its module
    and of what they build."""
    def parts() -> Iterator[bytes]:
        yield "\0".join(bench.nodes).encode()
        files = {design.files[name] for top in tops(bench, design) for name in design.closure(top)}
        headers = {header for path in design.files.values() for header in path.parent.glob("*.vh")}
        for path in sorted(files | headers | _python_of(bench)):
            yield str(path).encode() + path.read_bytes()

    return hashlib.sha256(b"\0".join(parts())).hexdigest()[:16]


VERDICT_KEYS = {"id", "module", "old", "new", "verdict", "reason"}


def read_verdicts(design: Design, file: Path = VERDICTS) -> dict[str, str]:
    """The reasons why mutants are equivalent, by id.

    Raises:
        FcimError: an entry has other keys, another verdict, no reason, or is of a mutant that does not exist.
    """
    known, found = {m.id: m for mutants in design.mutants.values() for m in mutants}, {}
    entries = yaml.safe_load(file.read_text()) or []
    for entry in entries:
        if not isinstance(entry, dict) or set(entry) != VERDICT_KEYS:
            raise FcimError(f"{file.name}: an entry has other keys than {', '.join(sorted(VERDICT_KEYS))}: {entry}")
        mutant = known.get(str(entry["id"]))
        if mutant is None:
            raise FcimError(f"{file.name}: there is no mutant {entry['id']} any more; take the entry out or judge the new one")
        if (mutant.module, mutant.old, mutant.new) != (entry["module"], entry["old"], entry["new"]):
            raise FcimError(f"{file.name}: {entry['id']} is another mutant, of {mutant.module}: {mutant.old!r}, {mutant.new!r}")
        if entry["verdict"] != "equivalent" or not str(entry["reason"] or "").strip():
            raise FcimError(f"{file.name}: the verdict of {entry['id']} must be equivalent, with a reason")
        found[mutant.id] = str(entry["reason"])
    return found
