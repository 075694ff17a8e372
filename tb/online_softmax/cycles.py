"""The cycle rules of the specification, looked at once a run is over; they hold under every stall pattern."""

from __future__ import annotations

from tb.online_softmax.checker import WRITE_DELAY, SoftmaxBench


def check_cycles(run: SoftmaxBench) -> dict[str, int]:
    """Every column accept, judgement, request, start and block offer has its cycle. Returns how many starts each cause decided.

    ``C[k] = max(offered, C[k-1] + CPK)``, for a block's first key also ``E[b-3] + 1``;
    ``J[b] = max(C[last key, of block b+1 for a joint start] + CPK + 3, J[b-1] + CPK, E[b-3] + n[b-3] * CPK if that one ran)``,
    seen where rows are rescaled, in the cycles after J;
    the request is offered from ``max(J[b] + CPK + 1, E[b-1] + n[b-1] * CPK, or + 1 if that one was skipped)`` on, for a block
    that runs also slot free and, for a tile's first one, bank free; E[b] is the cycle in which it is taken;
    ``ev_wait_slot`` and ``ev_wait_bank`` mark the cycles in which nothing else holds a block up;
    a block is offered from ``E[b] + n * CPK + 3`` on, but not before the one ahead of it has been taken.
    """
    cpk, blocks, starts = run.size.cpk, run.model.blocks, run.decided
    judged = _check_judgements(run)
    causes = {"scaled": 0, "before": 0, "slot": 0, "bank": 0}
    waits: dict[str, list[int]] = {"wait_slot": [], "wait_bank": []}
    for b, block in enumerate(blocks):
        bounds = {"scaled": judged[b] + cpk + 1}
        if b >= 1:
            bounds["before"] = starts[b - 1] + (1 if blocks[b - 1].run is None else blocks[b - 1].keys * cpk)
        # A cycle counts as a wait for one thing only: for the slot as long as that is not free, then for the bank.
        ready = roomy = max(bounds.values())
        if block.run is not None and block.run >= 2:
            bounds["slot"] = run.slot_free[block.run - 2]
            roomy = max(ready, bounds["slot"])
        waits["wait_slot"] += range(ready, roomy)
        if block.run is not None and block.first and block.tile >= 2:
            bounds["bank"] = run.bank_free[block.tile - 2]
            waits["wait_bank"] += range(roomy, bounds["bank"])
        due = max(bounds.values())
        assert run.asked[b] == due, f"block {b}: the request comes in cycle {run.asked[b]}, expected the largest of {bounds}"
        causes[max(bounds, key=bounds.__getitem__)] += 1
        if block.run is not None:
            _check_run(run, block.run, starts[b], block.keys)
    assert waits == run.wait_cycles, f"cycles of waiting: got {run.wait_cycles}, expected {waits}"
    return causes


def _check_judgements(run: SoftmaxBench) -> list[int]:
    """J of every block, from the columns, whose cycles are checked, and from the starts of earlier blocks."""
    cpk, blocks, starts = run.size.cpk, run.model.blocks, run.decided
    column, last = 0, None
    for b, block in enumerate(blocks):
        for j, accept in enumerate(block.accepts):
            bounds = [run.valid_since[column]]
            if last is not None:
                bounds.append(last + cpk)
            if j == 0 and b >= 3:
                bounds.append(starts[b - 3] + 1)
            assert accept == max(bounds), f"block {b}, key {j}: taken in cycle {accept}, expected the largest of {bounds}"
            last = accept
            column += 1
    judged: list[int] = []
    rescaled = dict(run.rescales)
    for b, block in enumerate(blocks):
        bounds = [blocks[b + block.joint].accepts[-1] + cpk + 3]
        bounds += [judged[b - 1] + cpk] if b >= 1 else []
        bounds += [starts[b - 3] + blocks[b - 3].keys * cpk] if b >= 3 and blocks[b - 3].run is not None else []
        judged.append(max(bounds))
        seen = sum(rescaled.pop(cycle, 0) for cycle in range(judged[b] + 1, judged[b] + cpk + 1))
        assert seen == block.rescaled, f"block {b}: {seen} of {block.rescaled} rescales after cycle {judged[b]}, of {bounds}"
    assert not rescaled, f"rescales of no block in cycles {sorted(rescaled)}"
    return judged


def _check_run(run: SoftmaxBench, number: int, start: int, keys: int) -> None:
    """The writes of a block that runs, one per cycle, and when it is offered."""
    cpk = run.size.cpk
    writes = [cycle for cycle, other in run.writes if other == number]
    assert writes == list(range(start + WRITE_DELAY, start + WRITE_DELAY + keys * cpk)), f"block {number}: writes in {writes[:3]}"
    offer = max(start + keys * cpk + 3, run.taken[number - 1] + 1 if number else 0)
    assert run.shown[number] == offer, f"block {number}: offered in cycle {run.shown[number]}, expected {offer}"
