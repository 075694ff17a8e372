"""Weights of a GGUF file, dequantised one tensor at a time to what a Hugging Face directory of the same model would hold."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from math import prod

import numpy as np
import torch
from torch import Tensor

from models.errors import FcimError, note
from models.tensors.gguf_file import GgufFile, StoredTensor
from models.tensors.weight_files import EMBEDDING, HEAD, NORM, finite, grouped

try:
    import gguf
except ImportError as error:    # an installation from before GGUF files could be read
    raise FcimError(f"reading a GGUF file needs the gguf package ({error}); install what requirements.txt lists") from None

ROPE_FACTORS = "rope_freqs.weight"
_OUTER = {"token_embd.weight": EMBEDDING, "output_norm.weight": NORM, "output.weight": HEAD}
_INNER = {"attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj",
          "attn_output": "self_attn.o_proj", "attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm",
          "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj"}
_IN_LAYER = re.compile(r"blk\.(\d+)\.(.*)\.(weight|bias)")
_PLAIN_TYPES = ("F64", "F32", "F16", "BF16")


def usual_name(stored: str) -> str | None:
    """The name of a bare LLaMA model's weight for a name of the file; None where it has none."""
    match = _IN_LAYER.fullmatch(stored)
    if match and match[2] in _INNER:
        return f"layers.{int(match[1])}.{_INNER[match[2]]}.{match[3]}"
    return _OUTER.get(stored)


def type_name(kind: int) -> str:
    """What ggml calls a type, such as ``Q4_K``; of one that is not known, its number."""
    try:
        return gguf.GGMLQuantizationType(kind).name
    except ValueError:
        return f"type {kind}"


def _block(kind: int) -> tuple[int, int]:
    """Weights and bytes of a type's block."""
    return gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType(kind)]


def _dequantised(raw: np.ndarray, kind: int) -> np.ndarray:
    """float32 ``[N, C]`` of the rows' bytes ``[N, B]``, in memory of its own."""
    if type_name(kind) == "F64":
        return raw.view(np.float64).astype(np.float32)
    return np.array(gguf.dequantize(raw, gguf.GGMLQuantizationType(kind)), dtype=np.float32)


def _is_known(kind: int) -> bool:
    """Whether weights of this type can be dequantised."""
    try:
        _dequantised(np.zeros((1, _block(kind)[1]), np.uint8), kind)
    except (ValueError, KeyError, NotImplementedError):
        return False
    return True


def raw_rows(file: GgufFile, tensor: StoredTensor) -> np.ndarray:
    """The bytes of a tensor as they lie in the file, uint8 ``[rows, bytes a row]``; nothing is read yet.

    Raises:
        FcimError: its type cannot be dequantised, its rows are no whole blocks, or the file ends before it does.
    """
    path = file.parts[tensor.part]
    if not _is_known(tensor.kind):
        raise FcimError(f"weight '{tensor.name}' of {path} is stored as {type_name(tensor.kind)}, which the gguf package cannot"
                        " dequantise; take another quantisation of the model, or F16")
    length, (weights, size) = tensor.shape[-1] if tensor.shape else 0, _block(tensor.kind)
    if not length or length % weights:
        raise FcimError(f"weight '{tensor.name}' of {path} has shape {list(tensor.shape)}, no whole blocks of"
                        f" {type_name(tensor.kind)}; the file is damaged, download it again")
    rows, row = prod(tensor.shape[:-1]), length // weights * size
    if tensor.start + rows * row > len(file.maps[tensor.part]):
        raise FcimError(f"{path} is cut short: '{tensor.name}' lies beyond its end; download it again")
    return np.frombuffer(file.maps[tensor.part], np.uint8, rows * row, tensor.start).reshape(rows, row)


def read_tensor(file: GgufFile, tensor: StoredTensor) -> Tensor:
    """The whole tensor as it is stored, float32 in its own shape."""
    values = torch.from_numpy(_dequantised(raw_rows(file, tensor), tensor.kind))
    return finite(tensor.name, values).reshape(tensor.shape)


