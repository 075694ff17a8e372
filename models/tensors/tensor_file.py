"""Files of attention tensors (``TENSORS=``): safetensors or npz with q, k and v of one layer.

``q`` is ``[Hq, Tq, D]``, ``k`` and ``v`` are ``[Hkv, Tk, D]``, of any float type. Optional facts: ``scale`` (default
``D ** -0.5``), ``source`` (a JSON object), ``heads`` (JSON list of names), ``kv_of_head`` (JSON list). safetensors
keeps them as metadata strings; npz as arrays of the same names (a number for ``scale``, a string for the rest).
A safetensors file written here has them as one JSON object under ``facts``, because the library writes several
metadata entries in random order: like this, the same tensors always give the same bytes.
"""

from __future__ import annotations

import json
import os
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from models.errors import FcimError
from models.tensors.attention_tensors import AttentionTensors
from models.tensors.checkpoint_folder import one_line

SUFFIXES = (".safetensors", ".npz")
_TENSORS = ("q", "k", "v")
_FACTS = ("scale", "source", "heads", "kv_of_head")


def check_suffix(path: Path) -> None:
    """Raise FcimError unless ``path`` names one of the two file types."""
    if path.suffix not in SUFFIXES:
        raise FcimError(f"'{path}' is neither .safetensors nor .npz; use a file of one of these two types")


def _check_keys(path: Path, keys: list[str]) -> None:
    missing = [name for name in _TENSORS if name not in keys]
    if missing:
        raise FcimError(f"{path} has no tensor '{missing[0]}' (it has: {', '.join(sorted(keys)) or 'nothing'});"
                        " it must hold q, k and v")


def _read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    try:
        with safe_open(path, framework="pt") as file:
            _check_keys(path, list(file.keys()))
            facts: dict[str, Any] = dict(file.metadata() or {})
            tensors = {name: file.get_tensor(name) for name in _TENSORS}
    except (SafetensorError, OSError) as error:
        raise FcimError(f"{path} is not a whole safetensors file ({one_line(error)}); write or copy it again") from None
    if "facts" in facts:
        try:
            facts |= json.loads(facts["facts"])
        except (TypeError, ValueError):
            raise FcimError(f"{path}: facts is {facts['facts'][:60]!r}; it must be a JSON object") from None
    return tensors, facts


def _read_npz(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    try:
        loaded = np.load(path, allow_pickle=False)
        if not isinstance(loaded, np.lib.npyio.NpzFile):
            raise FcimError(f"{path} holds one bare array; save q, k and v together with numpy.savez")
        with loaded as file:
            _check_keys(path, file.files)
            arrays = {name: file[name] for name in _TENSORS}
            facts = {name: file[name].item() for name in _FACTS if name in file.files}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, KeyError) as error:
        raise FcimError(f"{path} is not a whole npz file ({one_line(error)}); write or copy it again") from None
    for name, array in arrays.items():
        if array.dtype.kind != "f" or array.dtype.itemsize > 8:
            raise FcimError(f"{path}: {name} has type {array.dtype}; npz takes float16, float32 or float64"
                            " (bfloat16 needs a .safetensors file)")
    return {name: torch.from_numpy(np.asarray(array, dtype=array.dtype.newbyteorder("=")))
            for name, array in arrays.items()}, facts


def _parse_facts(path: Path, facts: dict[str, Any], head_dim: int) -> dict[str, Any]:
    """Scale, source, heads and kv_of_head as AttentionTensors takes them; absent ones get their default."""
    try:
        scale = float(facts.get("scale", head_dim**-0.5))
    except (TypeError, ValueError):
        raise FcimError(f"{path}: scale is {facts['scale']!r}; it must be a number") from None
    parsed: dict[str, Any] = {"source": {}, "heads": [], "kv_of_head": []}
    for name, default in parsed.items():
        if name not in facts:
            continue
        try:
            value = json.loads(facts[name]) if isinstance(facts[name], str) else facts[name]
        except (TypeError, ValueError):
            value = None
        wanted = {"heads": str, "kv_of_head": int}.get(name)
        if not isinstance(value, type(default)) or (wanted and not all(type(item) is wanted for item in value)):
            kind = "a JSON object" if wanted is None else f"a JSON list of {'names' if wanted is str else 'whole numbers'}"
            raise FcimError(f"{path}: {name} is {str(facts[name])[:60]!r}; it must be {kind}")
        parsed[name] = value
    return {"scale": scale, **parsed}


def load_tensor_file(path: str | Path) -> AttentionTensors:
    """Read q, k, v and the optional facts; the file's name joins the source under ``file``.

    Raises:
        FcimError: no such file, a damaged one, a missing tensor, a wrong rank, shape or type, or NaN or infinity.
    """
    path = Path(path)
    check_suffix(path)
    if not path.is_file():
        raise FcimError(f"TENSORS file '{path}' does not exist; give a .safetensors or .npz file with q, k and v")
    tensors, facts = (_read_safetensors if path.suffix == ".safetensors" else _read_npz)(path)
    shape = tensors["q"].shape
    parsed = _parse_facts(path, facts, shape[-1] if shape and shape[-1] else 1)
    parsed["source"] = {"file": path.name, **{k: v for k, v in parsed["source"].items() if k != "file"}}
    try:
        return AttentionTensors(**tensors, **parsed)
    except FcimError as error:
        raise FcimError(f"{path}: {error}") from None


def save_tensor_file(path: str | Path, tensors: AttentionTensors) -> None:
    """Write a file that :func:`load_tensor_file` reads back: whole or not at all.

    The file is written under a temporary name beside its place and renamed, so that an interrupted run
    leaves no half file and an older file stays until the new one is complete.

    Raises:
        FcimError: the name has another ending, or the place cannot be written.
    """
    path = Path(path)
    check_suffix(path)
    if path.is_dir():
        raise FcimError(f"'{path}' is a directory; give the name of a file")
    arrays = {name: getattr(tensors, name).contiguous() for name in _TENSORS}
    facts = {name: getattr(tensors, name) for name in _FACTS}
    partial: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}.", suffix=path.suffix)
        os.close(handle)
        partial = Path(name)
        if path.suffix == ".safetensors":
            save_file(arrays, partial, metadata={"facts": json.dumps(facts, sort_keys=True)})
        else:
            texts = {name: np.str_(json.dumps(facts[name], sort_keys=True)) for name in _FACTS if name != "scale"}
            np.savez(partial, **{k: t.numpy() for k, t in arrays.items()}, **texts, scale=np.float64(tensors.scale))
        partial.chmod(0o644)  # mkstemp makes private files
        partial.replace(path)
    except (OSError, SafetensorError) as error:
        raise FcimError(f"cannot write '{path}' ({one_line(error)}); choose another place for the file") from None
    finally:
        if partial is not None:
            partial.unlink(missing_ok=True)
