"""What this design was to reach beside what it reaches, met or not, from the same study."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from models.comparison.accelerator import variant
from models.comparison.storage import KINDS, Accumulators
from scripts.paper.modes import PREFILL
from scripts.paper.study import NARROW, OURS, best, kind_of

MOST_KIB, MOST_TIME = 1100, 3           # of storage of all macros; % more cycles for it
LEAST_UNFUSED, LEAST_STATIONARY = 2.0, 1.15
LEAST_TOPS, LEAST_SAVED = 30, 40        # TOPS/W; % of the arrays' energy


def _by_length(found: dict[int, float], form: str) -> str:
    return ", ".join(f"{value:{form}} at {tokens:,}" for tokens, value in found.items())


def _met(found: Sequence[bool]) -> str:
    return "yes" if all(found) else "in part" if any(found) else "no"


def _times(rows: Sequence[dict[str, Any]], kind: str, least: float) -> dict[str, str]:
    lengths = sorted({row["tokens"] for row in rows})
    found = {tokens: best(rows, kind, tokens, True)["times"] for tokens in lengths}
    return {"goal": f"time of the best {kind} design over its own, the same bit cells: {least:g} x or more",
            "found": _by_length(found, ".2f"), "met": _met([value >= least for value in found.values()])}


def goals(study: dict[str, Any]) -> list[dict[str, str]]:
    """Each goal, what was found, and whether it is met.

    Args:
        study: what :func:`scripts.paper.run.work` has worked out.
    """
    narrow = variant(**kind_of(NARROW))
    queue = next(kind for kind in KINDS if kind.queued)
    quickest = next(kind for kind in KINDS if kind.columns == 32 and kind.queued == queue.queued)
    one_tile = {row["tokens"]: row["more"] for row in study["storage"] if row["kind"] == str(quickest)}
    kept = [Accumulators().kib(variant()), Accumulators().kib(narrow), quickest.kib(narrow)]
    last = max(row["tokens"] for row in study["energy"])
    tops = {row["design"]: row["typical"]["tops_chip"] for row in study["energy"]
            if row["tokens"] == last and row["design"].startswith(OURS)}
    arrays = {row["mode"]: row["typical"]["arrays"] for row in study["modes"] if row["phase"] == PREFILL}
    plain = arrays["tiles begin where their wave does, not at their diagonals"]
    saved = {name: 100 * (1 - arrays[name] / plain) for name in ("as shipped", "p of 14 bits", "p of 12 bits")}
    return [
        {"goal": f"cells of all engines: {MOST_KIB:,} KiB or less, in {MOST_TIME} % more cycles at most",
         "found": f"{kept[0]:,.0f}; {kept[1]:,.0f} with sums of {narrow.engine.sum_bits} bits, in as many cycles; {kept[2]:,.0f} "
                  f"with these and {quickest} (modelled), in more cycles: {_by_length(one_tile, '.1f')} %",
         "met": "no" if min(kept) > MOST_KIB else _met([more <= MOST_TIME for more in one_tile.values()])},
        _times(study["times"], "unfused", LEAST_UNFUSED),
        _times(study["times"], "KV-stationary", LEAST_STATIONARY),
        {"goal": f"{LEAST_TOPS} TOPS/W or more on the chip at {last:,} tokens, typical constants",
         "found": "; ".join(f"{value:.1f} {name.removeprefix(OURS).removeprefix(', ') or 'as shipped'}"
                            for name, value in tops.items()),
         "met": _met([value >= LEAST_TOPS for value in tops.values()])},
        {"goal": f"{LEAST_SAVED} % less energy of the arrays than in tiles that begin with their wave",
         "found": "; ".join(f"{value:.0f} % {name}" for name, value in saved.items()) + f" ({study['mode_source']})",
         "met": _met([value >= LEAST_SAVED for value in saved.values()])},
    ]
