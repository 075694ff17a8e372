"""Figures that follow from the configurations and the schedule model: the same on every machine."""

from __future__ import annotations

import dataclasses
import json
import math

from models.hardware.config import Z_BITS, Z_FRAC, EngineConfig, config_names, load_config
from models.hardware.schedules import DEFAULT_OPTIONS
from models.hardware.timeline import predict_cycles
from models.tensors.source import FIXTURE
from scripts.figures.machine import fill
from scripts.figures.pages import Piece
from scripts.figures.text import exact, table
from scripts.flow.regress.entries import read_entries
from scripts.flow.regress.selection import select_jobs
from scripts.sim.__main__ import DEFAULT_TOKENS
from scripts.studies.schedules.sources import SINK_MASS
from scripts.studies.speed import BLOCKS, GROUPS, head, share_of_ideal
from tb.workloads import LIST

README, ENGINE, CYCLES, REQUESTS = "README.md", "docs/engine.md", "docs/cycles.md", "docs/requests.md"
SCOPE, SCHEDULES = "docs/scope.md", "docs/schedules.md"
EFFICIENCY_TOKENS = 1024
BLOCKS_AHEAD = 16       # of fcim_engine, as the page about it takes it
ORDER = ("default", "head64", "tiny")


def efficiency() -> list[Piece]:
    """Share of the ideal cycles."""
    base = load_config("default")

    def row(size: int, fused: bool) -> list[float]:
        cfg = dataclasses.replace(base, keys_per_block=size)
        return [100 * share_of_ideal(cfg, group, EFFICIENCY_TOKENS, fused) for group in GROUPS]

    rows = [[f"**{size}** (default)" if size == base.keys_per_block else str(size),
             *(exact(x, ".2f") + " %" for x in row(size, DEFAULT_OPTIONS.fused))] for size in BLOCKS]
    plain = [exact(x, ".2f") for x in row(base.keys_per_block, False)]
    usual = row(base.keys_per_block, DEFAULT_OPTIONS.fused)
    return [
        Piece(CYCLES, table(["keys per block", *(f"group {group}" for group in GROUPS)], rows), "efficiency"),
        Piece(CYCLES, fill("(T = {tokens:}, default configuration otherwise, every tile fused as by default; {most} and {last} % "
                           "with {size:} keys and none fused.)",
                           tokens=EFFICIENCY_TOKENS, most=", ".join(plain[:-1]), last=plain[-1], size=base.keys_per_block)),
        Piece(README, fill("a prefill of {tokens:} tokens reaches {low:} to {high:} %", tokens=EFFICIENCY_TOKENS,
                           low=int(min(usual)), high=int(max(usual))))]


