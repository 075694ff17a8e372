#!/usr/bin/env python3
"""Train the fixture model: a small LLaMA-3 with the 8B model's head geometry, from the standard library's sources.

Seeded and resumable: run it again with the same --out and --work to go on from the last checkpoint. Uses a GPU where
there is one. A stated share of the sequences repeats a random span, so that induction heads form early.
"""

from __future__ import annotations

import argparse
import json
import math
import platform
import sys
import time
from pathlib import Path

import torch
from transformers import LlamaConfig, LlamaForCausalLM

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from models.byte_tokenizer import BOS_ID, EOS_ID, VOCAB_SIZE, save_tokenizer  # noqa: E402
from models.errors import run_cli  # noqa: E402
from models.head_stats import head_statistics, repeated_random  # noqa: E402
from models.text import load_corpus  # noqa: E402
from scripts.arguments import Parser  # noqa: E402
from scripts.muon import Muon  # noqa: E402

IGNORE = -100  # label that the loss leaves out
REPEAT_PERIOD = 64
# (share of all steps at which the stage ends, sequence length); tokens per step stay the same
STAGES = ((0.9, 256), (1.0, 512))


def fixture_config() -> LlamaConfig:
    """LLaMA-3-8B's attention geometry (head_dim 128, 4 query heads a KV head) in a narrow model."""
    return LlamaConfig(
        vocab_size=VOCAB_SIZE, hidden_size=256, intermediate_size=512, num_hidden_layers=4,
        num_attention_heads=8, num_key_value_heads=2, head_dim=128, max_position_embeddings=8192,
        rope_parameters={"rope_type": "default", "rope_theta": 500000.0}, rms_norm_eps=1e-5,
        bos_token_id=BOS_ID, eos_token_id=EOS_ID, tie_word_embeddings=False, initializer_range=0.02,
    )


