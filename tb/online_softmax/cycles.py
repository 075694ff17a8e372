"""The cycle rules of the specification, looked at once a run is over; they hold under every stall pattern."""

from __future__ import annotations

from tb.online_softmax.checker import WRITE_DELAY, SoftmaxBench


def check_cycles(run: SoftmaxBench) -> dict[str, int]:
    """Every column accept, exponential start and block offer has its cycle. Returns in how many blocks each cause decided.

    ``C[k] = max(offered, C[k-1] + CPK)``, for a block's first key also ``E[b-2] + 1``;
    ``E[b] = max(C[last key] + CPK + 3, E[b-1] + n[b-1] * CPK, slot free)``, for a tile's first block also bank free;
    ``ev_wait_slot`` and ``ev_wait_bank`` mark the cycles in which nothing else holds a block up;
    a block is offered from ``E[b] + n * CPK + 3`` on, but not before the one ahead of it has been taken.
    """
    cpk, blocks = run.size.cpk, run.model.blocks
    starts: list[int] = []
    causes = {"scaled": 0, "before": 0, "slot": 0, "bank": 0}
    column, last = 0, None
    waits: dict[str, list[int]] = {"wait_slot": [], "wait_bank": []}
    for b, block in enumerate(blocks):
        writes = [c for c, number in run.writes if number == b]
        start = writes[0] - WRITE_DELAY
        assert writes == list(range(writes[0], writes[0] + block.keys * cpk)), f"block {b}: writes with gaps"
        for j, accept in enumerate(block.accepts):
            bounds = [run.valid_since[column]]
            if last is not None:
                bounds.append(last + cpk)
            if j == 0 and b >= 2:
                bounds.append(starts[b - 2] + 1)
            assert accept == max(bounds), f"block {b}, key {j}: taken in cycle {accept}, expected the largest of {bounds}"
            last = accept
            column += 1
        bounds = {"scaled": last + cpk + 3}
        if b >= 1:
            bounds["before"] = starts[-1] + blocks[b - 1].keys * cpk
        if b >= 2:
            bounds["slot"] = run.slot_free[b - 2]
        if block.first and block.tile >= 2:
            bounds["bank"] = run.bank_free[block.tile - 2]
        due = max(bounds.values())
        assert start == due, f"block {b}: exponentials start in cycle {start}, expected the largest of {bounds}"
        # A cycle counts as a wait for one thing only: for the slot as long as that is not free, then for the bank.
        ready = max(bounds["scaled"], bounds.get("before", 0))
        roomy = max(ready, bounds.get("slot", 0))
        waits["wait_slot"] += range(ready, roomy)
        waits["wait_bank"] += range(roomy, bounds.get("bank", 0))
        causes[max(bounds, key=bounds.__getitem__)] += 1
        offer = max(start + block.keys * cpk + 3, run.taken[b - 1] + 1 if b else 0)
        assert run.shown[b] == offer, f"block {b}: offered in cycle {run.shown[b]}, expected {offer}"
        starts.append(start)
    assert waits == run.wait_cycles, f"cycles of waiting: got {run.wait_cycles}, expected {waits}"
    return causes
