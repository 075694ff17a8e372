#!/usr/bin/env python3
"""Train the fixture model: a small LLaMA-3 with the 8B model's head geometry, from the standard library's sources.

Seeded and resumable: run it again with the same --out and --work to go on from the last checkpoint. Uses a GPU where
there is one. A stated share of the sequences repeats a random span, so that induction heads form early.

A machine with another Python trains on the same bytes with --corpus, a folder that --write-corpus made where the right one is.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import json
import math
import platform
import sys
import time
from pathlib import Path

import torch
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from models.errors import run_cli  # noqa: E402
from models.tensors.byte_tokenizer import BOS_ID, EOS_ID, VOCAB_SIZE, save_tokenizer  # noqa: E402
from models.tensors.head_stats import head_statistics, repeated_random  # noqa: E402
from models.tensors.text import load_corpus  # noqa: E402
from scripts.flow.arguments import Parser  # noqa: E402

IGNORE = -100  # label that the loss leaves out
REPEAT_PERIOD = 64
SINK_LIMITS = (0.2, 0.3)  # heads whose mean mass on the first token is above these are counted
_COEFFICIENTS = (3.4445, -4.7750, 2.0315)     # of the Newton-Schulz iteration

Stages = tuple[tuple[float, int], ...]
"""(share of all steps at which the stage ends, sequence length); tokens per step stay the same."""


def fixture_config() -> LlamaConfig:
    """LLaMA-3-8B's attention geometry (head_dim 128, 4 query heads a KV head) in a narrow model."""
    return LlamaConfig(
        vocab_size=VOCAB_SIZE, hidden_size=256, intermediate_size=512, num_hidden_layers=4,
        num_attention_heads=8, num_key_value_heads=2, head_dim=128, max_position_embeddings=8192,
        rope_parameters={"rope_type": "default", "rope_theta": 500000.0}, rms_norm_eps=1e-5,
        bos_token_id=BOS_ID, eos_token_id=EOS_ID, tie_word_embeddings=False, initializer_range=0.02,
    )


