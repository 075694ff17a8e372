"""Query tiles as beats of streams, and recorded beats as typed transactions: what a run sends, and what its monitors saw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from models.hardware.config import ROW_MAX_BITS, EngineConfig
from models.hardware.golden import run_tile
from models.hardware.interface import CORE, COUNTERS
from models.hardware.pace import Pace
from models.hardware.tile import PartialRows, TileJob, TileResult

Record = Mapping[str, np.ndarray]
"""What a bench writes about a run: arrays ``<stream>_<field>``, ``<stream>_cycle``, ``<stream>_offer``, ``<stream>_ready``."""


def keys_of_blocks(cfg: EngineConfig, keys: int, blocks: Sequence[bool] | torch.Tensor) -> np.ndarray:
    """Which of a tile's ``keys`` lie in the chosen key blocks: bool ``[keys]`` from bool ``[blocks]``."""
    return np.repeat(np.asarray(blocks, dtype=bool), cfg.keys_per_block)[:keys]


def stream_arrays(tiles: Sequence[TileJob], streamed: Sequence[np.ndarray] | None = None) -> dict[str, np.ndarray]:
    """The three input streams of a run, as arrays ``<stream>_<field>``; a tile's scalars stand on each of its rows.

    ``streamed`` says which keys of each tile ``[n]`` send their values, all of them by default; :func:`streamed_values`
    gives it for tiles that skip blocks.
    """
    def last(counts: list[int]) -> np.ndarray:
        flags = np.zeros(sum(counts), dtype=np.int64)
        flags[np.cumsum(counts) - 1] = 1
        return flags

    def cat(name: str) -> np.ndarray:
        return torch.cat([getattr(t, name) for t in tiles]).numpy()

    rows, keys = [t.q.shape[0] for t in tiles], [t.k.shape[0] for t in tiles]
    sent = np.ones(sum(keys), dtype=bool) if streamed is None else np.concatenate(streamed)
    return {
        "q_data": cat("q"), "q_pos": cat("q_pos"), "q_mult": cat("q_mult"), "q_last": last(rows),
        **{f"q_{name}": np.repeat([int(getattr(t, name)) for t in tiles], rows)
           for name in ("shift", "tau", "fused", "skip", "octaves", "partial")},
        "k_data": cat("k"), "k_pos": cat("k_pos"), "k_mult": cat("k_mult"), "k_v_mult": cat("v_mult"), "k_last": last(keys),
        "v_data": cat("v")[sent], "v_last": last(keys)[sent],
    }


def streamed_values(cfg: EngineConfig, tiles: Sequence[TileJob], results: Sequence[TileResult]) -> list[np.ndarray]:
    """Per tile, the keys whose values the engine asks for: bool ``[n]``, those of the blocks that run."""
    return [keys_of_blocks(cfg, t.k.shape[0], r.ran) for t, r in zip(tiles, results, strict=True)]


def chunk_arrays(cfg: EngineConfig, results: Sequence[PartialRows]) -> dict[str, torch.Tensor]:
    """The beats of ``m_part`` for the rows of partial tiles: ``acc`` int64 ``[chunks, columns]``, the rest int64 ``[chunks]``."""
    per_row, none = cfg.cycles_per_key, torch.zeros(0, dtype=torch.int64)
    last = torch.zeros(per_row * sum(len(r.row_sum) for r in results), dtype=torch.int64)
    last[per_row * torch.tensor([len(r.row_sum) for r in results], dtype=torch.int64).cumsum(0) - 1] = 1
    return {"acc": torch.cat([none.reshape(0, cfg.read_columns), *(r.acc.reshape(-1, cfg.read_columns) for r in results)]),
            "sum": torch.cat([none, *(r.row_sum.repeat_interleave(per_row) for r in results)]),
            "max": torch.cat([none, *(r.row_max.repeat_interleave(per_row) for r in results)]), "last": last}


def streams_to_send(cfg: EngineConfig, tiles: Sequence[TileJob]) -> dict[str, np.ndarray]:
    """:func:`stream_arrays` without the values of blocks that will be skipped, which only the golden model can tell."""
    skipping = any(tile.skip for tile in tiles)
    return stream_arrays(tiles, streamed_values(cfg, tiles, [run_tile(cfg, t) for t in tiles]) if skipping else None)


