"""The memories of the RTL and their sizes, which follow from a configuration."""

from __future__ import annotations

from dataclasses import dataclass

from models.hardware.config import MULT_BITS, ROW_MAX_BITS, SHIFT_BITS, V_MULT_BITS, Z_BITS, EngineConfig, load_config
from models.system.config import SystemConfig, load_system
from scripts.figures.pages import Piece
from scripts.figures.text import exact, table

HARDWARE, SYSTEM = "docs/hardware.md", "docs/system.md"
SHOWN = ("default", "tiny")
SYSTEMS = ("default", "edge", "tiny")
BLOCKS_AHEAD = 16       # of fcim_engine, its default
CELLS, SRAM, FILE = "cells of an array", "SRAM", "register file"


def evaluate(formula: str, names: dict[str, int]) -> int:
    """A product or sum of ``names``; ``log2`` is that of a power of two, ``clog2`` rounds up."""
    known = {"__builtins__": {}, "log2": lambda n: n.bit_length() - 1, "clog2": lambda n: (n - 1).bit_length()}
    return eval(formula, known, names)


@dataclass(frozen=True)
class Memory:
    """``number`` memories of ``words`` words of ``bits`` bits each, as products and sums of the names of :func:`sizes`.

    Attributes:
        name: what it holds.
        module: the Verilog module that has it.
        kind: what may take its place in silicon.
    """

    name: str
    module: str
    kind: str
    number: str
    words: str
    bits: str

    def size(self, names: dict[str, int]) -> tuple[int, int, int]:
        """Number, words, bits of a word."""
        return evaluate(self.number, names), evaluate(self.words, names), evaluate(self.bits, names)


MEMORIES = (
    Memory("Q, two tiles", "fcim_ip_row", CELLS, "2 * ROWS", "1", "8 * HEAD_DIM"),
    Memory("probabilities of two key blocks", "fcim_op_row", CELLS, "2 * ROWS", "1", "KEYS_PER_BLOCK * PROB_BITS"),
    Memory("accumulators of two tiles", "fcim_accumulators", SRAM, "2 * READ_SLICES", "CYCLES_PER_KEY * CYCLES_PER_KEY",
           "LANES * COLUMNS * ACC_BITS"),
    Memory("scores of three key blocks", "fcim_online_softmax", SRAM, "1", "3 * KEYS_PER_BLOCK * CYCLES_PER_KEY",
           "LANES * Z_BITS"),
    Memory("values of key blocks", "fcim_v_buffer", FILE, "KEYS_PER_BLOCK", "V_SLOTS", "8 * HEAD_DIM"),
    Memory("multipliers of values", "fcim_online_softmax", FILE, "1", "3 * KEYS_PER_BLOCK", "V_MULT_BITS"),
    Memory("row table of two tiles", "fcim_score_scaler", FILE, "1", "2 * CYCLES_PER_KEY",
           "LANES * (POS_BITS + MULT_BITS + ELEM_SUM_BITS)"),
    Memory("highest scores of three key blocks", "fcim_row_max", FILE, "3", "CYCLES_PER_KEY",
           "LANES * (ROW_MAX_BITS + 1)"),
    Memory("running maxima and amounts of three key blocks", "fcim_row_max", FILE, "1", "3 * CYCLES_PER_KEY",
           "LANES * (ROW_MAX_BITS + SHIFT_BITS)"),
    Memory("running maxima of the rows", "fcim_row_max", FILE, "1", "CYCLES_PER_KEY", "LANES * (ROW_MAX_BITS + 1)"),
    Memory("denominators of two tiles", "fcim_block_exponential", FILE, "2", "CYCLES_PER_KEY", "LANES * SUM_BITS"),
    Memory("last running maxima of two tiles", "fcim_block_exponential", FILE, "1", "2 * CYCLES_PER_KEY", "LANES * ROW_MAX_BITS"),
    Memory("key blocks asked for", "fcim_block_queue", FILE, "1", "BLOCKS_AHEAD", "INDEX_BITS + KEY_BITS + 2"),
)

