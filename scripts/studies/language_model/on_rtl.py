"""A few tokens whose attention the accelerator's RTL computes, layer by layer: what ``make generate RTL=1`` does.

PyTorch computes the rest of the model, quantises Q, K and V as ever, and sends each layer's operands to a simulation of the
accelerator; what comes back has to be the golden result of the same call, and is what the model goes on with.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

import models.hf_attention as ha
from models.errors import FcimError
from models.hardware.config import EngineConfig
from models.hardware.schedules import TileOptions
from models.hardware.tile import QuantisedGroup
from models.hf_attention.forward import computed_by
from models.hf_attention.kernel import dequantised
from models.system.call import Call, golden, layer_call
from models.system.config import SystemConfig, load_system
from models.system.merge import check_parts
from models.tensors.checkpoint import Checkpoint
from models.tensors.source import tell_first_token
from scripts.flow.files import write_atomic
from scripts.flow.processes import of_its_own
from scripts.flow.simulator import RunOptions, require_simulator
from scripts.flow.tables import say
from scripts.studies.language_model.generate import check_positions, continuation, parting, prompt_ids, text_after, texts_table
from scripts.studies.language_model.loaded import Loaded, conditions, load
from scripts.system.figures import CLOCK_MHZ
from tb.accelerator.server import Server, SimulationFailed, served

SYSTEM, TOKENS, NEW = "edge", 48, 4
OPTIONS = RunOptions(sim="verilator")


@dataclass
class Layers:
    """The attention of a model's layers through a simulation: counts of what it did."""

    server: Server
    cycles: list[int] = field(default_factory=list)
    values: int = 0
    wrong: int = 0

    def __call__(self, _: EngineConfig, options: TileOptions, groups: list[QuantisedGroup]) -> Tensor:
        """One layer, float32 ``[N, G, Tq, D]``: what :func:`models.hf_attention.kernel.integer_attention` is asked for.

        Raises:
            SimulationFailed: there is no answer.
        """
        call = layer_call(self.server.system, groups, options)
        self.server.send(call)
        wanted, _ = golden(self.server.system, call)    # meanwhile
        answer = self.server.receive()
        out = torch.from_numpy(answer.out)
        self.cycles.append(answer.cycles)
        self.values += out.numel()
        self.wrong += int((out != wanted).sum())
        return dequantised(out.view(len(groups), call.group, *out.shape[1:]), groups)


def largest_calls(system: SystemConfig, options: TileOptions, heads: tuple[int, int], prompt: int, new: int) -> list[Call]:
    """The prefill of a prompt and the last token's decode, of zeros; ``heads``: KV heads, query heads of each.

    Raises:
        FcimError: the accelerator cannot take them.
    """
    dim = system.engine.head_dim

    def call(tokens: int, keys: int) -> Call:
        group = QuantisedGroup(
            q=torch.zeros(heads[1], tokens, dim, dtype=torch.int8), q_mult=torch.zeros(heads[1], tokens, dtype=torch.int64),
            q_pos=torch.arange(keys - tokens, keys), k=torch.zeros(keys, dim, dtype=torch.int8),
            k_mult=torch.zeros(keys, dtype=torch.int64), v=torch.zeros(keys, dim, dtype=torch.int8),
            v_scale=torch.zeros(dim), shift=0)
        return layer_call(system, [group] * heads[0], options)

    return [call(prompt, prompt), call(1, prompt + new - 1)]


def run(args: argparse.Namespace, checkpoint: Checkpoint, folder: Path) -> int:
    """Everything after the checks of the options; gives the exit code, 1 if the RTL is wrong.

    Raises:
        FcimError: anything the user can get wrong, in one line.
    """
    if args.device not in (None, "cpu"):
        raise FcimError(f"--device {args.device} is no choice with RTL=1: a simulation takes the operands; leave --device out")
    args.device = "cpu"
    require_simulator(OPTIONS.sim)
    system, config = load_system(args.system or SYSTEM), checkpoint.config
    if config.head_dim > system.engine.head_dim:
        raise FcimError(f"the model has head_dim {config.head_dim}, system '{system.name}' takes up to {system.engine.head_dim}; "
                        "choose another SYSTEM")
    check_parts(system.engine, args.tau or 0, system.engines)
    taken, new = prompt_ids(args, checkpoint, TOKENS), args.new or NEW
    check_positions(taken, new, checkpoint)
    loaded = load(args, checkpoint, {"prompt": taken}, system.engine)
    tell_first_token(loaded.facts)
    kv_heads, prompt = config.num_key_value_heads, len(taken.ids)
    largest = largest_calls(system, loaded.settings.options, (kv_heads, config.num_attention_heads // kv_heads), prompt, new)
    ends = checkpoint.end_tokens()
    in_integers, _ = continuation(loaded, ha.NAME, new, ends)
    say(f"system {system.name}: {system.engines} engines {system.engine.name}; {config.num_hidden_layers} layers, {prompt} "
        f"tokens of prompt and {new} more; building and simulating ...")
    clock = time.monotonic()
    try:
        with of_its_own(folder / "runs") as own, served(system, largest, OPTIONS, own) as server:
            layers = Layers(server)
            with computed_by(loaded.model, layers):
                in_rtl, _ = continuation(loaded, ha.NAME, new, ends)
    except SimulationFailed as failed:
        print(f"error: {failed}", file=sys.stderr)
        return 1
    return report(loaded, layers, in_integers, in_rtl, folder, time.monotonic() - clock)


def report(loaded: Loaded, layers: Layers, in_integers: Tensor, in_rtl: Tensor, folder: Path, seconds: float) -> int:
    """Say and write what came of it; gives the exit code."""
    part = parting(in_integers, in_rtl)
    texts_table(loaded, in_integers, in_rtl, part, ("the integer model's attention", "the RTL's attention")).show()
    same = f"the same {len(in_rtl)} tokens" if part is None else (
        f"they part at token {part} (counted from 0); the accelerator's waves and shared keys are another order of the keys, "
        "which moves roundings")
    say(same)
    cycles = sum(layers.cycles)
    say(f"{'FAIL' if layers.wrong else 'PASS'}: {len(layers.cycles)} calls, {layers.wrong} of {layers.values:,} values differ "
        f"from the golden model; {cycles:,} cycles, {cycles / CLOCK_MHZ / 1000:.3f} ms at {CLOCK_MHZ} MHz; {seconds:.0f} s")
    write_atomic(folder / "generate_rtl.json", json.dumps({
        "conditions": conditions(loaded), "system": layers.server.system.name, "prompt_tokens": len(loaded.ids),
        "integers": in_integers.tolist(), "rtl": in_rtl.tolist(), "parts_at": part, "text": text_after(loaded, in_rtl),
        "calls": len(layers.cycles), "cycles": layers.cycles, "values": layers.values, "wrong": layers.wrong,
        "seconds": round(seconds, 1)}, indent=1, allow_nan=False) + "\n")
    return 1 if layers.wrong else 0
