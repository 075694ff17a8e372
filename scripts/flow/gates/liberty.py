"""Liberty files as trees: a reader and a writer of the text form, which know no attribute's meaning.

The grammar is that of the Liberty reference manual: ``group (arguments) { ... }``, ``name : value;`` and ``name (values);``.
"""

from __future__ import annotations

import lzma
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from models.errors import FcimError

_TOKEN = re.compile(r'/\*.*?\*/|//[^\n]*|\\\r?\n|\s+|"(?P<text>[^"]*)"|(?P<mark>[(){}:;,])|(?P<word>[^\s(){}:;,"]+)', re.S)
_CONTINUED = re.compile(r"\\\r?\n\s*")


@dataclass
class Group:
    """``kind (arguments) { attributes, groups }``; ``values`` holds simple attributes, ``lists`` complex ones, both in order."""

    kind: str
    arguments: tuple[str, ...] = ()
    values: dict[str, str] = field(default_factory=dict)
    lists: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    groups: list[Group] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The first argument, or nothing."""
        return self.arguments[0] if self.arguments else ""

    def all(self, *kinds: str) -> Iterator[Group]:
        """The groups inside of these kinds."""
        return (group for group in self.groups if group.kind in kinds)

    def list_of(self, name: str) -> tuple[str, ...]:
        """The values of a complex attribute, none where it is not there."""
        return next((values for key, values in self.lists if key == name), ())


def read(path: Path) -> Group:
    """The ``library`` group of a Liberty file, plain or compressed with xz.

    Raises:
        FcimError: the file cannot be read or is no Liberty.
    """
    try:
        data = lzma.decompress(path.read_bytes()) if path.suffix == ".xz" else path.read_bytes()
        text = data.decode("utf-8", errors="replace")
    except (OSError, lzma.LZMAError) as error:
        raise FcimError(f"{path} cannot be read ({getattr(error, 'strerror', None) or error}); give a Liberty file") from None
    try:
        group = _Reader(text).group()
    except _Wrong as wrong:
        raise FcimError(f"{path}, line {wrong.line}: {wrong} where Liberty has something else; give a Liberty file") from None
    if group.kind != "library":
        raise FcimError(f"{path} holds a {group.kind}, not a library; give a Liberty file")
    return group


class _Wrong(Exception):
    def __init__(self, what: str, line: int) -> None:
        super().__init__(what)
        self.line = line


class _Reader:
    """One pass over the text, one token ahead."""

    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0
        self.token, self.mark = "", False
        self.next()

    def next(self) -> None:
        """The next token that is no space and no comment; "" at the end."""
        text = self.text
        while self.at < len(text):
            found = _TOKEN.match(text, self.at)
            if found is None:
                raise self.wrong("an open quotation mark")
            self.at = found.end()
            if found.lastgroup is not None:
                self.token, self.mark = found[found.lastgroup], found.lastgroup == "mark"
                if found.lastgroup == "text" and "\\" in self.token:
                    self.token = _CONTINUED.sub("", self.token)
                return
        self.token, self.mark = "", True

    def wrong(self, what: str = "") -> _Wrong:
        """What is to be said of the present token."""
        return _Wrong(what or (f"'{self.token}'" if self.token else "the end of the file"), self.text.count("\n", 0, self.at) + 1)

    def take(self, mark: str) -> None:
        """This mark and nothing else."""
        if not self.mark or self.token != mark:
            raise self.wrong()
        self.next()

    def arguments(self) -> tuple[str, ...]:
        """``(a, b, ...)``."""
        self.take("(")
        found = []
        while not (self.mark and self.token == ")"):
            if self.mark and self.token != ",":
                raise self.wrong()
            if not self.mark:
                found.append(self.token)
            self.next()
        self.next()
        return tuple(found)

    def group(self) -> Group:
        """A group from its name on."""
        if self.mark:
            raise self.wrong()
        kind = self.token
        self.next()
        group = Group(kind, self.arguments())
        self.body(group)
        return group

    def body(self, group: Group) -> None:
        """``{ ... }`` into the group."""
        self.take("{")
        while not (self.mark and self.token == "}"):
            if self.mark:
                if self.token != ";":
                    raise self.wrong()
                self.next()
                continue
            name = self.token
            self.next()
            if self.mark and self.token == ":":
                self.next()
                words = []
                line = self.at
                while not self.mark or self.token in "(),:" and self.token:
                    words.append(self.token)
                    line = self.at
                    self.next()
                    if "\n" in self.text[line:self.at - len(self.token)] and not self.mark:
                        break       # some libraries leave out the semicolon
                group.values[name] = " ".join(words)
            else:
                arguments = self.arguments()
                if self.mark and self.token == "{":
                    group.groups.append(Group(name, arguments))
                    self.body(group.groups[-1])
                else:
                    group.lists.append((name, arguments))
        self.next()


def text_of(group: Group, depth: int = 0) -> str:
    """The group as Liberty, an attribute a line."""
    pad = " " * depth
    lines = [f"{pad}{group.kind} ({', '.join(map(_quoted, group.arguments))}) {{\n"]
    lines += [f"{pad} {name} : {_quoted(value)};\n" for name, value in group.values.items()]
    lines += [f"{pad} {name} ({', '.join(map(_quoted, values))});\n" for name, values in group.lists]
    lines += [text_of(part, depth + 1) for part in group.groups]
    return "".join([*lines, f"{pad}}}\n"])


def _quoted(text: str) -> str:
    return text if re.fullmatch(r"[\w.+-]+", text) else f'"{text}"'