AROUND = (
    Memory("buffer of K, with its multipliers", "fcim_cluster", SRAM, "1", "BUFFER_KEYS", "K_BITS"),
    Memory("buffer of V", "fcim_cluster", SRAM, "1", "BUFFER_KEYS", "8 * HEAD_DIM"),
    Memory("rows of O that wait", "fcim_o_stage", SRAM, "1", "O_ROWS", "16 * HEAD_DIM + O_SLOT_BITS + 1"),
    Memory("beats that were read", "fcim_axi_reader", SRAM, "1", "READ_BEATS", "DATA_BITS + 2"),
    Memory("keys in front of an engine", "fcim_key_feed", SRAM, "ENGINES", "3 * KEYS_PER_BLOCK", "K_BITS + INDEX_BITS + 1"),
    Memory("beats of rows of O", "fcim_store", SRAM, "1", "STORE_BEATS", "DATA_BITS + log2(DATA_BITS // 64) + 1"),
    Memory("whose rows of O", "fcim_store", SRAM, "1", "4 * (ENGINES + 1)", "POS_BITS + 24"),
    Memory("how far they are", "fcim_store", FILE, "1", "ENGINES + 1", "16"),
    Memory("bursts under way, read and written", "fcim_axi_bursts", SRAM, "2", "OUTSTANDING", "65 - log2(BUS_BYTES)"),
    Memory("lengths of bursts to write", "fcim_axi_writer", SRAM, "1", "OUTSTANDING", "8"),
    Memory("what the beats are for", "fcim_read_router", SRAM, "1", "2 * OUTSTANDING",
           "ENGINE_BITS + POS_BITS + log2(SLOTS) + BASE_BITS + 12"),
    Memory("multipliers of a key block", "fcim_read_router", FILE, "1", "KEYS_PER_BLOCK // K_LANES",
           "K_LANES * (MULT_BITS + V_MULT_BITS)"),
    Memory("multipliers of a query tile", "fcim_read_router", FILE, "1", "-(-ROWS // Q_LANES)", "Q_LANES * MULT_BITS"),
    Memory("shifts of the heads", "fcim_read_router", FILE, "1", "256 // BUS_BYTES", "BUS_BYTES * SHIFT_BITS"),
    Memory("runs of key blocks", "fcim_kv_loader", FILE, "1", "SLOTS", "BLOCK_BITS + 9"),
    Memory("how far they are", "fcim_kv_loader", FILE, "1", "SLOTS", "2 * BLOCK_BITS + 1"),
    Memory("tiles that wait for their Q", "fcim_call_unit", SRAM, "1", "2 * SLOTS", "ENGINE_BITS + 2 * POS_BITS + 32"),
    Memory("jobs of the store that wait", "fcim_call_unit", SRAM, "1", "16", "O_SLOT_BITS + POS_BITS + 24"),
    Memory("merges that wait", "fcim_call_unit", SRAM, "1", "16", "ENGINES"),
    Memory("tiles of an engine, of K and of V", "fcim_request_head", SRAM, "2 * ENGINES", "4", "BLOCK_BITS + 4"),
    Memory("key blocks asked for", "fcim_request_head", SRAM, "ENGINES", "2", "BLOCK_BITS + 2"),
    Memory("key blocks decided", "fcim_request_head", SRAM, "ENGINES", "16", "BLOCK_BITS + 2"),
)
"""Those of the accelerator outside of its engines."""


