"""TENSORS files: every float type goes in and out, and a damaged file ends in one line and exit code 2."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from models.errors import FcimError
from models.tensors import tensor_file
from models.tensors.attention_tensors import AttentionTensors
from models.tensors.source import load_tensors
from models.tensors.tensor_file import load_tensor_file, save_tensor_file
from scripts import capture

SUFFIXES = [".safetensors", ".npz"]


def qkv(dtype: torch.dtype = torch.float32) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(5)
    return {"q": torch.randn(6, 3, 8, generator=generator).to(dtype), "k": torch.randn(2, 4, 8, generator=generator).to(dtype),
            "v": torch.randn(2, 4, 8, generator=generator).to(dtype)}


def write(path: Path, tensors: dict[str, torch.Tensor], **facts: object) -> Path:
    """A file as a user would write it, with the plain calls of the two libraries."""
    if path.suffix == ".npz":
        np.savez(path, **{k: t.numpy() for k, t in tensors.items()}, **facts)
    else:
        save_file(tensors, path, metadata={k: str(v) for k, v in facts.items()})
    return path


@pytest.mark.parametrize(("suffix", "dtype"), [
    *((s, d) for s in SUFFIXES for d in (torch.float16, torch.float32, torch.float64)), (".safetensors", torch.bfloat16)])
def test_float_types(tmp_path: Path, suffix: str, dtype: torch.dtype) -> None:
    written = qkv(dtype)
    read = load_tensor_file(write(tmp_path / f"a{suffix}", written))
    for name in "qkv":
        assert torch.equal(getattr(read, name), written[name].float())
    assert read.scale == 8**-0.5 and read.source == {"file": f"a{suffix}"}


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_round_trip_keeps_everything(tmp_path: Path, suffix: str) -> None:
    original = AttentionTensors(**qkv(), scale=0.1, source={"model": "m", "tokens": 4}).select_heads([0, 4, 5])
    path = tmp_path / "new" / f"a{suffix}"
    save_tensor_file(path, original)
    read = load_tensor_file(path)
    assert all(torch.equal(getattr(read, n), getattr(original, n)) for n in "qkv")
    assert (read.scale, read.heads, read.kv_of_head) == (0.1, ["H0", "H4", "H5"], [0, 1, 1])
    assert read.source == {"model": "m", "tokens": 4, "file": path.name}
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    first = path.read_bytes()
    for _ in range(4):  # the same tensors give the same bytes
        save_tensor_file(path, original)
        assert path.read_bytes() == first


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_optional_facts_of_a_user(tmp_path: Path, suffix: str) -> None:
    read = load_tensor_file(write(tmp_path / f"a{suffix}", qkv(), scale=0.25, source=json.dumps({"by": "hand"})))
    assert read.scale == 0.25 and read.source["by"] == "hand"


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_interrupted_save_leaves_the_old_file(tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / f"a{suffix}", qkv())
    before = path.read_bytes()

    def fail(*targets: object, **_: object) -> None:
        next(t for t in targets if isinstance(t, Path)).write_bytes(b"half")
        raise OSError("no space left on device")

    monkeypatch.setattr(tensor_file, "save_file", fail)
    monkeypatch.setattr(tensor_file.np, "savez", fail)
    with pytest.raises(FcimError, match="no space left"):
        save_tensor_file(path, AttentionTensors(**qkv(), scale=1.0))
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


@pytest.fixture
def bad_file(tmp_path: Path, refused: Callable[..., str]) -> Callable[..., None]:
    """Run a capture from the file and see it refused, with nothing written."""

    def check(path: Path, *parts: str, extra: tuple[object, ...] = ()) -> None:
        before = set(tmp_path.iterdir())
        refused(capture.main, ["--tensors", path, "--out", tmp_path / "out.npz", *extra], *parts)
        assert set(tmp_path.iterdir()) == before

    return check


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_damaged_files(tmp_path: Path, suffix: str, bad_file: Callable[..., None]) -> None:
    path = tmp_path / f"a{suffix}"
    bad_file(path, f"{path}' does not exist")
    whole = write(path, qkv()).read_bytes()
    for size in (0, 5, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        bad_file(path, "is not a whole")
    path.write_bytes(b"hello, this is no tensor file at all")
    bad_file(path, "is not a whole")


def test_damaged_content_of_an_npz_member(tmp_path: Path, bad_file: Callable[..., None]) -> None:
    path = write(tmp_path / "a.npz", qkv())
    data = bytearray(path.read_bytes())
    data[200] ^= 255
    path.write_bytes(data)
    bad_file(path, "is not a whole npz file")


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("name", ["q", "k", "v"])
def test_wrong_tensors(tmp_path: Path, suffix: str, name: str, bad_file: Callable[..., None]) -> None:
    path = tmp_path / f"a{suffix}"
    tensors = qkv()
    bad_file(write(path, {n: t for n, t in tensors.items() if n != name}), f"no tensor '{name}'")
    bad_file(write(path, {**tensors, name: tensors[name][None]}), f"{name} has shape", "drop the batch dimension")
    bad_file(write(path, {**tensors, name: tensors[name][0, 0, 0].clone()}), f"{name} has shape []")
    bad_file(write(path, {**tensors, name: tensors[name].to(torch.int32)}), f"{name} has type int32")
    holed = tensors[name].clone()
    holed[1, 2, 3] = float("nan")
    bad_file(write(path, {**tensors, name: holed}), f"{name} holds nan at index [1, 2, 3]")


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(("fact", "value", "message"), [
    ("scale", "big", "it must be a number"), ("scale", "-1", "must be above 0"), ("source", "[1]", "must be a JSON object"),
    ("source", "{", "must be a JSON object"), ("heads", "[1, 2]", "JSON list of names"), ("heads", '["a"]', "1 head names"),
    ("kv_of_head", '[0, 0, 0, 1, 1, "1"]', "JSON list of whole numbers"), ("kv_of_head", "[0, 0, 0, 0, 0, 0]", "each of 0 to 1")])
def test_wrong_facts(tmp_path: Path, suffix: str, fact: str, value: str, message: str, bad_file: Callable[..., None]) -> None:
    bad_file(write(tmp_path / f"a{suffix}", qkv(), **{fact: value}), message)


@pytest.mark.parametrize("facts", ["[1]", "{", "3"])
def test_wrong_facts_entry(tmp_path: Path, facts: str, bad_file: Callable[..., None]) -> None:
    bad_file(write(tmp_path / "a.safetensors", qkv(), facts=facts), "facts is", "must be a JSON object")


def test_other_kinds_of_files(tmp_path: Path, bad_file: Callable[..., None]) -> None:
    torch.save(qkv(), tmp_path / "a.pt")
    bad_file(tmp_path / "a.pt", "neither .safetensors nor .npz")
    (tmp_path / "one.npz").write_bytes(b"")
    with (tmp_path / "one.npz").open("wb") as file:
        np.save(file, np.zeros(3))
    bad_file(tmp_path / "one.npz", "one bare array")
    np.savez(tmp_path / "objects.npz", q=np.array([None]), k=np.zeros(3), v=np.zeros(3))  # unpickling would run its code
    bad_file(tmp_path / "objects.npz", "is not a whole npz file")


def test_options_that_do_not_go_with_a_file(tmp_path: Path, bad_file: Callable[..., None]) -> None:
    path = write(tmp_path / "a.npz", qkv())
    bad_file(path, "LAYER goes with CHECKPOINT", extra=("--layer", 1))
    (tmp_path / "x.txt").write_text("a text")
    bad_file(path, "TEXT goes with CHECKPOINT", extra=("--text", tmp_path / "x.txt"))
    bad_file(path, "both given", extra=("--checkpoint", "models/fixture"))
    bad_file(path, "TOKENS = 5 does not fit", extra=("--tokens", 5))
    bad_file(path, "TOKENS = 0 is illegal", extra=("--tokens", 0))
    bad_file(path, "HEADS = 2,6: 6 is not there", extra=("--heads", "2,6"))
    bad_file(path, "HEADS = '3-1' is not understood", extra=("--heads", "3-1"))


def test_cut_and_select_through_the_source(tmp_path: Path) -> None:
    path = write(tmp_path / "a.npz", qkv())
    whole, (part,) = load_tensor_file(path), load_tensors(tensors=path, heads="1,4-5", tokens="3")
    assert torch.equal(part.q, whole.q[[1, 4, 5], :2]) and torch.equal(part.k, whole.k[:, :3])
    (same,) = load_tensors(tensors=path, heads="", tokens="", layers="", text="", checkpoint="")
    assert torch.equal(same.q, whole.q)


def test_out_is_checked(tmp_path: Path, refused: Callable[..., str]) -> None:
    path = write(tmp_path / "a.npz", qkv())
    refused(capture.main, ["--tensors", path], "OUT is not given")
    refused(capture.main, ["--tensors", path, "--out", tmp_path / "a.bin"], "neither .safetensors nor .npz")
    (tmp_path / "d.npz").mkdir()
    refused(capture.main, ["--tensors", path, "--out", tmp_path / "d.npz"], "is a directory")
    refused(capture.main, ["--tensors", path, "--out", path / "b.npz"], "cannot write")
