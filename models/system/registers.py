"""The accelerator's registers by name, written by ``make registers`` from config/system/registers.rdl."""

from __future__ import annotations

from collections.abc import Mapping

from models.system.register import Access, Field, Register

REGISTERS: Mapping[str, Register] = {register.name: register for register in (
    Register("id", 0x00, "What this is", (
        Field("value", 31, 0, Access.READ, 0x4643494D,
              "\"FCIM\""),
    )),
    Register("version", 0x04, "Version of these registers", (
        Field("minor", 15, 0, Access.READ, 0,
              "Rises with what old software need not know."),
        Field("major", 31, 16, Access.READ, 1,
              "Rises with what breaks old software."),
    )),
    Register("engines", 0x08, "Engines", (
        Field("value", 31, 0, Access.READ, None,
              "Parameter ENGINES."),
    )),
    Register("rows", 0x0C, "Rows of a query tile", (
        Field("value", 31, 0, Access.READ, None,
              "Parameter ROWS."),
    )),
    Register("head_dim", 0x10, "Elements of a head vector", (
        Field("value", 31, 0, Access.READ, None,
              "Parameter HEAD_DIM."),
    )),
    Register("bits_per_cycle", 0x14, "Bits per cycle of a CIM array", (
        Field("value", 31, 0, Access.READ, None,
              "Parameter BITS_PER_CYCLE."),
    )),
    Register("keys_per_block", 0x18, "Keys of a block", (
        Field("value", 31, 0, Access.READ, None,
              "Parameter KEYS_PER_BLOCK."),
    )),
    Register("prob_bits", 0x1C, "Bits of a probability", (
        Field("value", 31, 0, Access.READ, None,
              "Parameter PROB_BITS."),
    )),
    Register("max_keys", 0x20, "Keys of a head at most", (
        Field("value", 31, 0, Access.READ, None,
              "Parameter MAX_KEYS."),
    )),
    Register("buffer_keys", 0x24, "Keys in the buffer", (
        Field("value", 31, 0, Access.READ, None,
              "Parameter BUFFER_KEYS."),
    )),
    Register("data_bits", 0x28, "Bits of a beat", (
        Field("value", 31, 0, Access.READ, None,
              "Parameter DATA_BITS: bases and strides are multiples of DATA_BITS / 8 bytes."),
    )),
    Register("engine_counters", 0x2C, "Counters of an engine", (
        Field("value", 31, 0, Access.READ, 0x1A,
              "How many counter_select.counter chooses from."),
    )),
    Register("control", 0x30, "Control", (
        Field("enable", 0, 0, Access.READ_WRITE, 0,
              "Descriptors are taken from the ring. If it falls, the one under way comes to its end."),
        Field("soft_reset", 1, 1, Access.WRITE_1_ACTS, 0,
              "Write 1: all but the registers starts anew; enable, ring_tail, ring_head are 0. Wait for status.resetting."),
        Field("clear_errors", 2, 2, Access.WRITE_1_ACTS, 0,
              "Write 1: errors, and the addresses of failed bursts, are forgotten."),
        Field("clear_counters", 3, 3, Access.WRITE_1_ACTS, 0,
              "Write 1: all counters, those of the engines too, are 0."),
    )),
    Register("status", 0x34, "Status", (
        Field("busy", 0, 0, Access.READ, None,
              "A descriptor is under way."),
        Field("halted", 1, 1, Access.READ, None,
              "A descriptor could not be read: the ring stands until enable is 0; then it is read anew."),
        Field("resetting", 2, 2, Access.READ, None,
              "A soft reset is under way: what the bus still owes is awaited."),
    )),
    Register("irq_enable", 0x38, "Interrupts that reach the pin irq", (
        Field("done", 0, 0, Access.READ_WRITE, 0,
              "As in irq_status."),
        Field("error", 1, 1, Access.READ_WRITE, 0,
              "As in irq_status."),
    )),
    Register("irq_status", 0x3C, "Interrupts", (
        Field("done", 0, 0, Access.WRITE_1_CLEARS, 0,
              "A descriptor that asks for it has come to its end, its completion word is written. Write 1 to clear."),
        Field("error", 1, 1, Access.WRITE_1_CLEARS, 0,
              "One of errors 5:0 has come. Write 1 to clear."),
    )),
    Register("ring_base_lo", 0x40, "Base of the ring, low word", (
        Field("base", 31, 7, Access.READ_WRITE, 0,
              "Bits 31:7; a descriptor lies at a multiple of 128 bytes. Change it only while ring_head equals ring_tail."),
    )),
    Register("ring_base_hi", 0x44, "Base of the ring, high word", (
        Field("base", 31, 0, Access.READ_WRITE, 0,
              "Bits 63:32."),
    )),
    Register("ring_size", 0x48, "Size of the ring", (
        Field("log2", 3, 0, Access.READ_WRITE, 0,
              "Log2 of its descriptors. Change it only while ring_head equals ring_tail."),
    )),
    Register("ring_tail", 0x4C, "Tail of the ring", (
        Field("count", 15, 0, Access.READ_WRITE, 0,
              "Descriptors put into the ring, modulo 2^16. Number n lies at base + 128 * (n modulo the ring's size)."),
    )),
    Register("ring_head", 0x50, "Head of the ring", (
        Field("count", 15, 0, Access.READ, None,
              "Descriptors that have come to their end, modulo 2^16."),
    )),
    Register("errors", 0x54, "Errors since control.clear_errors or a hardware reset", (
        Field("unreadable", 0, 0, Access.READ, 0,
              "A descriptor could not be read, the ring stopped."),
        Field("refused", 1, 1, Access.READ, 0,
              "A descriptor ended with status 1 to 4."),
        Field("read", 2, 2, Access.READ, 0,
              "One ended with status 6: a read failed."),
        Field("write", 3, 3, Access.READ, 0,
              "One ended with status 7: a write failed."),
        Field("engine", 4, 4, Access.READ, 0,
              "One ended with status 8: an engine found an error."),
        Field("completion", 5, 5, Access.READ, 0,
              "A completion word could not be written."),
        Field("read_slave", 8, 8, Access.READ, None,
              "A read was answered with SLVERR."),
        Field("read_decode", 9, 9, Access.READ, None,
              "A read was answered with DECERR."),
        Field("write_slave", 10, 10, Access.READ, None,
              "A write was answered with SLVERR."),
        Field("write_decode", 11, 11, Access.READ, None,
              "A write was answered with DECERR."),
    )),
    Register("read_address_lo", 0x58, "Address of the first burst of reads that failed, low word", (
        Field("address", 31, 0, Access.READ, None,
              "Bits 31:0; counts where errors.read_slave or read_decode is set."),
    )),
    Register("read_address_hi", 0x5C, "The same, high word", (
        Field("address", 31, 0, Access.READ, None,
              "Bits 63:32."),
    )),
    Register("write_address_lo", 0x60, "Address of the first burst of writes that failed, low word", (
        Field("address", 31, 0, Access.READ, None,
              "Bits 31:0; counts where errors.write_slave or write_decode is set."),
    )),
    Register("write_address_hi", 0x64, "The same, high word", (
        Field("address", 31, 0, Access.READ, None,
              "Bits 63:32."),
    )),
    Register("cycles_lo", 0x68, "Cycles with a call under way, low word", (
        Field("count", 31, 0, Access.READ, 0,
              "Bits 31:0 of 48; reading it keeps bits 47:32 for the next read of a high word."),
    )),
    Register("cycles_hi", 0x6C, "The same, high word", (
        Field("count", 31, 0, Access.READ, 0,
              "Bits 47:32 at the last read of a low word."),
    )),
    Register("calls_lo", 0x70, "Calls that have come to their end, low word", (
        Field("count", 31, 0, Access.READ, 0,
              "As cycles_lo."),
    )),
    Register("calls_hi", 0x74, "The same, high word", (
        Field("count", 31, 0, Access.READ, 0,
              "As cycles_hi."),
    )),
    Register("read_beats_lo", 0x78, "Beats that were read, low word", (
        Field("count", 31, 0, Access.READ, 0,
              "As cycles_lo."),
    )),
    Register("read_beats_hi", 0x7C, "The same, high word", (
        Field("count", 31, 0, Access.READ, 0,
              "As cycles_hi."),
    )),
    Register("write_beats_lo", 0x80, "Beats that were written, low word", (
        Field("count", 31, 0, Access.READ, 0,
              "As cycles_lo."),
    )),
    Register("write_beats_hi", 0x84, "The same, high word", (
        Field("count", 31, 0, Access.READ, 0,
              "As cycles_hi."),
    )),
    Register("k_blocks_lo", 0x88, "Key blocks of K that the buffer gave, low word", (
        Field("count", 31, 0, Access.READ, 0,
              "As cycles_lo."),
    )),
    Register("k_blocks_hi", 0x8C, "The same, high word", (
        Field("count", 31, 0, Access.READ, 0,
              "As cycles_hi."),
    )),
    Register("v_blocks_lo", 0x90, "Key blocks of V that the buffer gave, low word", (
        Field("count", 31, 0, Access.READ, 0,
              "As cycles_lo."),
    )),
    Register("v_blocks_hi", 0x94, "The same, high word", (
        Field("count", 31, 0, Access.READ, 0,
              "As cycles_hi."),
    )),
    Register("rows_lo", 0x98, "Rows of O, low word", (
        Field("count", 31, 0, Access.READ, 0,
              "As cycles_lo."),
    )),
    Register("rows_hi", 0x9C, "The same, high word", (
        Field("count", 31, 0, Access.READ, 0,
              "As cycles_hi."),
    )),
    Register("engine_counter_lo", 0xA0, "The counter that counter_select chooses, low word", (
        Field("count", 31, 0, Access.READ, None,
              "As cycles_lo."),
    )),
    Register("engine_counter_hi", 0xA4, "The same, high word", (
        Field("count", 31, 0, Access.READ, 0,
              "As cycles_hi."),
    )),
    Register("counter_select", 0xA8, "The counter that engine_counter_lo and _hi show", (
        Field("engine", 3, 0, Access.READ_WRITE, 0,
              "An engine; counted modulo the number of engines."),
        Field("counter", 12, 8, Access.READ_WRITE, 0,
              "Its counter, numbered as in streams.md; one that is not there reads as 0."),
    )),
)}