def sizes(cfg: EngineConfig) -> dict[str, int]:
    """The names of the RTL that the sizes are made of."""
    key_bits = cfg.keys_per_block.bit_length() - 1
    return {**cfg.verilog_parameters(), "CYCLES_PER_KEY": cfg.cycles_per_key, "LANES": cfg.lanes, "COLUMNS": cfg.columns,
            "SUM_CUT": cfg.sum_cut,
            "READ_SLICES": cfg.keys_per_block // cfg.cycles_per_key, "ACC_BITS": cfg.acc_bits, "SUM_BITS": cfg.sum_bits,
            "POS_BITS": cfg.pos_bits, "INDEX_BITS": cfg.index_bits, "KEY_BITS": key_bits,
            "ELEM_SUM_BITS": 8 + cfg.head_dim.bit_length() - 1, "V_SLOTS": 3 if cfg.bits_per_cycle == 8 else 2,
            "BLOCKS_AHEAD": BLOCKS_AHEAD, "Z_BITS": Z_BITS, "MULT_BITS": MULT_BITS, "V_MULT_BITS": V_MULT_BITS,
            "ROW_MAX_BITS": ROW_MAX_BITS, "SHIFT_BITS": SHIFT_BITS}


def memories() -> list[Piece]:
    """A line per memory: its size as a formula, and in bits in two configurations; the last line adds them up."""
    every = [sizes(load_config(name)) for name in SHOWN]

    def bits(memory: Memory, names: dict[str, int]) -> int:
        number, words, width = memory.size(names)
        return number * words * width

    rows = [[memory.name, f"`{memory.module}`", memory.kind, f"`{memory.number}`", f"`{memory.words}`", f"`{memory.bits}`",
             *(exact(bits(memory, names)) for names in every)] for memory in MEMORIES]
    rows.append(["all", "", "", "", "", "", *(exact(sum(bits(memory, names) for memory in MEMORIES)) for names in every)])
    columns = ("holds", "module", "as", "number", "words", "bits of a word", *(f"bits at `{name}`" for name in SHOWN))
    return [Piece(HARDWARE, table(columns, rows, 6), "memories")]


def system_sizes(system: SystemConfig) -> dict[str, int]:
    """The names of the RTL that the sizes around the engines are made of."""
    engine = sizes(system.engine)
    bus, rows = system.beat_bytes, 1 << evaluate("clog2(ROWS)", engine)
    o_beats = 2 * system.engine.head_dim // bus
    key_bits = engine["KEY_BITS"]
    return {**engine, **system.verilog_parameters(), "SLOTS": max(system.engines, 2), "BUS_BYTES": bus,
            "K_BITS": 8 * system.engine.head_dim + MULT_BITS + V_MULT_BITS, "O_SLOT_BITS": system.engines.bit_length(),
            "ENGINE_BITS": max(1, system.engines.bit_length() - 1), "BLOCK_BITS": engine["INDEX_BITS"] - key_bits,
            "BASE_BITS": system.buffer_keys.bit_length() - 1 - key_bits, "K_LANES": min(system.engine.keys_per_block, bus // 4),
            "Q_LANES": min(rows, bus // 2), "STORE_BEATS": 2 * o_beats if o_beats > 8 else 16}


def system_memories() -> list[Piece]:
    """A line per memory around the engines, in every configuration of the accelerator; the last lines add up."""
    every = [system_sizes(load_system(name)) for name in SYSTEMS]

    def cell(size: tuple[int, int, int]) -> str:
        number, words, width = size
        each = f"{exact(words)} x {exact(width)}"
        return each if number == 1 else f"{exact(number)} of {each}"

    def total(memories: tuple[Memory, ...], names: dict[str, int], times: int = 1) -> int:
        return times * sum(number * words * width for number, words, width in (memory.size(names) for memory in memories))

    rows = [[memory.name, f"`{memory.module}`", memory.kind, f"`{memory.words}`", f"`{memory.bits}`",
             *(cell(memory.size(names)) for names in every)] for memory in AROUND]
    rows.append(["bits of these", "", "", "", "", *(exact(total(AROUND, names)) for names in every)])
    rows.append(["bits in the engines", "", "", "", "", *(exact(total(MEMORIES, names, names["ENGINES"])) for names in every)])
    columns = ("holds", "module", "as", "words", "bits of a word", *(f"`{name}`" for name in SYSTEMS))
    return [Piece(SYSTEM, table(columns, rows, 5), "system-memories")]
