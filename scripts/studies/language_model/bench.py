"""How long the hardware's arithmetic takes in PyTorch, beside PyTorch's own attention in the same run, by length."""

from __future__ import annotations

import json
import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from models.errors import FcimError, run_cli
from models.hardware.config import load_config
from models.hardware.schedules import DEFAULT_OPTIONS
from models.hf_attention.kernel import integer_attention
from models.hf_attention.quantiser import quantise_sequence
from models.hf_attention.settings import Quantisation
from models.hf_attention.statistics import layer_statistics
from models.hf_attention.tiles import torch_attention
from models.place import BUILD
from models.values import parse_wholes
from scripts.flow.arguments import Parser
from scripts.flow.files import write_atomic
from scripts.flow.tables import Column, Table
from scripts.studies.language_model.loaded import device_of, peak_memory

LENGTHS = (512, 1024, 2048, 4096, 8192)
RESULT = BUILD / "bench-attention" / "bench-attention.json"
GROUP = 4           # query heads on the one KV head that is run
THREADS = 2         # of PyTorch


@dataclass
class Timing:
    """Seconds of one causal prefill, and the most memory that its process held beyond the tensors it began with, MiB."""

    tokens: int
    hardware: float
    torch: float
    memory: float


def measure(config: str, tokens: int, seed: int, device: str | None) -> Timing:
    """One length, in a process of its own so that its memory can be told."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_measure, config, tokens, seed, device, THREADS).result()


def _measure(config: str, tokens: int, seed: int, device_name: str | None, threads: int) -> Timing:
    torch.set_num_threads(threads)
    cfg, device = load_config(config), device_of(device_name)
    generator = torch.Generator().manual_seed(seed)
    q, k, v = (torch.randn(heads, tokens, cfg.head_dim, generator=generator).to(device) for heads in (GROUP, 1, 1))
    scale = cfg.head_dim ** -0.5

    def hardware() -> torch.Tensor:
        known = layer_statistics([(q.double(), k.double(), v.double())], Quantisation())
        groups = quantise_sequence(q.double(), k.double(), v.double(), scale, Quantisation(), known)
        return integer_attention(cfg, DEFAULT_OPTIONS, groups)

    def seconds(run: object, repeats: int) -> float:
        best = float("inf")
        for _ in range(repeats):
            began = time.perf_counter()
            run()
            if device.type == "cuda":
                torch.cuda.synchronize()
            best = min(best, time.perf_counter() - began)
        return best

    torch_attention(q[:, :64], k[:, :64], v[:, :64], scale)     # what is loaded at first use is not its memory
    before = peak_memory(device)
    on_hardware = seconds(hardware, 2 if tokens <= 2048 else 1)
    memory = peak_memory(device) - before
    return Timing(tokens, on_hardware, seconds(lambda: torch_attention(q, k, v, scale), 3), memory)


def timing_table(timings: list[Timing], title: str) -> Table:
    """A line per length."""
    table = Table([Column("tokens"), Column("hardware's arithmetic s"), Column("SDPA s"), Column("ratio"),
                   Column("us per (token, head)"), Column("memory MiB")], title)
    for x in timings:
        table.add(f"{x.tokens:,}", f"{x.hardware:.3f}", f"{x.torch:.4f}", f"{x.hardware / x.torch:.0f}",
                  f"{1e6 * x.hardware / x.tokens / GROUP:.0f}", f"{x.memory:.0f}")
    return table


def main(argv: list[str] | None = None) -> int:
    parser = Parser("bench-attention", "How long the hardware's arithmetic takes in PyTorch, beside PyTorch's own attention.",
                    config="default", seed=1)
    parser.add_argument("--device", help="where PyTorch computes (default: cuda where there is one, else cpu)")
    parser.add_argument("--out", type=Path, default=RESULT, help="file of the record (default: build/bench-attention/...)")
    args = parser.parse_args(argv)
    cfg = load_config(args.config)
    if cfg.rows < GROUP:
        raise FcimError(f"configuration '{cfg.name}' has fewer than {GROUP} rows; use another CONFIG")
    lengths = parse_wholes(args.tokens, "TOKENS", 1) if args.tokens else LENGTHS
    if beyond := [n for n in lengths if n > cfg.max_keys]:
        raise FcimError(f"TOKENS = {beyond[0]} exceeds max_keys = {cfg.max_keys} of configuration '{cfg.name}'")
    device = device_of(args.device)
    timings = [measure(args.config, tokens, args.seed, args.device) for tokens in lengths]
    timing_table(timings, f"causal prefill, {GROUP} query heads on one KV head, head_dim {cfg.head_dim}, {device}").show()
    facts = {"config": args.config, "device": str(device), "seed": args.seed, "timings": [asdict(x) for x in timings]}
    write_atomic(args.out, json.dumps(facts, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    run_cli(main)
