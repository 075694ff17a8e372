"""Which folder and which of its files a CHECKPOINT means: a hub cache's snapshot, the order of the weight files, the refusals."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any, NamedTuple

from models.errors import FcimError, note
from models.tensors.gguf_file import is_gguf

SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"
_CONFIG, _ADAPTER = "config.json", "adapter_config.json"
_WEIGHTS = re.compile(r".*\.safetensors|model\.safetensors\.index\.json|pytorch_model.*\.bin(\.index\.json)?|consolidated.*\.pth"
                      r"|.*\.gguf|tf_model\.h5|flax_model\.msgpack")
_SHARD = re.compile(r"model-\d+-of-\d+\.safetensors")


def one_line(error: object) -> str:
    """What a library says, short enough to be part of a one-line message."""
    return " ".join(str(error).split())[:200]


def few(names: list[str], count: int = 3) -> str:
    """The first ``count`` names, and how many more there are."""
    return ", ".join(names[:count]) + (f" and {len(names) - count} more" if len(names) > count else "")


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


def checkpoint_path(given: str | Path, tell: bool = True) -> Path:
    """The GGUF file that is meant, or the folder that holds config.json; ``tell`` as for :func:`checkpoint_directory`.

    Raises:
        FcimError: there is neither.
    """
    path = Path(os.path.expanduser(given))
    return path if is_gguf(path) else checkpoint_directory(given, tell)


def checkpoint_directory(given: str | Path, tell: bool = True) -> Path:
    """The folder that holds config.json: the given one, or the snapshot that a hub cache's folder points to.

    ``tell``: say so where it is another folder than the given one.

    Raises:
        FcimError: there is none, or the folder holds something that is not read; the message names what it is.
    """
    path = Path(os.path.expanduser(given))     # of pathlib, the same raises where there is no such user
    try:
        if path.is_file():
            raise FcimError(f"CHECKPOINT = '{path}' is a file, but not a GGUF; give one, or the directory with {_CONFIG}")
        if not path.is_dir():
            hub = re.fullmatch(r"[\w-][\w.-]*/[\w-][\w.-]*", str(given))
            more = f"; a model of the hub is not downloaded here, 'hf download {given}' does that" if hub else ""
            kind = "file" if path.suffix == ".gguf" else "directory"
            raise FcimError(f"CHECKPOINT {kind} '{path}' does not exist;"
                            f" give a Hugging Face LLaMA directory or a GGUF file on this machine{more}")
        names = sorted(p.name for p in path.iterdir())
        if _ADAPTER in names or any(name.startswith("adapter_model.") for name in names):
            raise FcimError(_why_not_an_adapter(path, names))
        if (path / _CONFIG).is_file():
            return path
        if (path / "snapshots").is_dir():
            return _snapshot(path, tell)
        raise FcimError(_why_no_config(path, names))
    except OSError as error:
        raise FcimError(f"CHECKPOINT = '{path}' cannot be read ({error.strerror}); give a Hugging Face LLaMA directory") from None


def model_name(directory: Path) -> str:
    """What to call the model: its folder's name, or for a snapshot of a hub cache the model's."""
    path = directory.resolve()
    cached = re.fullmatch(r"models--(?:.+--)?(.+)", path.parent.parent.name) if path.parent.name == "snapshots" else None
    return cached[1] if cached else path.name


def _snapshot(path: Path, tell: bool) -> Path:
    """The snapshot that ``refs/main`` names, or the only one."""
    found = sorted(p for p in (path / "snapshots").iterdir() if (p / _CONFIG).is_file())
    main = path / "refs" / "main"
    wanted = main.read_text(errors="replace").strip() if main.is_file() else ""
    chosen = [p for p in found if p.name == wanted] or found
    if not chosen:
        raise FcimError(f"{path} is a hub cache's folder without a downloaded {_CONFIG}; download the model again")
    if len(chosen) > 1:
        raise FcimError(f"{path} is a hub cache's folder with {len(found)} snapshots; give one: {few([str(p) for p in found])}")
    if tell:
        note(f"{path} is a hub cache's folder; its snapshot {chosen[0].name} is read")
    return checkpoint_directory(chosen[0])


def _why_not_an_adapter(path: Path, names: list[str]) -> str:
    base = read_json(path / _ADAPTER).get("base_model_name_or_path") if _ADAPTER in names else None
    beside = " beside the model's files" if _CONFIG in names else ""
    return (f"{path} holds an adapter (LoRA){beside}, which is not applied here; merge it into its base model"
            f"{f' {base}' if isinstance(base, str) else ''} (merge_and_unload and save_pretrained of peft) and give the result")


def _why_no_config(path: Path, names: list[str]) -> str:
    if not names:
        return f"{path} is empty and has no {_CONFIG}; give a Hugging Face LLaMA directory"
    below = [name for name in names if (path / name / _CONFIG).is_file() or (path / name / "snapshots").is_dir()]
    if below:
        return f"{path} has no {_CONFIG}, but a directory in it has; give {few([str(path / name) for name in below])}"
    return _why_other_weights(path, names) or f"{path} has no {_CONFIG}; give a Hugging Face LLaMA directory"


def _why_other_weights(path: Path, names: list[str]) -> str:
    """Weights of a kind that is not read, or nothing where there are none."""
    wanted = "give the model's Hugging Face directory with safetensors weights"
    if gguf := [n for n in names if n.endswith(".gguf")]:
        return f"{path} holds GGUF weights; give the file itself: {few([str(path / name) for name in gguf])}"
    if meta := [n for n in names if n.startswith("consolidated")]:
        return (f"{path} holds weights in Meta's own format ({few(meta)}), which is not read; {wanted},"
                " or convert them with convert_llama_weights_to_hf of transformers")
    if pickles := [n for n in names if re.fullmatch(r"pytorch_model.*\.bin", n)]:
        return (f"{path} has its weights as {few(pickles)} only, which is not read; write them as safetensors"
                " (from_pretrained and save_pretrained of transformers) and give that directory")
    if other := [n for n in names if n in ("tf_model.h5", "flax_model.msgpack")]:
        return f"{path} has its weights as {few(other)} only, which is not read; {wanted}"
    return ""


def _why_no_weights(path: Path, names: list[str]) -> str:
    if broken := [n for n in (SINGLE, INDEX) if n in names]:
        return f"{path / broken[0]} is a link to a file that is not there; download it again"
    if shards := [n for n in names if _SHARD.fullmatch(n)]:
        return f"{path} has {few(shards)} but no {INDEX}; download that file too"
    if other := [n for n in names if n.endswith(".safetensors")]:
        return (f"{path} has neither {SINGLE} nor {INDEX}, only {few(other)};"
                f" if that is the whole model, name it {SINGLE}")
    return _why_other_weights(path, names) or (f"{path} has neither {SINGLE} nor {INDEX};"
                                               " give a Hugging Face directory with safetensors weights")


class WeightChoice(NamedTuple):
    """The weight file, or its index, that is read, and the names of other weight files in the folder that are not."""

    path: Path
    aside: list[str]


def choose_weights(directory: Path, named: str | None = None) -> WeightChoice:
    """What transformers would read too: the file that config.json names as ``transformers_weights``, else model.safetensors,
    else the index with its shards.

    Raises:
        FcimError: there is none; the message says which weights there are instead.
    """
    names = sorted(p.name for p in directory.iterdir())
    if named is not None and not (Path(named).name == named and named.endswith((".safetensors", ".safetensors.index.json"))):
        raise FcimError(f"{directory / _CONFIG}: transformers_weights = '{named}' is not a safetensors file of the directory")
    wanted = (named,) if named else (SINGLE, INDEX)
    chosen = next((directory / name for name in wanted if (directory / name).is_file()), None)
    if chosen is None:
        raise FcimError(f"{directory} has no {named}, which its {_CONFIG} names; download it too" if named
                        else _why_no_weights(directory, names))
    read = {chosen.name, *_shards_of(chosen)}
    return WeightChoice(chosen, [name for name in names if _WEIGHTS.fullmatch(name) and name not in read])


def _shards_of(index: Path) -> set[str]:
    return set(read_index(index).values()) if index.suffix == ".json" else set()


def read_index(path: Path) -> dict[str, str]:
    """The shard of every weight name. Raises FcimError where the file is not such an index."""
    shards = read_json(path).get("weight_map")
    if not isinstance(shards, dict) or not all(isinstance(s, str) and Path(s).name == s for s in shards.values()):
        raise FcimError(f"{path} has no 'weight_map' of weight names to file names; copy it again from the checkpoint")
    return shards
