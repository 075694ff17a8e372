"""Points of engine runs about time: streams, stalls, overlap, counters. Sampled by :mod:`tb.coverage.engine_flow`."""

from __future__ import annotations

from scripts.flow.coverage.model import Point

# models.hardware.timeline.COUNTERS, which cannot be imported inside a simulator; a test compares the two
COUNTERS = (
    "cycles", "tiles", "keys", "blocks", "q_bytes", "k_bytes", "v_bytes", "o_bytes", "ip_busy", "op_busy", "zero_blocks",
    "rescaled_rows", "rescale_amount", "saturations", "stall_softmax", "stall_q", "stall_k", "stall_v", "stall_op",
    "stall_bank", "stall_o", "ip_bit_ops", "op_bit_ops", "skipped_blocks", "stall_req",
)
HANDSHAKES = ("neither", "valid waits", "ready waits", "moves")         # number: 2 * ready + valid
STAGES = ("IP-CIM", "column waits", "exponentials", "OP-CIM", "read-out")
PHASES = (*STAGES, "all at rest")
NEXT_KEY = ("of the block", "of the next block", "of the next tile")
IN_FLIGHT = ("0", "1", "2", "3 or more")
STREAMS = (("q", "s_q", "fcim_q_loader"), ("k", "s_k", "fcim_ip_cim"), ("v", "s_v", "fcim_v_buffer"),
           ("o", "m_o", "fcim_normalizer"), ("req", "m_req", "fcim_online_softmax"))
_STANDS = "the read-out stands while a finished row is not taken (docs/engine.md, stall_o)"
_EMPTY = "what works in the engine belongs to a tile in flight"

STREAM_STATES = tuple(
    Point(f"stream.{name}", block, f"Every handshake of {port} while each stage of the engine works, and while all rest",
          axes=(("handshake", HANDSHAKES), ("engine", PHASES)),
          illegal={"valid waits, read-out": _STANDS} if name == "o" else {})
    for name, port, block in STREAMS)

FLOW_POINTS: tuple[Point, ...] = (
    *STREAM_STATES,
    Point("overlap.stages", "fcim_core", "Stages that work in the same cycle", (
        "IP-CIM and exponentials", "IP-CIM and OP-CIM", "IP-CIM and read-out", "exponentials and OP-CIM",
        "exponentials and read-out", "OP-CIM and read-out", "IP-CIM, exponentials and OP-CIM", "all four")),
    Point("overlap.load", "fcim_core", "Rows of Q move while a stage works", ("IP-CIM", "exponentials", "OP-CIM", "read-out")),
    Point("overlap.send", "fcim_core", "Rows of O move while a stage works", ("IP-CIM", "exponentials", "OP-CIM", "read-out")),
    Point("overlap.tiles", "fcim_core", "Tiles in flight while each stage works",
          axes=(("tiles", IN_FLIGHT), ("engine", PHASES)), illegal={f"0, {stage}": _EMPTY for stage in STAGES}),
    Point("pace.keys", "fcim_ip_cim", "Keys follow each other every CYCLES_PER_KEY cycles or later: in a block, from block to "
          "block, from tile to tile", axes=(("next key", NEXT_KEY), ("comes", ("at full rate", "later")))),
    Point("pace.keys_skipping", "fcim_ip_cim", "The same in tiles of which blocks are skipped: keys keep their pace",
          axes=(("next key", NEXT_KEY), ("comes", ("at full rate", "later")))),
    Point("pace.rows", "fcim_normalizer", "Rows of O follow each other every CYCLES_PER_KEY cycles or not: in a tile, from tile "
          "to tile", axes=(("next row", ("of the tile", "of the next tile")), ("comes", ("sooner", "at full rate", "later"))),
          illegal={"*, sooner": "the divider gives a row per CYCLES_PER_KEY cycles and stands while one is not taken"}),
    Point("pace.q", "fcim_q_loader", "Rows of Q follow each other in every cycle or later: in a tile, from tile to tile",
          axes=(("next row", ("of the tile", "of the next tile")), ("comes", ("at full rate", "later")))),
    Point("pace.q_ahead", "fcim_q_loader", "A tile's Q is complete before or after the last key of the tile before it",
          ("before", "after")),
    Point("pace.values", "fcim_v_buffer", "A value against the key that it belongs to, in tiles with every value and in others",
          axes=(("values", ("all", "some are skipped")), ("comes", (
              "a block or more before", "before", "in the same cycle", "after", "a block or more after")))),
    Point("engine.tile_done", "fcim_core", "tile_done, with a tile's last row: of a tile of one row, of several, and with the "
          "next tile's first row following in its own next slot",
          ("tile of one row", "tile of several rows", "another tile follows at full rate", "last of the run")),
    Point("engine.tiles_of_run", "fcim_core", "Tiles of one run: banks alternate and are used again",
          ("1", "2", "3", "4 or more")),
    Point("engine.counter", "fcim_counters", "The counter moved in a run", COUNTERS),
)
