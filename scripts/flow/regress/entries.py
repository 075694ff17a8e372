"""The regression's list: a YAML file, read strictly. A mistake is one line with the file, the line and the entry."""

from __future__ import annotations

import ast
import difflib
import importlib.util
import math
import re
import sys
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import yaml

from models.errors import FcimError
from models.hardware.config import config_names
from scripts.flow.regress.job import is_pytest_path
from scripts.flow.simulator import PROGRAM
from scripts.flow.sources import ROOT

NAME = re.compile(r"[a-z][a-z0-9_-]*")
VALUE = re.compile(r"[A-Za-z0-9_.+-]+")    # what stands in a job's id needs no quoting but the brackets'
REQUIRED = ("name", "purpose", "module", "timeout")
OPTIONAL = ("configurations", "parameters", "simulators", "iterations", "tags", "weight")
NIGHTLY = "nightly"

Scalar = bool | int | float | str


@dataclass(frozen=True)
class Entry:
    """One entry of the list. ``timeout`` and ``weight`` are seconds per job. Without ``configurations`` the module decides."""

    name: str
    purpose: str
    module: str
    timeout: float
    configurations: tuple[str, ...] = ()
    parameters: dict[str, tuple[Scalar, ...]] = field(default_factory=dict)
    simulators: tuple[str, ...] = ("verilator",)
    iterations: int = 1
    tags: tuple[str, ...] = ()
    weight: float | None = None

    @property
    def is_pytest(self) -> bool:
        """The module is a pytest path, not a workload."""
        return is_pytest_path(self.module)


def _shown(path: Path) -> str:
    return str(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path)


def _nearest(word: object, known: Collection[str]) -> str:
    """``the NAMES are ...`` with a guess at what was meant in front."""
    close = difflib.get_close_matches(str(word), list(known), 1)
    return (f"did you mean '{close[0]}'? " if close else "") + f"known: {', '.join(sorted(known))}"


class _Checker:
    """Checks one entry; every complaint names file, line and entry."""

    def __init__(self, where: str, data: dict[str, Any]) -> None:
        self.where, self.data = where, data

    def fail(self, problem: str) -> NoReturn:
        raise FcimError(f"{self.where}: {problem}")

    def text(self, key: str) -> str:
        value = self.data[key]
        if not isinstance(value, str) or not value.strip():
            self.fail(f"{key} must be a line of text, not {value!r}")
        return " ".join(value.split())

    def number(self, key: str, default: float | None, whole: bool = False) -> float | None:
        value = self.data.get(key, default)
        if value is None and key not in self.data:
            return None
        kinds = (int,) if whole else (int, float)
        if isinstance(value, bool) or not isinstance(value, kinds) or not 0 < value < math.inf:
            self.fail(f"{key} must be a {'whole number from 1 on' if whole else 'number of seconds above 0'}, not {value!r}")
        return value

    def items(self, key: str, value: object, legal: Callable[[object], bool], what: str) -> tuple[Any, ...]:
        if not isinstance(value, list) or not value:
            self.fail(f"{key} must be a list such as [a, b] with at least one {what}, not {value!r}")
        for item in value:
            if not legal(item):
                self.fail(f"{key}: {item!r} is no {what}")
        twice = next((item for i, item in enumerate(value) if value_text(item) in map(value_text, value[:i])), None)
        if twice is not None:
            self.fail(f"{key} names {twice!r} twice")
        return tuple(value)

    def names(self, key: str, known: Collection[str]) -> tuple[str, ...]:
        """A list whose members must be among ``known``."""
        items = self.items(key, self.data[key], lambda item: isinstance(item, str), f"name (known: {', '.join(sorted(known))})")
        for item in items:
            if item not in known:
                self.fail(f"unknown {key[:-1]} '{item}'; {_nearest(item, known)}")
        return items

    def parameters(self) -> dict[str, tuple[Scalar, ...]]:
        value = self.data.get("parameters", {})
        if not isinstance(value, dict):
            self.fail(f"parameters must be 'name: [value, ...]' lines, not {value!r}")
        for name in value:
            if not isinstance(name, str) or not name.isidentifier():
                self.fail(f"parameters: {name!r} is no name of a parameter; use letters, digits and _")
        what = "value (a number, true, false, or text of letters, digits and _ . + -)"
        return {name: self.items(f"parameters: {name}", values, _is_value, what) for name, values in value.items()}


def _is_value(item: object) -> bool:
    if isinstance(item, float):
        return math.isfinite(item)
    return isinstance(item, bool | int) or (isinstance(item, str) and VALUE.fullmatch(item) is not None)


