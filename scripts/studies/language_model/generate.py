"""The same prompt continued greedily with float attention and with the hardware's, side by side."""

from __future__ import annotations

import argparse
import json
import os
from dataclasses import dataclass, field
from typing import Any

import torch
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.text import Text
from torch import Tensor
from transformers import GenerationConfig, LogitsProcessor

import models.hf_attention as ha
from models.errors import FcimError, run_cli
from models.tensors.source import open_checkpoint, tell_first_token
from models.tensors.token_ids import quiet_transformers
from scripts.checks import check_call
from scripts.flow.arguments import Parser
from scripts.flow.files import write_atomic
from scripts.flow.sources import ROOT
from scripts.flow.tables import Column, Table, say
from scripts.studies.language_model.loaded import Loaded, add_device, conditions, load, output_folder

FOLDER = ROOT / "build" / "generate"
PROMPT, NEW = 320, 200


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = Parser("generate", "The same prompt continued greedily with float attention and with the hardware's.", tau=0,
                    schedule="natural", tokens=PROMPT, new=NEW, out=FOLDER)
    add_device(parser)
    return parser.parse_args(argv)


@dataclass
class Margins(LogitsProcessor):
    """Notes at every step how much more probable, as a log ratio in nats, the first choice is than the second."""

    nats: list[float] = field(default_factory=list)

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        top = scores[0].float().topk(2).values
        self.nats.append(float(top[0] - top[1]))
        return scores


@torch.no_grad()
def continuation(loaded: Loaded, implementation: str, new: int, ends: list[int]) -> tuple[Tensor, list[float]]:
    """Greedy ids after the prompt, int64 ``[new]`` or fewer if the text ends, and the margin of each in nats.

    A prefill, then a decode step a token. Every setting is this command's own: of the checkpoint's generation settings
    (penalties, sampling, beams, ...) only ``ends``, the tokens that end a text, are used.
    """
    loaded.model.set_attn_implementation(implementation)
    greedy = GenerationConfig(max_new_tokens=new, do_sample=False, num_beams=1, num_return_sequences=1, use_cache=True,
                              eos_token_id=ends or None, pad_token_id=(ends or [0])[0])
    margins = Margins()
    with quiet_transformers():
        out = loaded.model.generate(input_ids=loaded.ids[None], attention_mask=torch.ones_like(loaded.ids[None]),
                                    generation_config=greedy, logits_processor=[margins])
    return out[0, len(loaded.ids):].cpu(), margins.nats


def parting(a: Tensor, b: Tensor) -> int | None:
    """The first token at which two continuations differ, None if they are the same."""
    common = min(len(a), len(b))
    different = (a[:common] != b[:common]).nonzero()
    if len(different):
        return int(different[0])
    return None if len(a) == len(b) else common


def text_after(loaded: Loaded, ids: Tensor) -> str:
    """The text of ids that follow the prompt, decoded together with it: a character or a space may need the tokens before."""
    prompt = loaded.ids.cpu()
    before, whole = loaded.tokenizer.decode(prompt), loaded.tokenizer.decode(torch.cat([prompt, ids]))
    return whole[len(os.path.commonprefix([before, whole])):]


def printable(text: str) -> str:
    """Control characters written out, since a terminal would obey them."""
    return "".join(c if c.isprintable() or c in "\n\t" else c.encode("unicode_escape").decode() for c in text)


def column(loaded: Loaded, ids: Tensor, part: int | None) -> Text:
    """The continuation, marked from token ``part`` on; where the checkpoint has no tokenizer, its token numbers."""
    cut = len(ids) if part is None else part
    whole = text_after(loaded, ids)
    if not whole:
        whole, same = " ".join(map(str, ids.tolist())), " ".join(map(str, ids[:cut].tolist()))
    else:
        same = os.path.commonprefix([text_after(loaded, ids[:cut]), whole])
    return Text(printable(same)).append(printable(whole[len(same):]), style="bold yellow")


def texts_table(loaded: Loaded, in_float: Tensor, on_hardware: Tensor, part: int | None) -> Table:
    """Both continuations side by side; what comes after token ``part`` stands out on a terminal."""
    table = Table([Column("float32 attention", text=True), Column("the hardware's attention", text=True)],
                  f"{len(loaded.ids)} tokens of prompt, up to {max(len(in_float), len(on_hardware))} more, greedy")
    texts = [column(loaded, ids, part) for ids in (in_float, on_hardware)]
    for text in texts:
        text.expand_tabs(4)
    table.add(*texts)
    return table


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    check_call(args)
    prompt, new = args.tokens, args.new
    folder = output_folder(args.out)
    checkpoint = open_checkpoint(args.checkpoint)
    limit = checkpoint.config.max_position_embeddings
    if prompt + new > limit:
        raise FcimError(f"TOKENS = {prompt} and NEW = {new} are more than the {limit} positions of this model; lower one of them")
    loaded = load(args, prompt, checkpoint)
    ends = checkpoint.end_tokens()
    tell_first_token(loaded.facts)
    with Progress(SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn(), console=Console(stderr=True)) as bar:
        outputs = []
        for what, implementation in (("float attention", "sdpa"), ("the hardware's", ha.NAME)):
            task = bar.add_task(f"{new} tokens with {what}", total=1)
            outputs.append(continuation(loaded, implementation, new, ends))
            bar.advance(task)
    (in_float, margins), (on_hardware, _) = outputs
    part = parting(in_float, on_hardware)
    texts_table(loaded, in_float, on_hardware, part).show()
    result: dict[str, Any] = {"conditions": conditions(loaded), "prompt_tokens": prompt, "float": in_float.tolist(),
                              "hardware": on_hardware.tolist(), "parts_at": part}
    if part is None:
        say(f"the same {len(in_float)} tokens")
    else:
        result["margin_nats"] = margins[part]
        say(f"they part at token {part} (counted from 0); there float attention prefers its choice to the next best by "
            f"{result['margin_nats']:.4f} nats")
    write_atomic(folder / "generate.json", json.dumps(result, indent=1, allow_nan=False) + "\n")
    return 0


if __name__ == "__main__":
    torch.set_num_threads(2)
    run_cli(main)
