"""The buffer around ``fcim_unfused``: memories that answer one cycle later, and what was seen of completions and of O."""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import RisingEdge

from models.baseline.unfused_program import UnfusedConfig
from tb.common.clock import cycle
from tb.common.pack import pack
from tb.common.scoreboard import Scoreboard
from tb.common.stream import HIGH, LOW
from tb.unfused.cases import Case

S_BYTES, O_BYTES = 2, 4
ENABLES = ("cell_rd", "q_rd", "s_we", "s_rd", "p_we", "p_rd", "o_rd", "o_we", "m_o_valid")


def packed(rows: np.ndarray) -> list[int]:
    """A word per row of signed bytes [N, D]."""
    return [int.from_bytes(row.tobytes(), "little") for row in np.ascontiguousarray(rows.astype(np.int8))]


def transposed(values: np.ndarray, head_dim: int) -> np.ndarray:
    """Rows of V^T from int8 [T, D]: of each group of ``head_dim`` keys a row per element."""
    groups = -(-len(values) // head_dim)
    padded = np.zeros((groups * head_dim, head_dim), dtype=np.int8)
    padded[:len(values)] = values
    return padded.reshape(groups, head_dim, head_dim).transpose(0, 2, 1).reshape(-1, head_dim)


class Buffer:
    """All memories of one program. What was never written is random, and so is a port's data where nothing was read."""

    def __init__(self, dut: Any, cfg: UnfusedConfig, case: Case, draw: np.random.Generator) -> None:
        self.dut, self.cfg = dut, cfg
        x = case.operands
        rows, keys = len(x["q"]), len(x["k"])
        self.keys = -(-keys // max(cfg.qk_span, cfg.pv_span)) * max(cfg.qk_span, cfg.pv_span) + cfg.lanes
        self.k, self.v, self.q = packed(x["k"]), packed(transposed(x["v"], cfg.head_dim)), packed(x["q"])
        self.k_mult, self.q_mult, self.positions = x["k_mult"].tolist(), x["q_mult"].tolist(), x["positions"].tolist()
        # behind the last key anything may come
        scales = np.concatenate([x["v_mult"], draw.integers(0, 16, self.keys + self.keys % 2 - keys)])
        self.v_mult = (scales[::2] | scales[1::2] << 4).astype(np.uint8).tobytes()
        self.s = [bytearray(draw.bytes(S_BYTES * self.keys)) for _ in range(rows)]
        self.p = [bytearray(draw.bytes(self.keys)) for _ in range(rows)]
        self.o = [bytearray(draw.bytes(O_BYTES * cfg.head_dim)) for _ in range(rows)]
        self.done: list[list[int]] = [[], [], []]
        self.board = Scoreboard("m_o", ("data", "empty", "cycle"))
        self.rows_out = 0
        self.junk = {name: int.from_bytes(draw.bytes(len(getattr(dut, name)) // 8), "little")
                     for name in ("cell_data", "q_data", "s_rd_data", "p_rd_data", "o_rd_data")}
        self.task = cocotb.start_soon(self._serve())

    async def _serve(self) -> None:
        dut, cfg, edge = self.dut, self.cfg, RisingEdge(self.dut.clk)
        o_chunk, s_word = O_BYTES * cfg.columns, S_BYTES * cfg.s_lanes

        def number(name: str) -> int:
            bits = str(getattr(dut, name).value)
            assert set(bits) <= {"0", "1"}, f"{name} has an X in cycle {cycle()}, while it is used"
            return int(bits, 2)

        enables = {name: getattr(dut, name) for name in ENABLES}
        answered: set[str] = set()
        while True:
            await edge
            if dut.rst_n.value != HIGH:
                continue
            done = number("done")
            for queue in range(3):
                if done >> queue & 1:
                    self.done[queue].append(cycle())
            answers: dict[str, int] = {}
            for name, pin in enables.items():
                if pin.value == LOW:
                    continue
                assert pin.value == HIGH, f"{name} is {pin.value} in cycle {cycle()}"
                if name == "cell_rd":
                    address = number("cell_address")
                    values = number("cell_values")
                    answers["cell_data"] = (self.v if values else self.k)[address]
                    dut.cell_mult.value = address & 0xFFFF if values else self.k_mult[address]
                elif name == "q_rd":
                    row = number("q_row")
                    answers["q_data"] = self.q[row]
                    dut.q_pos.value, dut.q_mult.value = self.positions[row], self.q_mult[row]
                elif name == "s_rd":
                    key = number("s_rd_key")
                    answers["s_rd_data"] = self._read(self.s[number("s_rd_row")], S_BYTES * key, S_BYTES * cfg.lanes)
                    dut.s_rd_v_mult.value = self._read(self.v_mult, key // 2, cfg.lanes // 2)
                elif name == "p_rd":
                    answers["p_rd_data"] = self._read(self.p[number("p_rd_row")], number("p_rd_key"), cfg.p_word)
                elif name == "o_rd":
                    answers["o_rd_data"] = self._read(self.o[number("o_rd_row")], number("o_rd_chunk") * o_chunk,
                                                      o_chunk)
                elif name == "s_we":
                    self._write(self.s[number("s_wr_row")], S_BYTES * number("s_wr_key"), number("s_wr_data"), s_word)
                elif name == "p_we":
                    self._write(self.p[number("p_wr_row")], number("p_wr_key"), number("p_wr_data"), cfg.lanes)
                elif name == "o_we":
                    self._write(self.o[number("o_wr_row")], number("o_wr_chunk") * o_chunk, number("o_wr_data"), o_chunk)
                else:
                    self.rows_out += 1
                    self.board.got({"data": number("m_o_data"), "empty": number("m_o_empty"), "cycle": cycle()})
            for name in answered - set(answers):
                getattr(dut, name).value = self.junk[name]
            for name, word in answers.items():
                getattr(dut, name).value = word
            answered = set(answers)

    @staticmethod
    def _read(row: bytes | bytearray, start: int, count: int) -> int:
        assert start + count <= len(row), f"a read of {count} bytes at {start} of a row of {len(row)}"
        return int.from_bytes(row[start:start + count], "little")

    @staticmethod
    def _write(row: bytearray, start: int, word: int, count: int) -> None:
        assert start + count <= len(row), f"a write of {count} bytes at {start} of a row of {len(row)}"
        row[start:start + count] = word.to_bytes(count, "little")

    def expect(self, case: Case, cycles: list[int]) -> None:
        """Rows of O with the cycles in which they must come."""
        self.board.expect({"data": pack(row, 16), "empty": int(empty), "cycle": at}
                          for row, empty, at in zip(case.out, case.empty, cycles, strict=True))

    def differences(self, case: Case) -> list[str]:
        """What the memories hold that they should not."""
        keys, problems = len(case.operands["k"]), []
        for name, rows, kind, count in (("s", self.s, "<i2", keys), ("p", self.p, "u1", keys),
                                        ("o", self.o, "<i4", self.cfg.head_dim)):
            got = np.stack([np.frombuffer(row, dtype=kind)[:count] for row in rows]).astype(np.int64)
            there = case.memories[f"{name}_there"]
            wrong = int((there & (got != case.memories[name])).sum())
            if wrong:
                problems.append(f"{name.upper()}: {wrong} of {int(there.sum())} values in the buffer differ")
        return problems
