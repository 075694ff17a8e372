"""The registers of a large and of the smallest accelerator, and broken on purpose."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.flow.simulator import RunOptions, run_bench
from tb.common.mutation import check_fault

TOP, FILE, BENCH = "fcim_registers", "rtl/system/fcim_registers.v", "tb.registers.bench_registers"
NAMES = ("ENGINES", "ROWS", "HEAD_DIM", "BITS_PER_CYCLE", "KEYS_PER_BLOCK", "PROB_BITS", "MAX_KEYS", "BUFFER_KEYS", "DATA_BITS")
LARGE = dict(zip(NAMES, (16, 64, 128, 1, 16, 18, 131072, 4096, 512), strict=True))
SMALL = dict(zip(NAMES, (1, 8, 32, 4, 24, 9, 2048, 256, 128), strict=True))


@pytest.mark.parametrize("values", [LARGE, SMALL], ids=["large", "small"])
def test_registers(values: dict[str, int], seed: int) -> None:
    run_bench(TOP, BENCH, values, RunOptions(seed=seed))


# ---- faults
WRITES, NONE, SHOWN, ACTS, IRQ = "writes/pattern=none", "nothing_there", "inputs_are_shown", "control_acts", "interrupts"
COUNTS, ENGINES, WHEN, RESET = "counting", "engines", "when", "reset_in_the_middle"
READS, LOST = "reads as", "reads as|irq is"
FAULTS = {
    "strobe-not-looked-at": ("{8{w_strb_q[2]}}", "{8{1'b1}}", WRITES, f"{READS}|is 0x"),
    "control-without-strobe": ("aw_word_q == R_CONTROL && w_strb_q[0]", "aw_word_q == R_CONTROL", ACTS,
                               f"{READS}|after a write|is 0x"),
    "base-below-128": ("{base_q[31:ALIGN_BITS], {ALIGN_BITS{1'b0}}}", "w_data_q", WRITES, READS),
    "select-of-three-bits": ("w_data_q[3:0] & mask[3:0]);\n                        counter", "w_data_q[2:0] & mask[2:0]);\n"
                             "                        counter", WRITES, f"{READS}|engine_select"),
    "data-before-its-address": ("wire                write = aw_q && w_q && !b_q;", "wire                write = w_q && !b_q;",
                                "writes/pattern=both", f"{READS}|is 0x|answer|is X"),
    "second-write-overtakes": ("if (!aw_q) begin", "if (s_axil_awvalid) begin", "both_at_once", f"{READS}|is 0x|answer"),
    "read-only-register-changes": ("R_RING_SIZE: size_q", "R_RING_HEAD, R_RING_SIZE: size_q", WRITES, f"{READS}|ring_size"),
    "nothing-there-is-okay": ("b_bad_q <= aw_word_q >= R_END", "b_bad_q <= 1'b0", NONE, "the answer to a write"),
    "aliases": ("s_axil_awaddr[OFFSET_BITS-1:2]", "{4'd0, s_axil_awaddr[7:2]}", NONE, "the answer to a write"),
    "decode-for-slave": ("write_slave, read_decode, read_slave", "write_slave, read_slave, read_decode", SHOWN, READS),
    "reset-keeps-tail": ("                enable_q <= 1'b0;\n                tail_q   <= {COUNT_BITS{1'b0}};\n",
                         "                enable_q <= 1'b0;\n", ACTS, "tail is|reads as"),
    "soft-reset-stays": ("soft_reset_q     <= resets;", "soft_reset_q     <= resets || (soft_reset_q && !enable_q);", ACTS,
                         "after a write"),
    "one-clears-all": ("(irq_status_q & ~irq_clear)", "(irq_status_q & {2{irq_clear == 2'b00}})", IRQ, LOST),
    "cleared-by-zeros": ("w_data_q[1:0] & mask[1:0] : 2'b00", "mask[1:0] : 2'b00", IRQ, LOST),
    "event-lost-to-a-clear": ("(irq_status_q & ~irq_clear) | {errors != 6'd0, event_done}",
                              "(irq_status_q | {errors != 6'd0, event_done}) & ~irq_clear", IRQ, LOST),
    "error-lost-to-a-clear": ("(clears ? 6'd0 : errors_q) | errors;", "clears ? 6'd0 : errors_q | errors;", IRQ, READS),
    "errors-exchanged": ("event_completion, event_engine", "event_engine, event_completion", IRQ, READS),
    "no-interrupt-of-one-error": ("{errors != 6'd0, event_done}", "{errors[4:0] != 5'd0, event_done}", IRQ, LOST),
    "irq-not-enabled": ("(irq_status_q & irq_enable_q) != 2'b00", "irq_status_q != 2'b00", IRQ, "irq is"),
    "counters-exchanged": ("count_k_block, count_write_beat", "count_write_beat, count_k_block", COUNTS, "is .*, not"),
    "high-word-of-now": ("value = (ar_word_q < R_END) ? high_q : 32'd0;",
                         "value = (ar_word_q < R_END) ? {16'd0, engine_counter_q[47:32]} : 32'd0;", ENGINES,
                         "is 0x.*, not|a high word"),
    "any-read-keeps": ("if (read && is_counter) begin", "if (read) begin", ENGINES, "is 0x.*, not|a high word"),
    "counter-too-late": ("wait_q    <= 2'd2;", "wait_q    <= 2'd1;", ENGINES, "is 0x.*, not"),
    "read-a-cycle-late": ("wait_q    <= 2'd2;", "wait_q    <= 2'd3;", WHEN, "rvalid comes"),
    "irq-late": ("assign irq            =", "reg irq_q; always @(posedge clk) irq_q <= (irq_status_q & irq_enable_q) != 2'b00;\n"
                 "    assign irq = irq_q &&", WHEN, "irq rises late"),
    "answer-outlives-a-reset": ("            b_q  <= 1'b0;\n        end else", "        end else", RESET, "outlives|is X|answer"),
}


@pytest.mark.faults
@pytest.mark.sample(6)
@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_found(fault: str, seed: int, tmp_path: Path) -> None:
    old, new, testcase, message = FAULTS[fault]
    parameters = LARGE if testcase in (WRITES, ENGINES) else SMALL
    options = RunOptions(sim="icarus", seed=seed, testcase=testcase)
    check_fault(tmp_path, (FILE, old, new), message, TOP, BENCH, parameters, options)
