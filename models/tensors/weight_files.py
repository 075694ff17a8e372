"""Weights of a Hugging Face directory, read one tensor at a time from one or several safetensors shards."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from models.errors import FcimError, note
from models.tensors.checkpoint_folder import choose_weights, few, one_line, read_index

EMBEDDING, HEAD, NORM = "embed_tokens.weight", "lm_head.weight", "norm.weight"
_FLOAT_TYPES = ("F16", "BF16", "F32", "F64")
_PLAIN = "use the float16, bfloat16 or float32 one"
_FAMILY = re.compile(r"(.*?)(?:embed_tokens\.|layers\.\d+\.)")
_LAYER = re.compile(r"layers\.(\d+)\.")
# what a wrapper puts into the names of the weights, and who does
_WRAPPERS = (("_orig_mod.", "torch.compile"), ("_fsdp_wrapped_module.", "FSDP"), ("_checkpoint_wrapped_module.", "checkpointing"),
             ("base_layer.", "peft"), ("lora_", "peft"), ("base_model.", "peft"))
# endings of the names under which quantised weights are stored
_QUANTISED = (("GPTQ or AWQ", (".qweight", ".qzeros", ".g_idx", ".scales")),
              ("bitsandbytes", (".absmax", ".quant_map", ".SCB", ".weight_format", "__nf4", "__fp4")),
              ("compressed-tensors or FP8", (".weight_packed", ".weight_scale", ".weight_scale_inv", ".weight_zero_point")))


class Weights(Protocol):
    """What a checkpoint reads its weights from, by the names of a bare model."""

    def holds(self, name: str) -> bool: ...

    def check_names(self, expected: Iterable[str], layers: int) -> None: ...

    def check(self, shapes: dict[str, tuple[int, ...]]) -> str: ...

    def read(self, name: str) -> Tensor: ...

    def read_rows(self, name: str, ids: Tensor) -> Tensor: ...


class WeightFiles:
    """Finds every weight of a checkpoint directory; nothing is read before it is asked for.

    Names are those of a bare model, such as ``layers.0.self_attn.q_proj.weight``, whatever stands before them in the files.

    Args:
        directory: the folder.
        named: the file that config.json names as ``transformers_weights``.
        tied: whether the embedding may be stored as ``lm_head.weight`` alone.

    Raises:
        FcimError: no safetensors weights, a broken index, a broken single file, or names of another kind than LLaMA's.
    """

    def __init__(self, directory: Path, named: str | None = None, tied: bool = False):
        self.directory = directory
        chosen = choose_weights(directory, named)
        if chosen.path.suffix == ".json":
            self._shard_of = read_index(chosen.path)
        else:
            with self._open(chosen.path) as file:
                self._shard_of = dict.fromkeys(file.keys(), chosen.path.name)
        self.prefix = self._find_prefix()
        self._renamed: dict[str, str] = {}
        if tied and self._stored(EMBEDDING) not in self._shard_of and HEAD in self._shard_of:
            self._renamed[EMBEDDING] = HEAD
        self._notes: list[str] = []     # told once all is well: an error is one line alone
        if chosen.aside:
            self._notes.append(f"{chosen.path.name} is read, as transformers does; left aside: {few(chosen.aside)}")

    def _find_prefix(self) -> str:
        """LlamaForCausalLM saves its weights below "model.", a bare LlamaModel without it; any other prefix is refused."""
        names = list(self._shard_of)
        for kind, endings in _QUANTISED:
            if found := [n for n in names if n.endswith(endings)]:
                raise FcimError(f"{self.directory} holds quantised weights ({kind}: '{found[0]}') without saying so"
                                f" in config.json; quantised checkpoints cannot be read, {_PLAIN}")
        for mark, who in _WRAPPERS:
            if found := [n for n in names if mark in n]:
                raise FcimError(f"{self.directory} was saved from a model wrapped by {who} ('{found[0]}');"
                                f" save the model inside it, or take '{mark}' out of the names")
        counted = Counter(match[1] for name in names if (match := _FAMILY.match(name)))
        if counted["model."] or counted[""]:
            return "model." if counted["model."] else ""
        if counted:
            prefix = counted.most_common(1)[0][0]
            example = next(name for name in names if name.startswith(prefix))
            raise FcimError(f"the weights of {self.directory} are named '{example}', as a model inside another one saves them;"
                            f" save the LLaMA model itself, so that its names begin with 'model.' and not '{prefix}'")
        first = f"the first is '{names[0]}'" if names else "no weight at all"
        raise FcimError(f"{self.directory} holds no LLaMA weights ({first}); config.json does not belong to it")

    def _stored(self, name: str) -> str:
        """The name in the files."""
        return name if name == HEAD else self.prefix + name

    def holds(self, name: str) -> bool:
        """Whether the weight is stored, under any of the names that it may have."""
        return self._renamed.get(name, self._stored(name)) in self._shard_of

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

    def _place(self, name: str) -> tuple[Path, str]:
        """The file of a weight and its name there."""
        stored = self._renamed.get(name, self._stored(name))
        if stored not in self._shard_of:
            raise FcimError(f"weight '{stored}' is missing from {self.directory};"
                            " the checkpoint is not complete or config.json does not belong to it")
        return self.directory / self._shard_of[stored], stored

    def check_names(self, expected: Iterable[str], layers: int) -> None:
        """Compare what is stored with all that a model of ``layers`` layers has, so that nothing is left out in silence.

        Raises:
            FcimError: a stored weight would change what the model computes but the model of config.json has no place for it.
        """
        known = {self._stored(name) for name in expected} | {HEAD}
        strange = [n for n in self._shard_of if n not in known and not n.endswith("rotary_emb.inv_freq")]
        if used := places(strange, layers):
            raise FcimError(f"{self.directory} stores {grouped(used)}, for which config.json has no place; it belongs to another"
                            " checkpoint, lacks attention_bias or mlp_bias, or the model is not a plain LLaMA")
        if strange:
            self._notes.append(f"the {layers} layers of config.json have no place for {grouped(strange)}; left aside")

    def check(self, shapes: dict[str, tuple[int, ...]]) -> str:
        """Check that every weight is there with its shape and a float type, from the headers alone.

        Returns:
            The type in which the first of them is stored, such as ``BF16``.

        Raises:
            FcimError: names the first weight that is missing, cut off, of another shape or of another type.
        """
        found: dict[str, tuple[list[int], str]] = {}
        by_shard: dict[Path, list[str]] = {}
        for name in shapes:
            by_shard.setdefault(self._place(name)[0], []).append(name)
        for path, names in by_shard.items():
            with self._open(path) as file:
                there = set(file.keys())
                self._check_shard(path, there)
                for name in names:
                    stored = self._place(name)[1]
                    if stored not in there:
                        raise FcimError(f"weight '{stored}' is missing from {path}; download the shard again")
                    piece = file.get_slice(stored)
                    found[name] = list(piece.get_shape()), piece.get_dtype()
        for name, shape in shapes.items():
            stored, (size, dtype) = self._place(name)[1], found[name]
            if size != list(shape):
                raise FcimError(f"weight '{stored}' has shape {size} but config.json asks for {list(shape)};"
                                " the two do not belong together")
            if dtype not in _FLOAT_TYPES:
                raise FcimError(f"weight '{stored}' is stored as {dtype}; quantised checkpoints cannot be read, {_PLAIN}")
        while self._notes:
            note(f"{self.directory}: {self._notes.pop(0)}")
        return found[next(iter(shapes))][1]

    def _check_shard(self, path: Path, there: set[str]) -> None:
        """transformers reads all of a shard, the index or not: the two must say the same."""
        if other := sorted(name for name in there if self._shard_of.get(name) != path.name):
            raise FcimError(f"{path} holds '{other[0]}', which the index does not place there; download the checkpoint again")

    def read(self, name: str) -> Tensor:
        """The whole weight, float32. Raises FcimError where it holds NaN or infinity."""
        path, stored = self._place(name)
        with self._open(path) as file:
            return finite(stored, file.get_tensor(stored))

    def read_rows(self, name: str, ids: Tensor) -> Tensor:
        """Rows ``ids [...]`` of a matrix ``[N, C]``: float32 ``[..., C]``; only these rows are read."""
        wanted, place = ids.unique(return_inverse=True)
        path, stored = self._place(name)
        with self._open(path) as file:
            matrix = file.get_slice(stored)
            rows = torch.cat([matrix[i:i + 1] for i in wanted.tolist()])
        return finite(stored, rows)[place]


def places(stored: Iterable[str], layers: int) -> list[str]:
    """Those of the stored names that belong to a part which a model of ``layers`` layers has."""
    def inside(name: str) -> bool:
        layer = _LAYER.match(name)
        return int(layer[1]) < layers if layer else name.startswith(("embed_tokens.", "norm.", "lm_head."))

    return [name for name in stored if inside(name.removeprefix("model."))]


def finite(stored: str, tensor: Tensor) -> Tensor:
    """The tensor in float32.

    Raises:
        FcimError: it holds NaN or infinity; ``stored`` is what it is called in the file.
    """
    tensor = tensor.to(torch.float32)
    if not torch.isfinite(tensor).all():
        raise FcimError(f"weight '{stored}' holds NaN or infinity; the checkpoint is damaged, download it again")
    return tensor


def grouped(names: list[str]) -> str:
    """Names with their layer numbers merged, such as ``model.layers.*.self_attn.q_proj.bias``."""
    return few(list(dict.fromkeys(re.sub(r"(?<=\.)\d+(?=\.)", "*", name) for name in names)), 4)
