"""What ``fcim_planner`` says to whom in a call, from the plan of models/system; no simulator here."""

from __future__ import annotations

from dataclasses import dataclass

from models.hardware.config import EngineConfig
from models.hardware.tiling import tokens_per_tile
from models.system.plan import Decode, Prefill

RESIDENT, STREAMED, DECODE = 0, 1, 2
Beats = list[dict[str, int]]


@dataclass(frozen=True)
class Call:
    """The fields of a call that the planner sees; ``split`` is a number of engines."""

    mode: int
    own_start: bool
    group: int
    tokens: int
    first: int
    heads: int
    split: int = 1

    def pins(self, cfg: EngineConfig) -> dict[str, int]:
        """Values of the pins ``call_*``."""
        step = tokens_per_tile(cfg, self.group)
        return {"decode": int(self.mode == DECODE), "streamed": int(self.mode == STREAMED), "own_start": int(self.own_start),
                "group": self.group, "split": self.split.bit_length() - 1, "tile_tokens": step,
                "tiles": -(-self.tokens // step), "tokens": self.tokens, "first": self.first, "heads": self.heads}


def packed(values: list[int], bits: int) -> int:
    """Numbers of ``bits`` bits side by side, the first in the low bits."""
    return sum(value << (bits * i) for i, value in enumerate(values))


def prefill_beats(cfg: EngineConfig, engines: int, call: Call) -> dict[str, Beats]:
    """All beats of a prefill but for the waves' bases, which only the loader knows."""
    plan = Prefill(cfg, engines, call.heads, call.group, call.tokens, call.first)
    step, block_bits = tokens_per_tile(cfg, call.group), cfg.index_bits - (cfg.keys_per_block - 1).bit_length()
    said: dict[str, Beats] = {"run": [], "tile": [], "job": [], "wave": [], "merge": []}
    if call.mode == RESIDENT:
        blocks = plan.blocks(plan.tiles - 1)
        said["run"] = [{"slot": head % 2, "head": head, "first": 0, "blocks": blocks, "descending": 0}
                       for head in range(call.heads)]
    for number, wave in enumerate(plan.waves()):
        for engine, tile in sorted(wave.tiles.items()):
            token = tile * step
            where = {"q_head": wave.head * call.group, "token": token, "tokens": min(step, call.tokens - token)}
            said["tile"].append({"engine": engine, "head": wave.head, "tile": tile, **where})
            said["job"].append({"slot": engine, **where})
        blocks = [plan.blocks(wave.tiles[e]) if e in wave.tiles else 0 for e in range(engines)]
        if call.mode == STREAMED:
            said["run"].append({"slot": number % 2, "head": wave.head, "first": 0, "blocks": max(blocks),
                                "descending": int(not wave.ascending)})
        said["wave"].append({"ascending": int(wave.ascending), "own_start": int(call.own_start), "stream": number % 2,
                             "tag": wave.head % 2 if call.mode == RESIDENT else 0, "mode": call.mode,
                             "blocks": packed(blocks, block_bits + 1), "first": 0})
    return said


def decode_beats(cfg: EngineConfig, engines: int, call: Call) -> dict[str, Beats]:
    """All beats of a decode."""
    plan = Decode(cfg, engines, call.heads, call.group, call.tokens, call.first, call.split)
    block_bits = cfg.index_bits - (cfg.keys_per_block - 1).bit_length()
    said: dict[str, Beats] = {"run": [], "tile": [], "job": [], "wave": [], "merge": []}
    for number, wave in enumerate(plan.waves()):
        for engine, part in sorted(wave.items()):
            said["run"].append({"slot": engine, "head": part.head, "first": part.blocks.start, "blocks": len(part.blocks),
                                "descending": 0})
            said["tile"].append({"engine": engine, "head": part.head, "q_head": part.head * call.group, "tile": 0, "token": 0,
                                 "tokens": call.tokens})
        lengths = [len(wave[e].blocks) if e in wave else 0 for e in range(engines)]
        firsts = [wave[e].blocks.start if e in wave else 0 for e in range(engines)]
        said["wave"].append({"ascending": 1, "own_start": 0, "stream": number % 2, "tag": 0, "mode": DECODE,
                             "blocks": packed(lengths, block_bits + 1), "first": packed(firsts, block_bits)})
        for head in sorted({part.head for part in wave.values()}):
            said["job"].append({"slot": engines, "q_head": head * call.group, "token": 0, "tokens": call.tokens})
            said["merge"].append({"parts": sum(1 << e for e, part in wave.items() if part.head == head)})
    return said


def beats(cfg: EngineConfig, engines: int, call: Call) -> dict[str, Beats]:
    """All beats of a call, by stream."""
    return (decode_beats if call.mode == DECODE else prefill_beats)(cfg, engines, call)


