"""One GGUF model on disk: the metadata and where each tensor lies, of one file or all parts of a split one.

The files are mapped into memory, not read, so that a model larger than the memory works. Only the standard library is needed.
"""

from __future__ import annotations

import mmap
import os
import re
import struct
from pathlib import Path
from typing import Any, NamedTuple

from models.errors import FcimError

MAGIC = b"GGUF"
VERSIONS = (2, 3)
_SPLIT = re.compile(r"(.*)-(\d{5})-of-(\d{5})\.gguf")
_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9
_MOST_DIMENSIONS = 4
_AGAIN = "is damaged or cut short"


class StoredTensor(NamedTuple):
    """``shape`` in PyTorch's order; ``kind`` is ggml's number of the type; ``start`` counts bytes from the file's begin."""

    name: str
    shape: tuple[int, ...]
    kind: int
    part: int
    start: int


class GgufFile:
    """Metadata and tensors of a GGUF model.

    Args:
        path: the file, or any part of a split one (``name-00002-of-00003.gguf``).

    Attributes:
        metadata: of the first part; of arrays of strings (the vocabulary) only the length.
        tensors: by name, in the files' order.
        maps: the bytes of every part.

    Raises:
        FcimError: a part is missing, is no GGUF file, of another version, damaged or cut short.
    """

    def __init__(self, path: Path):
        self.parts = _parts(path)
        self.maps = [_mapped(part) for part in self.parts]
        self.metadata: dict[str, Any] = {}
        self.tensors: dict[str, StoredTensor] = {}
        for index, part in enumerate(self.parts):
            try:
                metadata, tensors = _read_header(self.maps[index], index)
            except (struct.error, OverflowError, UnicodeDecodeError, MemoryError) as error:
                raise FcimError(f"{part} {_AGAIN} ({error or 'its sizes make no sense'}); download it again") from None
            except _Refused as error:
                raise FcimError(f"{part} {error}") from None
            number, count = metadata.get("split.no", index), metadata.get("split.count", len(self.parts))
            if (number, count) != (index, len(self.parts)):
                raise FcimError(f"{part} says itself that it is part {number + 1} of {count}, but its name does not;"
                                " give it the name back with which it was made, beside the other parts")
            self.metadata = self.metadata or metadata
            for tensor in tensors:
                if tensor.name in self.tensors:
                    raise FcimError(f"{part} holds '{tensor.name}' a second time; the parts are not of one model")
                self.tensors[tensor.name] = tensor

    @property
    def path(self) -> Path:
        """The file, or the first part."""
        return self.parts[0]

    @property
    def name(self) -> str:
        """What to call the model: the file's name."""
        split = _SPLIT.fullmatch(self.path.name)
        return split[1] if split else self.path.stem


def is_gguf(path: Path) -> bool:
    """Whether a path means a GGUF file, by its name or by how the file begins."""
    try:
        with path.open("rb") as file:
            return path.suffix == ".gguf" or file.read(len(MAGIC)) == MAGIC
    except OSError:
        return path.suffix == ".gguf" and os.path.isfile(path)


class _Refused(Exception):
    """What is wrong with a file, to be put after its name."""


def _parts(path: Path) -> list[Path]:
    split = _SPLIT.fullmatch(path.name)
    if not split:
        return [path]
    count = int(split[3])
    parts = [path.with_name(f"{split[1]}-{number + 1:05}-of-{split[3]}.gguf") for number in range(count)]
    if missing := [part for part in parts if not part.is_file()]:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise FcimError(f"{missing[0]}{more} of a GGUF in {count} parts is missing; download it too")
    if path not in parts:
        raise FcimError(f"{path} is none of {count} parts by its name; give it the name back with which it was made")
    return parts


def _mapped(path: Path) -> mmap.mmap:
    try:
        with path.open("rb") as file:
            if file.read(24) == b"version https://git-lfs.":
                raise FcimError(f"{path} is a Git LFS pointer, not the model; run 'git lfs pull' in its directory")
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except ValueError:
        raise FcimError(f"{path} is empty; download it again") from None
    except OSError as error:
        raise FcimError(f"{path} cannot be read ({error.strerror}); give a GGUF file that can") from None


class _Reader:
    """Values one after the other; struct.error beyond the end."""

    def __init__(self, data: mmap.mmap):
        self.data, self.place = data, 0

    def numbers(self, form: str, count: int = 1) -> tuple[Any, ...]:
        if count * struct.calcsize(f"<{form}") > len(self.data) - self.place:
            raise struct.error("it ends within its header")
        values = struct.unpack_from(f"<{count}{form}", self.data, self.place)
        self.place += struct.calcsize(f"<{count}{form}")
        return values

    def skip(self, size: int) -> None:
        if size > len(self.data) - self.place:
            raise struct.error("it ends within its header")
        self.place += size

    def string(self) -> str:
        (size,) = self.numbers("Q")
        start = self.place
        self.skip(size)
        return self.data[start:self.place].decode()

    def value(self, kind: int) -> Any:
        if kind in _SCALARS:
            return self.numbers(_SCALARS[kind])[0]
        if kind == _STRING:
            return self.string()
        if kind != _ARRAY:
            raise _Refused(f"{_AGAIN} (metadata of the unknown type {kind}); download it again")
        element, count = *self.numbers("I"), *self.numbers("Q")
        if element in _SCALARS:
            return list(self.numbers(_SCALARS[element], count))
        if element != _STRING:
            raise _Refused(f"{_AGAIN} (an array of the unknown type {element}); download it again")
        for _ in range(count):
            self.skip(*self.numbers("Q"))
        return count


def _read_header(data: mmap.mmap, part: int) -> tuple[dict[str, Any], list[StoredTensor]]:
    reader = _Reader(data)
    if data[:len(MAGIC)] != MAGIC:
        raise _Refused("is not a GGUF file; give one, or a Hugging Face LLaMA directory")
    reader.skip(len(MAGIC))
    (version,) = reader.numbers("I")
    if version not in VERSIONS:
        big = version & 0xFFFF == 0
        raise _Refused("is a GGUF file for big-endian machines; take the ordinary one" if big else
                       f"is GGUF of version {version}; only {' and '.join(map(str, VERSIONS))} can be read")
    tensor_count, value_count = reader.numbers("Q", 2)
    metadata = {}
    for _ in range(value_count):
        key = reader.string()
        metadata[key] = reader.value(*reader.numbers("I"))
    found = []
    for _ in range(tensor_count):
        name = reader.string()
        (dimensions,) = reader.numbers("I")
        if dimensions > _MOST_DIMENSIONS:
            raise _Refused(f"{_AGAIN} ('{name}' has {dimensions} dimensions); download it again")
        shape = tuple(reversed(reader.numbers("Q", dimensions)))
        found.append(StoredTensor(name, shape, *reader.numbers("I"), part, *reader.numbers("Q")))
    alignment = metadata.get("general.alignment", 32)
    if not isinstance(alignment, int) or alignment < 1:
        raise _Refused(f"{_AGAIN} (general.alignment is {alignment}); download it again")
    begin = -(-reader.place // alignment) * alignment
    return metadata, [tensor._replace(start=begin + tensor.start) for tensor in found]
