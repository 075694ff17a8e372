"""The same prompt continued greedily with float attention and with the hardware's, side by side."""

from __future__ import annotations

import argparse
import json
import os
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.text import Text
from torch import Tensor
from transformers import GenerationConfig, LogitsProcessor

import models.hf_attention as ha
from models.errors import FcimError, run_cli
from models.hf_attention.forward import counted
from models.place import BUILD
from models.tensors.checkpoint import Checkpoint
from models.tensors.source import open_checkpoint, tell_first_token
from models.tensors.token_ids import TokenIds, quiet_transformers, token_ids
from scripts.checks import check_call
from scripts.flow.arguments import Parser
from scripts.flow.files import write_atomic
from scripts.flow.tables import Column, Table, say
from scripts.studies.language_model.loaded import Loaded, add_device, conditions, load, output_folder, skipping, text_ids

FOLDER = BUILD / "generate"
TOKENS, NEW = 320, 200
QUESTION = "Why is the sky blue? Explain it to a child."


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = Parser("generate", "The same prompt continued greedily with float attention and with the hardware's.",
                    octaves=0, out=FOLDER)
    add_device(parser)
    return parser.parse_args(argv)


def prompt_ids(args: argparse.Namespace, checkpoint: Checkpoint, tokens: int = TOKENS) -> TokenIds:
    """What is to be continued: PROMPT, as a chat where the tokenizer has a template for one; else ``tokens`` tokens of a text,
    unless TOKENS says how many. A model that was taught to chat is asked a question where neither is given.

    Raises:
        FcimError: both are given, or what is given cannot be used.
    """
    tokenizer, question = checkpoint.tokenizer, args.prompt
    if question and (args.text or args.tokens):
        other = "TEXT" if args.text else "TOKENS"
        raise FcimError(f"PROMPT and {other} are both given, but a PROMPT is taken whole and alone; give one of them")
    if not question and not args.text and not args.tokens and tokenizer.chat:
        question = QUESTION
    if not question:
        return text_ids(args, checkpoint, args.tokens or tokens)
    if not tokenizer.chat:
        return token_ids(tokenizer, question, len(tokenizer.encode(question)), checkpoint.config.vocab_size, 1 << 40)
    ids = tokenizer.ids_of(tokenizer.chat(question))    # whatever begins a chat stands in the template
    if not ids or max(ids) >= checkpoint.config.vocab_size:
        raise FcimError(f"the chat template gives {f'token {max(ids)}' if ids else 'no token'}, which the model does not know;"
                        " the tokenizer files belong to another model")
    return TokenIds(torch.tensor(ids), {"tokens": len(ids), "tokenizer": tokenizer.name, "text": "a chat", "question": question})


def check_positions(taken: TokenIds, new: int, checkpoint: Checkpoint) -> None:
    """Raise :class:`FcimError` if the model has too few positions for the prompt and ``new`` tokens."""
    prompt, limit = len(taken.ids), checkpoint.config.max_position_embeddings
    if prompt + new > limit:
        raise FcimError(f"{prompt} tokens of prompt and NEW = {new} are more than the {limit} positions of this model; lower "
                        "TOKENS or NEW, or shorten PROMPT")


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


def choice(loaded: Loaded, ids: Tensor, part: int) -> str:
    """What was generated as token ``part``."""
    if part >= len(ids):
        return "the end"
    return f"'{printable(loaded.tokenizer.decode(ids[part:part + 1]) or loaded.tokenizer.show(int(ids[part])))}'"


def texts_table(loaded: Loaded, first: Tensor, second: Tensor, part: int | None,
                names: tuple[str, str] = ("float32 attention", "the hardware's attention")) -> Table:
    """Both continuations side by side; what comes after token ``part`` stands out on a terminal."""
    table = Table([Column(name, text=True) for name in names],
                  f"{len(loaded.ids)} tokens of prompt, up to {max(len(first), len(second))} more, greedy")
    texts = [column(loaded, ids, part) for ids in (first, second)]
    for text in texts:
        text.expand_tabs(4)
    table.add(*texts)
    return table


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    check_call(args)
    folder = output_folder(args.out)
    checkpoint = open_checkpoint(args.checkpoint)
    if args.rtl:
        from scripts.studies.language_model import on_rtl  # late: only this needs a simulator

        return on_rtl.run(args, checkpoint, folder)
    taken, new = prompt_ids(args, checkpoint), args.new or NEW
    check_positions(taken, new, checkpoint)
    prompt = len(taken.ids)
    loaded = load(args, checkpoint, {"prompt": taken})
    ends = checkpoint.end_tokens()
    tell_first_token(loaded.facts)
    if question := loaded.facts.get("question"):
        say(f"asked, as a chat: {printable(question)}")
    with Progress(SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn(), console=Console(stderr=True)) as bar:
        outputs = []
        for what, implementation in (("float attention", "sdpa"), ("the hardware's", ha.NAME)):
            task = bar.add_task(f"{new} tokens with {what}", total=1)
            with counted(loaded.model) as skipped:
                outputs.append(continuation(loaded, implementation, new, ends))
            bar.advance(task)
    (in_float, margins), (on_hardware, _) = outputs
    part = parting(in_float, on_hardware)
    texts_table(loaded, in_float, on_hardware, part).show()
    result: dict[str, Any] = {"conditions": conditions(loaded), "prompt_tokens": prompt, "float": in_float.tolist(),
                              "hardware": on_hardware.tolist(), "parts_at": part, "float_text": text_after(loaded, in_float),
                              "hardware_text": text_after(loaded, on_hardware), "skipped": asdict(skipped)}
    if part is None:
        say(f"the same {len(in_float)} tokens")
    else:
        result["margin_nats"] = margins[part]
        say(f"they part at token {part} (counted from 0), {choice(loaded, in_float, part)} against "
            f"{choice(loaded, on_hardware, part)}; there float attention prefers its choice to the next best by "
            f"{result['margin_nats']:.4f} nats")
    if loaded.settings.options.skip:
        say(skipping(loaded.settings.options, skipped))
    write_atomic(folder / "generate.json", json.dumps(result, indent=1, allow_nan=False) + "\n")
    return 0


if __name__ == "__main__":
    torch.set_num_threads(2)
    run_cli(main)
