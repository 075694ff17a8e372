"""The same prompt continued greedily with float attention and with the hardware's, side by side."""

from __future__ import annotations

import argparse
import json
from typing import Any

import torch
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text
from torch import Tensor

import models.hf_attention as ha
from models.errors import FcimError, run_cli
from models.source import open_checkpoint
from models.token_ids import quiet_transformers
from scripts.arguments import Parser
from scripts.call import check_call
from scripts.in_model.loaded import Loaded, add_device, load, output_folder
from scripts.in_model.perplexity import conditions
from scripts.report.files import write_atomic
from scripts.rtl_list import ROOT

FOLDER = ROOT / "build" / "generate"
PROMPT, NEW = 320, 200


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = Parser("generate", "The same prompt continued greedily with float attention and with the hardware's.", tau=0,
                    schedule="natural", tokens=PROMPT, new=NEW, out=FOLDER)
    add_device(parser)
    return parser.parse_args(argv)


@torch.no_grad()
def continuation(loaded: Loaded, implementation: str, new: int) -> Tensor:
    """Greedy ids after the prompt, int64 ``[new]`` or fewer if the text ends; a prefill, then a decode step a token."""
    loaded.model.set_attn_implementation(implementation)
    with quiet_transformers():
        out = loaded.model.generate(input_ids=loaded.ids[None], attention_mask=torch.ones_like(loaded.ids[None]),
                                    max_new_tokens=new, do_sample=False, pad_token_id=0)
    return out[0, len(loaded.ids):].cpu()


def parting(a: Tensor, b: Tensor) -> int | None:
    """The first token at which two continuations differ, None if they are the same."""
    common = min(len(a), len(b))
    different = (a[:common] != b[:common]).nonzero()
    if len(different):
        return int(different[0])
    return None if len(a) == len(b) else common


@torch.no_grad()
def margin_at(loaded: Loaded, ids: Tensor) -> float:
    """How much more probable, as a log ratio in nats, float attention holds its first choice than its second after ``ids``."""
    loaded.model.set_attn_implementation("sdpa")
    top = loaded.model(input_ids=ids[None].to(loaded.ids.device), use_cache=False).logits[0, -1].float().topk(2).values
    return float(top[0] - top[1])


def _column(loaded: Loaded, ids: Tensor, part: int | None) -> Text:
    text = Text(loaded.tokenizer.decode(ids if part is None else ids[:part]))
    if part is not None:
        text.append(loaded.tokenizer.decode(ids[part:]), style="bold yellow")
    return text


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    check_call(args)
    prompt, new = args.tokens, args.new
    folder = output_folder(args.out)
    limit = open_checkpoint(args.checkpoint).config.max_position_embeddings
    if prompt + new > limit:
        raise FcimError(f"TOKENS = {prompt} and NEW = {new} are more than the {limit} positions of this model; lower one of them")
    loaded = load(args, prompt)
    with Progress(SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn(), console=Console(stderr=True)) as bar:
        outputs = []
        for what, implementation in (("float attention", "sdpa"), ("the hardware's", ha.NAME)):
            task = bar.add_task(f"{new} tokens with {what}", total=1)
            outputs.append(continuation(loaded, implementation, new))
            bar.advance(task)
    in_float, on_hardware = outputs
    part = parting(in_float, on_hardware)
    console = Console(width=None if Console().is_terminal else 136)
    table = Table(title=f"{len(loaded.ids)} tokens of prompt, up to {new} more, greedy", show_lines=True)
    table.add_column("float32 attention", ratio=1)
    table.add_column("the hardware's attention", ratio=1)
    table.add_row(_column(loaded, in_float, part), _column(loaded, on_hardware, part))
    console.print(table)
    result: dict[str, Any] = {"conditions": conditions(loaded), "prompt_tokens": prompt, "float": in_float.tolist(),
                              "hardware": on_hardware.tolist(), "parts_at": part}
    if part is None:
        console.print(f"the same {len(in_float)} tokens")
    else:
        result["margin_nats"] = margin_at(loaded, torch.cat([loaded.ids.cpu(), in_float[:part]]))
        console.print(f"they part at token {part} (counted from 0); there float attention prefers its choice to the next best by "
                      f"{result['margin_nats']:.4f} nats")
    write_atomic(folder / "generate.json", json.dumps(result, indent=1, allow_nan=False) + "\n")
    return 0


if __name__ == "__main__":
    torch.set_num_threads(2)
    run_cli(main)
