#!/usr/bin/env python3
"""Save the attention tensors of one layer (Q and K after RoPE, K and V not repeated) with the facts of where they come from.

The file is what TENSORS= takes elsewhere: .safetensors or .npz, by its name.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from models.errors import FcimError, run_cli
from models.tensors.attention_tensors import AttentionTensors
from models.tensors.source import load_tensors, tell_first_token
from models.tensors.tensor_file import check_suffix, save_tensor_file
from scripts.checks import check_call
from scripts.flow.arguments import Parser


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = Parser("capture", "Save the attention tensors of one layer with the facts of where they come from.", out="")
    parser.add_argument("--tensors", default="", help="take the tensors of this file instead (to cut or convert it)")
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
    check_call(args)
    (tensors,) = load_tensors(args.checkpoint, args.tensors, args.layer, args.heads, args.text, args.tokens)
    save_tensor_file(out, tensors)
    tell_first_token(tensors.source)
    print(f"wrote {out}: {_describe(tensors)}")
    return 0


if __name__ == "__main__":
    run_cli(main)