class Batches:
    """Random training sequences: text (begin-of-text, then a slice of a file) and repeated random spans."""

    def __init__(self, seed: int, tokens_per_step: int, repeat_share: float) -> None:
        self.stream = torch.frombuffer(
            bytearray(b"\x00".join(load_corpus(held_out=False))), dtype=torch.uint8)
        self.generator = torch.Generator().manual_seed(seed)
        self.tokens_per_step = tokens_per_step
        self.repeat_share = repeat_share

    def _random(self, high: int) -> int:
        return int(torch.randint(high, (1,), generator=self.generator))

    def _text(self, length: int) -> tuple[torch.Tensor, torch.Tensor]:
        start = self._random(len(self.stream) - length)
        body = self.stream[start:start + length - 1].long()
        ids = torch.cat([torch.tensor([BOS_ID]), body])
        return ids, ids.clone()

    def _repeated(self, length: int, count_noise: bool) -> tuple[torch.Tensor, torch.Tensor]:
        """A random span, repeated. Its first occurrence cannot be predicted: left out of the loss, or, with ``count_noise``,
        counted, so that a head which looks for repetitions must have somewhere to rest when there is none."""
        period = 8 + self._random(min(length // 2, 256) - 8)
        kind = self._random(3 if count_noise else 2)
        if kind == 2:
            alphabet = torch.randint(32, 127, (8 + self._random(56),), generator=self.generator)
            span = alphabet[torch.randint(0, len(alphabet), (period,), generator=self.generator)]
        elif kind == 1:
            span = torch.randint(0, 256, (period,), generator=self.generator)
        else:
            span = torch.randint(32, 127, (period,), generator=self.generator)
        body = span.repeat(length // period + 1)[: length - 1]
        ids = torch.cat([torch.tensor([BOS_ID]), body])
        labels = ids.clone()
        if not count_noise:
            labels[: 1 + period] = IGNORE
        return ids, labels

    def next(self, length: int, count_noise: bool) -> tuple[torch.Tensor, torch.Tensor]:
        """Ids and labels, ``[tokens_per_step / length, length]``."""
        rows = []
        for _ in range(max(1, self.tokens_per_step // length)):
            repeat = torch.rand(1, generator=self.generator).item() < self.repeat_share
            rows.append(self._repeated(length, count_noise) if repeat else self._text(length))
        ids, labels = zip(*rows)
        return torch.stack(ids), torch.stack(labels)


def stage_length(step: int, steps: int) -> int:
    """Sequence length of a step."""
    return next(length for end, length in STAGES if step < end * steps or end == 1.0)


def lr_scale(step: int, steps: int, warmup: int = 100, decay: float = 0.35) -> float:
    """Trapezoid: linear warm-up, constant, linear decay over the last share ``decay`` of the steps."""
    return min(1.0, (step + 1) / warmup, max(0.0, (steps - step) / (decay * steps)))


def make_optimizers(model: LlamaForCausalLM, lr: float) -> list[torch.optim.Optimizer]:
    """Muon for the hidden matrices, AdamW for embeddings, head and norms."""
    hidden = [p for n, p in model.named_parameters() if p.ndim == 2 and "layers." in n]
    rest = [p for n, p in model.named_parameters() if not (p.ndim == 2 and "layers." in n)]
    return [
        Muon(hidden, lr=lr, weight_decay=0.05),
        torch.optim.AdamW(rest, lr=lr, betas=(0.9, 0.95), weight_decay=0.0),
    ]


@torch.no_grad()
def evaluate(model: LlamaForCausalLM, device: torch.device, length: int = 1024, rows: int = 8) -> dict:
    """Held-out bits per byte at ``length`` and the strongest heads of each kind."""
    model.eval()
    data = torch.frombuffer(bytearray(b"\x00".join(load_corpus(held_out=True))), dtype=torch.uint8).long()
    starts = torch.linspace(0, len(data) - length, rows).long()
    text = torch.stack([torch.cat([torch.tensor([BOS_ID]), data[s:s + length - 1]]) for s in starts]).to(device)
    loss = model(input_ids=text, labels=text, use_cache=False).loss.item() / math.log(2)
    repeated = repeated_random(4, REPEAT_PERIOD, 4, 0, 256, BOS_ID, torch.Generator().manual_seed(1)).to(device)
    implementation = model.config._attn_implementation
    model.set_attn_implementation("eager")
    stats = head_statistics(model, text[:2, :512], repeated, REPEAT_PERIOD)
    model.set_attn_implementation(implementation)
    model.train()
    best = {k: round(max(getattr(s, k) for s in stats), 3) for k in ("sink", "previous", "local", "induction")}
    return {"held_out_bits_per_byte": round(loss, 4), "strongest_head": best,
            "heads": [s.as_dict() for s in stats]}


def save_model(model: LlamaForCausalLM, out: Path, record: dict) -> None:
    """Write the checkpoint (bf16 safetensors, config, tokenizer) and its training record."""
    import copy
    out.mkdir(parents=True, exist_ok=True)
    bf16 = copy.deepcopy(model).to(torch.bfloat16).cpu()
    bf16.config.dtype = torch.bfloat16
    bf16.config._attn_implementation = "sdpa"
    bf16.save_pretrained(out)
    save_tokenizer(out)
    (out / "training.json").write_text(json.dumps(record, indent=1) + "\n")


def parse_args() -> argparse.Namespace:
    parser = Parser(None, "Train the fixture model.")
    parser.add_argument("--out", type=Path, default=Path("models/fixture"), help="checkpoint directory to write")
    parser.add_argument("--work", type=Path, default=Path("build/train"), help="where the resumable state lives")
    parser.add_argument("--steps", type=int, default=6000, help="total steps; may be changed when resuming")
    parser.add_argument("--tokens-per-step", type=int, default=4096)
    parser.add_argument("--repeat-share", type=float, default=0.15, help="share of repeated random sequences")
    parser.add_argument("--noise-from", type=int, default=1500,
                        help="step from which the loss counts the unpredictable part of repeated random sequences")
    parser.add_argument("--lr", type=float, default=4e-3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=0, help="CPU threads, 0 = all")
    parser.add_argument("--eval-every", type=int, default=250)
    parser.add_argument("--compile", action="store_true", help="torch.compile the model (needs a C++ compiler)")
    return parser.parse_args()


def main() -> int:
    args = parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = LlamaForCausalLM._from_config(fixture_config(), attn_implementation="sdpa").to(device)
    optimizers = make_optimizers(model, args.lr)
    batches = Batches(args.seed, args.tokens_per_step, args.repeat_share)
    args.work.mkdir(parents=True, exist_ok=True)
    state_file = args.work / "state.pt"
    step, seconds, history = 0, 0.0, []
    if state_file.exists():
        state = torch.load(state_file, map_location=device, weights_only=True)
        model.load_state_dict(state["model"])
        for optimizer, saved in zip(optimizers, state["optimizers"]):
            optimizer.load_state_dict(saved)
        batches.generator.set_state(state["generator"].cpu())
        step, seconds, history = state["step"], state["seconds"], state["history"]
        print(f"resumed at step {step}", flush=True)
    forward = torch.compile(model, dynamic=False) if args.compile else model
    model.train()
    steps_file = args.work / "steps"  # written by hand to change the length of a running training
    mark, mark_step, running = time.time(), step, 0.0
    while True:
        if steps_file.exists():
            args.steps = int(steps_file.read_text())
        if step >= args.steps:
            break
        ids, labels = (t.to(device) for t in batches.next(stage_length(step, args.steps), step >= args.noise_from))
        loss = forward(input_ids=ids, labels=labels, use_cache=False).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = args.lr * lr_scale(step, args.steps)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        step += 1
        running += loss.item()
        if step % 50 == 0:
            now = time.time()
            seconds += now - mark
            rate = (step - mark_step) * args.tokens_per_step / (now - mark)
            print(f"step {step}/{args.steps} len {ids.shape[1]} loss {running / (step - mark_step) / math.log(2):.4f} "
                  f"bits, {rate:.0f} tokens/s, left {(args.steps - step) * args.tokens_per_step / rate / 60:.0f} min",
                  flush=True)
            mark, mark_step, running = now, step, 0.0
        if step % args.eval_every == 0 or step == args.steps:
            result = evaluate(model, device)
            history.append({"step": step, "tokens": step * args.tokens_per_step,
                            **{k: v for k, v in result.items() if k != "heads"}})
            print(json.dumps(history[-1]), flush=True)
            partial = state_file.with_suffix(".tmp")
            torch.save({"model": model.state_dict(), "optimizers": [o.state_dict() for o in optimizers],
                        "generator": batches.generator.get_state(), "step": step, "seconds": seconds,
                        "history": history}, partial)
            partial.replace(state_file)
            mark, mark_step, running = time.time(), step, 0.0
    result = evaluate(model, device)
    record = {
        "command": f"scripts/train_fixture.py --steps {args.steps} --tokens-per-step {args.tokens_per_step} "
                   f"--repeat-share {args.repeat_share} --noise-from {args.noise_from} --lr {args.lr} --seed {args.seed}",
        "corpus": f"standard library of Python {platform.python_version()}, {len(batches.stream)} bytes",
        "tokens": step * args.tokens_per_step, "hours": round(seconds / 3600, 2), "device": str(device),
        "torch": torch.__version__, "parameters": sum(p.numel() for p in model.parameters()),
        "stages": [{"until_share_of_steps": e, "sequence_length": n} for e, n in STAGES],
        **result, "history": history,
    }
    save_model(model, args.out, record)
    print(f"wrote {args.out}: {result['held_out_bits_per_byte']} bits/byte, {result['strongest_head']}", flush=True)
    return 0


if __name__ == "__main__":
    run_cli(main)
