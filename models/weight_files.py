"""Weights of a Hugging Face directory, read one tensor at a time from one or several safetensors shards."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from models.errors import FcimError

SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"
_FLOAT_TYPES = ("F16", "BF16", "F32", "F64")


def one_line(error: Exception) -> str:
    """What a library says, short enough to be part of a one-line message."""
    return " ".join(str(error).split())[:200]


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in ``path``.

    Raises:
        FcimError: the file cannot be read, is not JSON, or holds something else than an object.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise FcimError(f"{path} is not readable JSON ({one_line(error)}); copy it again from the checkpoint") from None
    if not isinstance(data, dict):
        raise FcimError(f"{path} must hold a JSON object; copy it again from the checkpoint")
    return data


def checkpoint_directory(directory: str | Path) -> Path:
    """The directory as a path. Raises FcimError when it does not exist or has no config.json."""
    path = Path(directory)
    if not path.is_dir():
        raise FcimError(f"CHECKPOINT directory '{path}' does not exist; give a Hugging Face LLaMA directory")
    if not (path / "config.json").is_file():
        raise FcimError(f"{path} has no config.json; give a Hugging Face LLaMA directory")
    return path


class WeightFiles:
    """Finds every weight of a checkpoint directory; nothing is read before it is asked for.

    Raises:
        FcimError: no safetensors weights, a broken index, or a broken single file.
    """

    def __init__(self, directory: Path):
        self.directory = directory
        if (directory / INDEX).is_file():
            self._shard_of = self._read_index(directory / INDEX)
        elif (directory / SINGLE).is_file():
            with self._open(directory / SINGLE) as file:
                self._shard_of = dict.fromkeys(file.keys(), SINGLE)
        else:
            raise FcimError(f"{directory} has neither {SINGLE} nor {INDEX};"
                            " give a Hugging Face directory with safetensors weights")
        # LlamaForCausalLM saves its weights below "model.", a bare LlamaModel without it
        self.prefix = "model." if any(name.startswith("model.") for name in self._shard_of) else ""

    @staticmethod
    def _read_index(path: Path) -> dict[str, str]:
        shards = read_json(path).get("weight_map")
        if not isinstance(shards, dict) or not all(isinstance(s, str) and Path(s).name == s for s in shards.values()):
            raise FcimError(f"{path} has no 'weight_map' of weight names to file names; copy it again from the checkpoint")
        return shards

    @staticmethod
    def _open(path: Path) -> Any:
        if not path.is_file():
            raise FcimError(f"shard {path.name} is missing from {path.parent}; download it again")
        with path.open("rb") as file:
            if file.read(24) == b"version https://git-lfs.":
                raise FcimError(f"{path} is a Git LFS pointer, not the weights; run 'git lfs pull' in the directory")
        try:
            return safe_open(path, framework="pt")
        except (SafetensorError, OSError) as error:
            raise FcimError(f"{path} is damaged or cut short ({one_line(error)}); download it again") from None

    def _shard(self, name: str) -> Path:
        if self.prefix + name not in self._shard_of:
            raise FcimError(f"weight '{self.prefix + name}' is missing from {self.directory};"
                            " the checkpoint is not complete or config.json does not belong to it")
        return self.directory / self._shard_of[self.prefix + name]

    def check(self, shapes: dict[str, tuple[int, ...]]) -> str:
        """Check that every weight is there with its shape and a float type, from the headers alone.

        Returns:
            The type in which the first of them is stored, such as ``BF16``.

        Raises:
            FcimError: names the first weight that is missing, cut off, of another shape or of another type.
        """
        stored: dict[str, tuple[list[int], str]] = {}
        by_shard: dict[Path, list[str]] = {}
        for name in shapes:
            by_shard.setdefault(self._shard(name), []).append(name)
        for path, names in by_shard.items():
            with self._open(path) as file:
                there = set(file.keys())
                for name in names:
                    if self.prefix + name not in there:
                        raise FcimError(f"weight '{self.prefix + name}' is missing from {path}; download the shard again")
                    piece = file.get_slice(self.prefix + name)
                    stored[name] = list(piece.get_shape()), piece.get_dtype()
        for name, shape in shapes.items():
            found, dtype = stored[name]
            if found != list(shape):
                raise FcimError(f"weight '{self.prefix + name}' has shape {found} but config.json asks for {list(shape)};"
                                " the two do not belong together")
            if dtype not in _FLOAT_TYPES:
                raise FcimError(f"weight '{self.prefix + name}' is stored as {dtype}; quantised checkpoints cannot be read,"
                                " use the float16, bfloat16 or float32 one")
        return stored[next(iter(shapes))][1]

    def _finite(self, name: str, tensor: Tensor) -> Tensor:
        tensor = tensor.to(torch.float32)
        if not torch.isfinite(tensor).all():
            raise FcimError(f"weight '{self.prefix + name}' holds NaN or infinity; the checkpoint is damaged, download it again")
        return tensor

    def read(self, name: str) -> Tensor:
        """The whole weight, float32. Raises FcimError where it holds NaN or infinity."""
        with self._open(self._shard(name)) as file:
            return self._finite(name, file.get_tensor(self.prefix + name))

    def read_rows(self, name: str, ids: Tensor) -> Tensor:
        """Rows ``ids [...]`` of a matrix ``[N, C]``: float32 ``[..., C]``; only these rows are read."""
        wanted, place = ids.unique(return_inverse=True)
        with self._open(self._shard(name)) as file:
            matrix = file.get_slice(self.prefix + name)
            rows = torch.cat([matrix[i:i + 1] for i in wanted.tolist()])
        return self._finite(name, rows)[place]