def value_text(value: object) -> str:
    """A parameter's value as it stands in a job's id."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _defines_run(source: str) -> bool:
    """Whether a module has a function ``run`` of its own or imports one; found without running the module."""
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef) and node.name == "run":
            return True
        if isinstance(node, ast.ImportFrom) and any((a.asname or a.name) == "run" for a in node.names):
            return True
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "run" for t in node.targets):
            return True
    return False


def _check_module(check: _Checker, module: str) -> None:
    if is_pytest_path(module):
        if not (ROOT / module.partition("::")[0]).exists():
            check.fail(f"module: the file {module.partition('::')[0]} does not exist")
        for key in ("configurations", "parameters"):
            if key in check.data:
                check.fail(f"{key} need a workload module; tests that pytest runs take none")
        return
    if str(ROOT) not in sys.path:
        sys.path.insert(0, str(ROOT))
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError):
        spec = None
    if spec is None or spec.origin is None or not Path(spec.origin).is_file():
        check.fail(f"module {module} does not exist (expected {module.replace('.', '/')}.py)")
    try:
        found = _defines_run(Path(spec.origin).read_text())
    except SyntaxError as error:
        check.fail(f"module {module} is not valid Python (line {error.lineno}: {error.msg})")
    if not found:
        check.fail(f"module {module} has no function run(job)")


def _entry(where: str, data: dict[str, Any]) -> Entry:
    check = _Checker(where, data)
    unknown = next((key for key in data if key not in REQUIRED + OPTIONAL), None)
    if unknown is not None:
        check.fail(f"unknown key {unknown!r}; {_nearest(unknown, REQUIRED + OPTIONAL)}")
    missing = [key for key in REQUIRED if key not in data]
    if missing:
        check.fail(f"missing key '{missing[0]}'; an entry needs {', '.join(REQUIRED)}")
    name = data["name"]
    if not isinstance(name, str) or not NAME.fullmatch(name):
        check.fail(f"{name!r} is no name; use small letters, digits, _ and -, and begin with a letter")
    module = check.text("module")
    _check_module(check, module)
    given: dict[str, Any] = {}
    if "configurations" in data:
        given["configurations"] = check.names("configurations", config_names())
    if "simulators" in data:
        given["simulators"] = check.names("simulators", PROGRAM)
    if "tags" in data:
        given["tags"] = check.items("tags", data["tags"], lambda t: isinstance(t, str) and bool(NAME.fullmatch(t)),
                                    "tag (small letters, digits, _ and -)")
    return Entry(name, check.text("purpose"), module, float(check.number("timeout", None) or 0), parameters=check.parameters(),
                 iterations=int(check.number("iterations", 1, whole=True) or 1), weight=check.number("weight", None), **given)


def _no_key_twice(where: str, node: yaml.Node) -> None:
    """YAML itself would take the last of two equal keys and say nothing."""
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if key.value in seen:
                raise FcimError(f"{where}: key '{key.value}' stands there twice; keep one")
            seen.add(key.value)
            _no_key_twice(where, value)


def read_entries(path: Path) -> list[Entry]:
    """The entries of the list at ``path``, in its order.

    Raises:
        FcimError: the file is missing or not valid, or an entry is wrong; one line.
    """
    shown = _shown(path)
    if not path.is_file():
        raise FcimError(f"the regression's list {shown} does not exist; name another with --file")
    try:
        loader = yaml.SafeLoader(path.read_text())
        node = loader.get_single_node()
        if not isinstance(node, yaml.SequenceNode) or not node.value:
            raise FcimError(f"{shown} must be a list of entries ('- name: ...'), and not an empty one")
        raw = []
        for item in node.value:
            where = f"{shown}:{item.start_mark.line + 1}"
            _no_key_twice(where, item)
            raw.append((where, loader.construct_object(item, deep=True)))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        raise FcimError(f"{shown}{line}: not valid YAML ({getattr(error, 'problem', None) or error}); mend the file") from None
    entries: list[Entry] = []
    for where, data in raw:
        if not isinstance(data, dict):
            raise FcimError(f"{where}: an entry is 'key: value' lines, not {data!r}")
        entry = _entry(f"{where}: entry '{data['name']}'" if "name" in data else where, data)
        if any(entry.name == other.name for other in entries):
            raise FcimError(f"{where}: entry '{entry.name}' stands there twice; rename one")
        entries.append(entry)
    return entries