def latency() -> list[Piece]:
    """How long answers may take, in the two configurations that the page shows."""
    base = load_config("default")
    keys, whole, fused, mixed, values = [], [], [], [], []
    for cfg in (base, dataclasses.replace(base, bits_per_cycle=8)):
        cpk, block = cfg.cycles_per_key, cfg.block_cycles
        keys.append(f"`CPK` = {exact(cpk)}, `B` = {exact(cfg.keys_per_block)}")
        most = (BLOCKS_AHEAD - 1) * block - 2 * cpk - 8
        whole.append(exact(most, ""))
        fused.append(exact(most - block, ""))
        mixed.append(exact((BLOCKS_AHEAD // 2 - 4) * block, ""))
        n = cfg.keys_per_block
        values.append(exact(n * (cpk - 1) + 2) + (f" for n = {exact(n)}, {exact(cpk + 1)} for n = 1" if cpk > 1 else ""))
    lines = [("answers", "wait that loses no cycle", *keys),
             ("keys, whole blocks", "`(BLOCKS_AHEAD - 1) * BLOCK_CYCLES - 2 * CPK - 8`", *whole),
             ("keys, whole blocks, chain of fused tiles", "`BLOCK_CYCLES` less", *fused),
             ("keys, any mix of ragged, fused and skipping tiles", "`(BLOCKS_AHEAD / 2 - 4) * BLOCK_CYCLES` or more", *mixed),
             ("values of a block of n keys", "`n * (CPK - 1) + 2`", *values)]
    return [Piece(REQUESTS, table(lines[0], lines[1:], 4), "latency"),
            Piece(REQUESTS, f"(`BLOCKS_AHEAD` = {exact(BLOCKS_AHEAD)}.)")]


def configurations() -> list[Piece]:
    """The shipped configurations, and the parameters' defaults."""
    names = [*ORDER, *(name for name in config_names() if name not in ORDER)]
    shown = ("rows", "head_dim", "bits_per_cycle", "keys_per_block")
    uses = {"default": "LLaMA-3 8B, 70B, 405B, 3.2-3B", "head64": "LLaMA-3.2-1B", "tiny": "quick tests"}
    rows = [[f"`{name}`", *(exact(getattr(load_config(name), key), "") for key in shown), uses.get(name, "")] for name in names]
    columns = ("configuration", "rows", "head_dim", "bits per cycle", "keys per block", "for")
    default = EngineConfig()
    legal = {"rows": "8 to 128, multiple of 8", "head_dim": "16, 32, 64, 128", "bits_per_cycle": "1, 2, 4, 8",
             "keys_per_block": "8, 16, 32, 64; at most `HEAD_DIM`", "prob_bits": "8 to 18",
             "max_keys": "power of two, 64 to 131072", "sum_cut": "0 to `log2(MAX_KEYS / KEYS_PER_BLOCK) - 1`"}
    return [Piece(README, table(columns, rows, len(columns)), "configurations"),
            *(Piece(ENGINE, f"| `{key.upper()}` | `{key}` | {text} | {exact(getattr(default, key), '')} |")
              for key, text in legal.items())]


def fixture_record() -> list[Piece]:
    """What the training left beside the fixture model."""
    record = json.loads((FIXTURE / "training.json").read_text())
    model = json.loads((FIXTURE / "config.json").read_text())
    layers, heads = model["num_hidden_layers"], model["num_attention_heads"]
    return [
        Piece(README, fill("LLaMA-3-8B's head geometry (head_dim {head_dim:}, {group:} query heads per KV head) in a "
                           "{layers:}-layer", head_dim=model["head_dim"],
                           group=heads // model["num_key_value_heads"], layers=layers)),
        Piece(SCHEDULES, fill("all {heads:} heads of the fixture model", heads=layers * heads)),
        Piece(README, fill("{parameters:.1f} million parameters, {tokens:.1f} million tokens on a {device:~form}, {bits:.4f} "
                           "bits per byte on held-out files.", parameters=record["parameters"] / 1e6,
                           tokens=record["tokens"] / 1e6, device="CPU" if record["device"] == "cpu" else "GPU",
                           bits=record["held_out_bits_per_byte"]))]


def limits() -> list[Piece]:
    """Numbers of the arithmetic that pages name."""
    octaves = 1 << (Z_BITS - 1 - Z_FRAC)
    return [Piece(README, fill("without `TOKENS` {tokens:} tokens", tokens=DEFAULT_TOKENS)),
            Piece(README, fill("at one key per {cycles:} cycles", cycles=load_config("default").cycles_per_key)),
            Piece(SCOPE, fill("A scaled score is clamped to {octaves:} in units of log2 (a logit of {logit:.0f})",
                              octaves=octaves, logit=octaves * math.log(2))),
            Piece(SCHEDULES, fill("so that it draws {mass:} of each head's probability on average", mass=SINK_MASS))]


def jobs() -> list[Piece]:
    """How many jobs a regression has."""
    count = len(select_jobs(read_entries(LIST), 1))
    return [Piece(README, fill("`make regress` runs {jobs:} jobs, prints its seed", jobs=count))]


def bench_cycles(tokens: int) -> int:
    """Cycles of the head that ``make bench-sim`` simulates, which depend on its length alone."""
    cfg = load_config("default")
    return predict_cycles(cfg, [(t.q.shape[0], t.k.shape[0]) for t in head(cfg, tokens, 1)])["cycles"]
