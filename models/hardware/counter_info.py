"""What each of the engine's counters counts, in which unit: the one description that pages and documentation show."""

from __future__ import annotations

from typing import NamedTuple


class Counter(NamedTuple):
    """``unit`` of one count; ``counts`` says of what, in a line; ``rule`` which cycles, in the letters of docs/engine.md."""

    unit: str
    counts: str
    rule: str = ""


COUNTER_INFO = {
    "cycles": Counter("cycles", "in which a tile is in flight: from its first row of Q to its last row of O"),
    "tiles": Counter("tiles", "whose last row is out"),
    "keys": Counter("keys", "accepted"),
    "blocks": Counter("key blocks", "decided, skipped ones included"),
    "q_bytes": Counter("bytes", "of Q taken in"),
    "k_bytes": Counter("bytes", "of K taken in"),
    "v_bytes": Counter("bytes", "of V taken in, of blocks that run only"),
    "o_bytes": Counter("bytes", "of O given out"),
    "ip_busy": Counter("cycles", "in which the IP-CIM's array switches"),
    "op_busy": Counter("cycles", "in which the OP-CIM's array switches"),
    "zero_blocks": Counter("key blocks", "whose probabilities are all 0, skipped or not"),
    "rescaled_rows": Counter("rows", "rescaled: the reference moved on and the accumulators were shifted, which costs no cycle"),
    "rescale_amount": Counter("bits", "by which rescales shifted, in all"),
    "saturations": Counter("scores", "visible to their row that were clamped"),
    "stall_softmax": Counter("cycles", "a finished column waits for the softmax unit; not lost time by itself: after one delay "
                             "every later column waits as long", "`C[k] - (H[k] + 1)`"),
    "stall_q": Counter("cycles", "a key waits, IP-CIM idle, for its tile's Q, while a tile is in flight",
                       "from `max(key valid, H[k-1])` of a tile's first key until the bank is readable"),
    "stall_k": Counter("cycles", "the IP-CIM could take a key, Q being there, and none is valid",
                       "from `max(H[k-1], bank readable)` to `A[k]`"),
    "stall_v": Counter("cycles", "a block waits for its values, OP-CIM ready",
                       "from `max(E[b] + n[b]*CPK + 3, X[block before that runs] + BLOCK_CYCLES)` to `X[b]`"),
    "stall_op": Counter("cycles", "a judged block, next in turn and not skipped, waits for room in the OP-CIM",
                        "from `T[b]` to *room*"),
    "stall_bank": Counter("cycles", "a tile's first block that runs has that room and waits for its accumulators to be drained",
                          "from `max(T[b], room)` to *drained*"),
    "stall_o": Counter("cycles", "a finished row is not taken, in which the drain stands", "`O - W`"),
    "ip_bit_ops": Counter("bits", "set in `k + 128` that switched the IP-CIM's array"),
    "op_bit_ops": Counter("bits", "set in `v + 128` that switched the OP-CIM's array"),
    "skipped_blocks": Counter("key blocks", "skipped: neither values nor exponentials nor outer products"),
    "stall_decision": Counter("cycles", "a decided block waits for `m_decision_ready`", "`E[b] - P[b]`"),
}


def counters_table() -> str:
    """The table of docs/engine.md, in Markdown."""
    rows = [f"| {number} | `{name}` | {info.unit} | {info.counts}{': ' if info.rule else ''}{info.rule} |"
            for number, (name, info) in enumerate(COUNTER_INFO.items())]
    return "\n".join(["| number | name | unit | counts |", "| --- | --- | --- | --- |", *rows])