class GgufWeights:
    """The weights of a GGUF file by the names of a bare LLaMA model; nothing is read before it is asked for.

    The converter of llama.cpp stores the rows of Q and K in another order, each head's halves interleaved: that is undone, so
    that Q and K are those of the directory from which the file was made.

    Args:
        file: the file.
        heads, kv_heads: heads of Q and of K.

    Raises:
        FcimError: the file is cut short.
    """

    def __init__(self, file: GgufFile, heads: int, kv_heads: int):
        self.file = file
        self._heads = {"self_attn.q_proj": heads, "self_attn.k_proj": kv_heads}
        self._stored = {usual_name(name) or name: tensor for name, tensor in file.tensors.items()}
        for tensor in file.tensors.values():
            if _is_known(tensor.kind):
                raw_rows(file, tensor)
        self._notes: list[str] = []     # told once all is well: an error is one line alone

    def holds(self, name: str) -> bool:
        """Whether the weight is stored."""
        return name in self._stored

    def _place(self, name: str) -> StoredTensor:
        if name not in self._stored:
            raise FcimError(f"the weight for {name} is missing from {self.file.path};"
                            " the file is not complete, download it again")
        return self._stored[name]

    def check_names(self, expected: Iterable[str], layers: int) -> None:
        """Compare what is stored with all that a model of ``layers`` layers has, so that nothing is left out in silence.

        Raises:
            FcimError: a stored weight would change what the model computes but a plain LLaMA has no place for it.
        """
        known = {*expected, HEAD, ROPE_FACTORS}
        strange = [n for n in self._stored if n not in known and not n.endswith(".attn_rot_embd.weight")]
        beyond = [n for n in strange if (match := re.match(r"(?:blk|layers)\.(\d+)\.", n)) and int(match[1]) >= layers]
        if used := [n for n in strange if n not in beyond]:
            raise FcimError(f"{self.file.path} stores {grouped(used)}, for which a plain LLaMA has no place;"
                            " take a file of a model without them")
        if beyond:
            self._notes.append(f"the {layers} layers of its metadata have no place for {grouped(beyond)}; left aside")

    def check(self, shapes: dict[str, tuple[int, ...]]) -> str:
        """Check that every weight is there with its shape and a type that can be dequantised, from the header alone.

        Returns:
            The types of all tensors in the file, and how many there are of each.

        Raises:
            FcimError: names the first weight that is missing, cut off, of another shape or of an unknown type.
        """
        for name, shape in shapes.items():
            tensor = self._place(name)
            if tensor.shape != shape:
                raise FcimError(f"weight '{tensor.name}' of {self.file.path} has shape {list(tensor.shape)} but the metadata asks"
                                f" for {list(shape)}; the file is damaged, download it again")
            raw_rows(self.file, tensor)
        while self._notes:
            note(f"{self.file.path}: {self._notes.pop(0)}")
        kinds = Counter(type_name(tensor.kind) for tensor in self.file.tensors.values())
        stored = ", ".join(f"{kind} ({count} tensors)" for kind, count in kinds.most_common())
        return f"{stored} of GGUF{'' if set(kinds) <= set(_PLAIN_TYPES) else '; quantised weights, dequantised'}"

    def _in_usual_order(self, name: str, values: Tensor) -> Tensor:
        heads = next((count for part, count in self._heads.items() if part in name), None)
        if heads is None:
            return values
        return values.reshape(heads, -1, 2, *values.shape[1:]).transpose(1, 2).reshape(values.shape)

    def read(self, name: str) -> Tensor:
        """The whole weight, float32. Raises FcimError where it holds NaN or infinity."""
        return self._in_usual_order(name, read_tensor(self.file, self._place(name)))

    def read_rows(self, name: str, ids: Tensor) -> Tensor:
        """Rows ``ids [...]`` of a matrix ``[N, C]``, not Q's nor K's: float32 ``[..., C]``; only these rows are read."""
        wanted, place = ids.unique(return_inverse=True)
        tensor = self._place(name)
        rows = _dequantised(raw_rows(self.file, tensor)[wanted.numpy()], tensor.kind)
        return finite(tensor.name, torch.from_numpy(rows))[place]
