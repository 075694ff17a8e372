#!/usr/bin/env python3
"""Save the attention tensors of one layer (Q and K after RoPE, K and V not repeated) with the facts of where they come from.

The file is what TENSORS= takes elsewhere: .safetensors or .npz, by its name.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from models.attention_tensors import AttentionTensors
from models.errors import FcimError, run_cli
from models.source import load_tensors
from models.tensor_file import check_suffix, save_tensor_file


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Numbers stay strings here: a wrong one is reported like every other wrong input, in one line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", default="", help="file to write, .safetensors or .npz")
    parser.add_argument("--checkpoint", default="", help="Hugging Face LLaMA directory (default: the fixture model)")
    parser.add_argument("--tensors", default="", help="take the tensors of this file instead (to cut or convert it)")
    parser.add_argument("--layer", default="", help="layer from 0 (default: the middle one)")
    parser.add_argument("--heads", default="", help="query heads to keep, like 0-3,8 (default: all)")
    parser.add_argument("--text", default="", help="text file (default: held-out sources of the standard library)")
    parser.add_argument("--tokens", default="", help="tokens of the text, begin-of-text included (default: up to 512)")
    return parser.parse_args(argv)


def _check_out(out: str, checkpoint: str) -> Path:
    if not out:
        raise FcimError("OUT is not given; name the file to write, like OUT=build/layer.safetensors")
    path = Path(out)
    check_suffix(path)
    if path.is_dir():
        raise FcimError(f"OUT = '{out}' is a directory; give the name of a file")
    # config.json marks a checkpoint, whose own model.safetensors must never be written over
    if (path.parent / "config.json").exists() or (checkpoint and path.parent.resolve() == Path(checkpoint).resolve()):
        raise FcimError(f"OUT = '{out}' lies in a checkpoint directory; choose another place")
    return path


def _describe(tensors: AttentionTensors) -> str:
    h, tq, d = tensors.q.shape
    hkv, tk, _ = tensors.k.shape
    return f"{h} query heads, {hkv} KV heads, head_dim {d}, {tq} queries, {tk} keys"


def main(argv: list[str] | None = None) -> int:
    """Capture and save; gives the exit code."""
    args = parse_args(argv)
    out = _check_out(args.out, args.checkpoint)
    if args.layer and not args.layer.strip().isdecimal():
        raise FcimError(f"LAYER = '{args.layer}' is not one layer number; a capture file holds one layer")
    (tensors,) = load_tensors(args.checkpoint, args.tensors, args.layer, args.heads, args.text, args.tokens)
    save_tensor_file(out, tensors)
    print(f"wrote {out}: {_describe(tensors)}")
    return 0


if __name__ == "__main__":
    run_cli(main)