class Corpus:
    """The bytes to train on and the held-out ones, each one stream: the running Python's, or what ``folder`` keeps of another."""

    def __init__(self, folder: Path | None = None) -> None:
        if folder is None:
            self.python = platform.python_version()
            parts = [b"\x00".join(load_corpus(held_out)) for held_out in (False, True)]
        else:
            self.python = (folder / "python").read_text().strip()
            parts = [(folder / name).read_bytes() for name in ("training", "held_out")]
        self.training, self.held_out = (torch.frombuffer(bytearray(part), dtype=torch.uint8) for part in parts)

    def write(self, folder: Path) -> None:
        """Keep it in ``folder``."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "python").write_text(self.python + "\n")
        for name in ("training", "held_out"):
            (folder / name).write_bytes(getattr(self, name).numpy().tobytes())


class Batches:
    """Random training sequences: text (begin-of-text, then a slice of a file) and repeated random spans."""

    def __init__(self, stream: torch.Tensor, seed: int, tokens_per_step: int, repeat_share: float) -> None:
        self.stream = stream
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


def parse_stages(text: str) -> Stages:
    """``0.9:256,1:512`` as :data:`Stages`."""
    stages = tuple((float(end), int(length)) for end, length in (part.split(":") for part in text.split(",")))
    ends = [end for end, _ in stages]
    if ends != sorted(set(ends)) or ends[-1] != 1.0:
        raise argparse.ArgumentTypeError(f"the shares in '{text}' must rise to 1")
    return stages


def stage_length(step: int, steps: int, stages: Stages) -> int:
    """Sequence length of a step."""
    return next(length for end, length in stages if step < end * steps or end == 1.0)


def lr_scale(step: int, steps: int, warmup: int, decay: float) -> float:
    """Trapezoid: linear warm-up, constant, linear decay over the last share ``decay`` of the steps."""
    return min(1.0, (step + 1) / warmup, max(0.0, (steps - step) / (decay * steps)))


def steps_in_time(args: argparse.Namespace, most: int, step: int, rate: float, seconds_left: float) -> int:
    """How many steps the whole run should have to end in time at ``rate`` steps a second, at most ``most``.

    Nothing changes once decay or a second sequence length began, and none of them begins in the past: up to here, the
    run is the same as one that had this number of steps from the start.
    """
    settled = min(1.0 - args.decay, args.stages[0][0])
    if step >= settled * args.steps:
        return args.steps
    return min(most, max(step + int(rate * max(0.0, seconds_left)), math.ceil(step / settled)))


def orthogonalise(update: Tensor, steps: int = 5) -> Tensor:
    """The nearest (semi-)orthogonal matrix to ``update [R, C]``, approximately."""
    a, b, c = _COEFFICIENTS
    x = update / (update.norm() + 1e-7)
    tall = x.shape[0] > x.shape[1]
    if tall:
        x = x.T
    for _ in range(steps):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.T if tall else x


class Muon(torch.optim.Optimizer):
    """Muon in float32, for machines whose bfloat16 matrix products are emulated: Nesterov momentum, orthogonalised, for matrices.

    ``torch.optim.Muon`` orthogonalises in bfloat16, which on a CPU without native bfloat16 takes ten times as long as the
    training step itself. Same method: momentum, then a quintic Newton-Schulz iteration (K. Jordan, "Muon: an optimizer for
    hidden layers", 2024), scaled to AdamW's update size.
    """

    def __init__(self, params, lr: float, momentum: float = 0.95, weight_decay: float = 0.0):
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self) -> None:
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                if not state:
                    state["momentum"] = torch.zeros_like(p)
                buffer = state["momentum"].lerp_(p.grad, 1 - group["momentum"])
                update = orthogonalise(p.grad.lerp(buffer, group["momentum"]))
                scale = 0.2 * max(p.shape) ** 0.5  # the root mean square of an AdamW update
                p.mul_(1 - group["lr"] * group["weight_decay"])
                p.add_(update, alpha=-group["lr"] * scale)


def make_optimizers(model: LlamaForCausalLM, name: str, lr: float, weight_decay: float) -> list[torch.optim.Optimizer]:
    """``muon``: Muon for the hidden matrices, AdamW without decay for embeddings, head and norms. ``adamw``: AdamW for all."""
    fused = next(model.parameters()).is_cuda
    if name == "adamw":
        return [torch.optim.AdamW(model.parameters(), lr=lr, betas=(0.9, 0.95), weight_decay=weight_decay, fused=fused)]
    hidden = [p for n, p in model.named_parameters() if p.ndim == 2 and "layers." in n]
    rest = [p for n, p in model.named_parameters() if not (p.ndim == 2 and "layers." in n)]
    return [Muon(hidden, lr=lr, weight_decay=weight_decay),
            torch.optim.AdamW(rest, lr=lr, betas=(0.9, 0.95), weight_decay=0.0, fused=fused)]


@torch.no_grad()
def evaluate(model: LlamaForCausalLM, held_out: torch.Tensor, device: torch.device, length: int = 1024, rows: int = 8) -> dict:
    """Held-out bits per byte at ``length``, the strongest heads of each kind, and how many are sinks."""
    model.eval()
    data = held_out.long()
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
            "heads_with_sink_above": {str(limit): sum(s.sink > limit for s in stats) for limit in SINK_LIMITS},
            "heads": [s.as_dict() for s in stats]}


def save_model(model: LlamaForCausalLM, out: Path, record: dict) -> None:
    """Write the checkpoint (bf16 safetensors, config, tokenizer) and its training record."""
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
    parser.add_argument("--corpus", type=Path, help="folder from --write-corpus (default: this Python's standard library)")
    parser.add_argument("--write-corpus", type=Path, metavar="FOLDER", help="only write the corpus into FOLDER")
    parser.add_argument("--steps", type=int, default=11000, help="total steps; may be changed when resuming")
    parser.add_argument("--minutes", type=float, default=0.0,
                        help="fewer steps if more would take longer than this; the record names the number there were")
    parser.add_argument("--tokens-per-step", type=int, default=8192)
    parser.add_argument("--stages", type=parse_stages, default="1:1024", metavar="SHARE:LENGTH,...",
                        help="share of the steps at which each stage ends, and its sequence length")
    parser.add_argument("--repeat-share", type=float, default=0.25, help="share of repeated random sequences")
    parser.add_argument("--noise-from", type=int, default=1000,
                        help="step from which the loss counts the unpredictable part of repeated random sequences")
    parser.add_argument("--optimizer", choices=("muon", "adamw"), default="muon")
    parser.add_argument("--lr", type=float, default=8e-3)
    parser.add_argument("--weight-decay", type=float, default=0.1, help="of Muon's matrices, or of all that AdamW trains")
    parser.add_argument("--warmup", type=int, default=100, help="steps")
    parser.add_argument("--decay", type=float, default=0.35, help="last share of the steps, in which the learning rate falls")
    parser.add_argument("--bf16", action="store_true", help="bfloat16 autocast in the training steps; for GPUs")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=0, help="CPU threads, 0 = all")
    parser.add_argument("--eval-every", type=int, default=500)
    parser.add_argument("--write-every-eval", action="store_true", help="write the checkpoint at every evaluation, too")
    parser.add_argument("--compile", action="store_true", help="torch.compile the model (needs a C++ compiler)")
    return parser.parse_args()


def command_of(args: argparse.Namespace) -> str:
    """The command that trains the same model from the start."""
    stages = ",".join(f"{end:g}:{length}" for end, length in args.stages)
    return (f"scripts/train_fixture.py --steps {args.steps} --tokens-per-step {args.tokens_per_step} --stages {stages} "
            f"--repeat-share {args.repeat_share} --noise-from {args.noise_from} --optimizer {args.optimizer} --lr {args.lr} "
            f"--weight-decay {args.weight_decay} --warmup {args.warmup} --decay {args.decay} --seed {args.seed}"
            + " --bf16" * args.bf16 + " --compile" * args.compile)


class Training:
    """A model in training, with what it takes to go on later."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.corpus = Corpus(args.corpus)
        torch.manual_seed(args.seed)
        self.model = LlamaForCausalLM._from_config(fixture_config(), attn_implementation="sdpa").to(self.device)
        self.optimizers = make_optimizers(self.model, args.optimizer, args.lr, args.weight_decay)
        self.batches = Batches(self.corpus.training, args.seed, args.tokens_per_step, args.repeat_share)
        self.forward = torch.compile(self.model, dynamic=False) if args.compile else self.model
        self.step, self.seconds, self.history = 0, 0.0, []
        self.state_file = args.work / "state.pt"
        if self.state_file.exists():
            self._resume()

    def _resume(self) -> None:
        state = torch.load(self.state_file, map_location=self.device, weights_only=True)
        self.model.load_state_dict(state["model"])
        for optimizer, saved in zip(self.optimizers, state["optimizers"]):
            optimizer.load_state_dict(saved)
        self.batches.generator.set_state(state["generator"].cpu())
        self.step, self.seconds, self.history = state["step"], state["seconds"], state["history"]
        print(f"resumed at step {self.step}", flush=True)

    def run_step(self) -> torch.Tensor:
        """One step; its loss, on the device."""
        args, lr = self.args, self.args.lr * lr_scale(self.step, self.args.steps, self.args.warmup, self.args.decay)
        length = stage_length(self.step, args.steps, args.stages)
        ids, labels = (t.to(self.device) for t in self.batches.next(length, self.step >= args.noise_from))
        with torch.autocast(self.device.type, torch.bfloat16) if args.bf16 else contextlib.nullcontext():
            loss = self.forward(input_ids=ids, labels=labels, use_cache=False).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = lr
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        self.step += 1
        return loss.detach()

    def save_state(self) -> None:
        """Evaluate, and keep what it takes to go on from here."""
        result = evaluate(self.model, self.corpus.held_out, self.device)
        self.history.append({"step": self.step, "tokens": self.step * self.args.tokens_per_step,
                             **{k: v for k, v in result.items() if k != "heads"}})
        print(json.dumps(self.history[-1]), flush=True)
        partial = self.state_file.with_suffix(".tmp")
        torch.save({"model": self.model.state_dict(), "optimizers": [o.state_dict() for o in self.optimizers],
                    "generator": self.batches.generator.get_state(), "step": self.step, "seconds": self.seconds,
                    "history": self.history}, partial)
        partial.replace(self.state_file)
        if self.args.write_every_eval:
            self.write(result)

    def write(self, result: dict) -> None:
        """The checkpoint as it is now, with its record; ``result`` is its evaluation."""
        args = self.args
        record = {
            "command": command_of(args), "step": self.step,
            "corpus": f"standard library of Python {self.corpus.python}, {len(self.corpus.training)} bytes",
            "tokens": self.step * args.tokens_per_step, "hours": round(self.seconds / 3600, 3),
            "device": torch.cuda.get_device_name() if self.device.type == "cuda" else "cpu",
            "torch": torch.__version__, "parameters": sum(p.numel() for p in self.model.parameters()),
            "stages": [{"until_share_of_steps": e, "sequence_length": n} for e, n in args.stages],
            **result, "history": self.history,
        }
        save_model(self.model, args.out, record)
        print(f"wrote {args.out}: {result['held_out_bits_per_byte']} bits/byte, {result['strongest_head']}", flush=True)


def main() -> int:
    """Train to the end."""
    begin = time.time()
    args = parse_args()
    if args.write_corpus:
        Corpus(args.corpus).write(args.write_corpus)
        return 0
    if args.threads:
        torch.set_num_threads(args.threads)
    args.work.mkdir(parents=True, exist_ok=True)
    run, most = Training(args), args.steps
    run.model.train()
    steps_file = args.work / "steps"  # written by hand to change the length of a running training
    mark, mark_step, running = time.time(), run.step, torch.zeros((), device=run.device)
    pace = 0.0  # seconds a step, lately; the first ones compile
    while run.step < args.steps:
        running += run.run_step()
        evaluates = run.step % args.eval_every == 0 or run.step == args.steps
        if run.step % 50 == 0 or evaluates:
            mean = running.item() / (run.step - mark_step) / math.log(2)  # waits for the device
            now = time.time()
            run.seconds += now - mark
            rate = (run.step - mark_step) * args.tokens_per_step / (now - mark)
            print(f"step {run.step}/{args.steps} loss {mean:.4f} bits, {rate:.0f} tokens/s, "
                  f"left {(args.steps - run.step) * args.tokens_per_step / rate / 60:.1f} min", flush=True)
            if args.minutes and run.step > 100:
                pace += ((now - mark) / (run.step - mark_step) - pace) * (0.2 if pace else 1.0)
                args.steps = steps_in_time(args, most, run.step, 1.0 / pace, begin + 60 * args.minutes - now)
            mark, mark_step, running = now, run.step, torch.zeros((), device=run.device)
        if evaluates:
            run.save_state()
            mark = time.time()
        if steps_file.exists():
            args.steps = int(steps_file.read_text())
    run.write(evaluate(run.model, run.corpus.held_out, run.device))
    return 0


if __name__ == "__main__":
    run_cli(main)