@dataclass(frozen=True)
class Transactions:
    """All that the monitors of one engine saw in a run; cycles count from the acceptance of the first row of Q.

    Attributes:
        beats: of the inputs q, k and v, as arrays ``<stream>_<field>``.
        skip, last: per key block, in order, whether it was decided to be skipped, and the decision's ``last``; bool.
        out: rows of O int64 ``[rows, D]``; empty, out_last: bool ``[rows]``.
        part: chunks of partial tiles as :func:`chunk_arrays` gives them.
        taken, offered: per stream the cycle of each beat's acceptance, and that of its first offer.
        pace: what the streams outside did: of inputs the first offer of each beat, of outputs when ``ready`` changed.
        counters: as they stood at the end. pins: those that were also counted on the pins, if any.
        error_v_count: the flag, at the end.
    """

    beats: dict[str, np.ndarray]
    skip: np.ndarray
    last: np.ndarray
    out: torch.Tensor
    empty: torch.Tensor
    out_last: np.ndarray
    part: dict[str, torch.Tensor]
    taken: dict[str, list[int]]
    offered: dict[str, list[int]]
    pace: Pace
    counters: dict[str, int]
    pins: dict[str, int]
    error_v_count: bool

    @classmethod
    def of(cls, record: Record) -> Transactions:
        """The transactions in one engine's record."""
        start = record["q_cycle"][0]

        def cycles(array: str) -> list[int]:
            return (record[array] - start).tolist()

        inside = "vreq_ready" in record     # of fcim_engine: requests of blocks that run go on to whoever fetches values
        streams = ("q", "k", "v", "o", "part", "decision")
        part = {name: torch.from_numpy(record[f"part_{name}"]).long() for name in CORE["part"].names}
        part["max"] = part["max"] - (part["max"] >> ROW_MAX_BITS - 1 << ROW_MAX_BITS)       # two's complement
        return cls(
            beats={name: values for name, values in record.items() if name[:2] in ("q_", "k_", "v_")},
            skip=record["decision_skip"] != 0, last=record["decision_last"] != 0,
            out=torch.from_numpy(record["o_data"]), empty=torch.from_numpy(record["o_empty"]).bool(), out_last=record["o_last"],
            part=part,
            taken={name: cycles(f"{name}_cycle") for name in streams},
            offered={name: cycles(f"{name}_offer") for name in streams},
            pace=Pace(cycles("q_offer"), cycles("k_offer"), cycles("v_offer"), o=cycles("o_ready"),
                      part=cycles("part_ready"), decision=cycles("vreq_ready" if inside else "decision_ready"),
                      skips_wait=not inside),
            counters=dict(zip(COUNTERS, record["counters"].tolist(), strict=True)),
            pins={name: int(record[f"pins_{name}"]) for name in COUNTERS if f"pins_{name}" in record},
            error_v_count=bool(record["error_v_count"]))

    def tiles(self, cfg: EngineConfig) -> list[TileJob]:
        """The tiles that the engine was given; values of keys in blocks that it skipped are 0.

        Raises:
            ValueError: the decisions fit neither the keys nor the values that were taken.
        """
        beats = self.beats

        def cuts(last: np.ndarray) -> list[slice]:
            ends = (np.flatnonzero(last) + 1).tolist()
            return [slice(a, b) for a, b in zip([0, *ends[:-1]], ends, strict=True)]

        def tensor(name: str, part: slice, dtype: torch.dtype) -> torch.Tensor:
            return torch.from_numpy(beats[name][part]).to(dtype)

        keys = cuts(beats["k_last"])
        streamed = [keys_of_blocks(cfg, k.stop - k.start, ~self.skip[d]) for k, d in zip(keys, cuts(self.last), strict=True)]
        if any(len(s) != k.stop - k.start for k, s in zip(keys, streamed)) \
                or sum(s.sum() for s in streamed) != len(beats["v_last"]):
            raise ValueError("the decisions do not fit the keys and values")
        values = np.zeros(beats["k_data"].shape, dtype=np.int8)
        values[np.concatenate(streamed)] = beats["v_data"]
        return [
            TileJob(q=tensor("q_data", q, torch.int8), q_pos=tensor("q_pos", q, torch.int64),
                    q_mult=tensor("q_mult", q, torch.int64), k=tensor("k_data", k, torch.int8), v=torch.from_numpy(values[k]),
                    k_pos=tensor("k_pos", k, torch.int64), k_mult=tensor("k_mult", k, torch.int64),
                    shift=int(beats["q_shift"][q][-1]), tau=int(beats["q_tau"][q][-1]),
                    fused=bool(beats["q_fused"][q][-1]), skip=bool(beats["q_skip"][q][-1]),
                    octaves=int(beats["q_octaves"][q][-1]), v_mult=tensor("k_v_mult", k, torch.int64),
                    partial=bool(beats["q_partial"][q][-1]))
            for q, k in zip(cuts(beats["q_last"]), keys, strict=True)
        ]
