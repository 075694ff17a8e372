"""The tracefile of lcov, which genhtml and editors read: lines and branches, and nothing else dressed up as branches."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from scripts.flow.coverage.points import CodePoint


def _branches(points: Sequence[CodePoint]) -> list[str]:
    """``BRDA`` per arm; the decisions of a line are its blocks. An arm of a decision that was never reached has "-"."""
    decisions: dict[tuple[int, int], list[CodePoint]] = {}
    for point in points:
        if point.type == "branch" and point.exclusion is None:
            decisions.setdefault((point.line, point.column), []).append(point)
    text, block, last = [], 0, 0
    for (line, _), arms in sorted(decisions.items()):
        block = block + 1 if line == last else 0
        last = line
        reached = any(arm.hit for arm in arms)
        text += [f"BRDA:{line},{block},{number},{arm.count if reached else '-'}"
                 for number, arm in enumerate(sorted(arms, key=lambda a: a.object, reverse=True))]
    return text


def tracefile(points: dict[str, list[CodePoint]], root: Path) -> str:
    """All files' records, by absolute paths, so that genhtml finds the sources from any folder; excluded points are left out."""
    text: list[str] = []
    for file, found in points.items():
        lines = [p for p in found if p.type == "line" and p.exclusion is None]
        branches = _branches(found)
        taken = sum(not b.endswith((",0", ",-")) for b in branches)
        text += ["TN:", f"SF:{root / file}", *branches, f"BRF:{len(branches)}", f"BRH:{taken}",
                 *(f"DA:{p.line},{p.count}" for p in lines),
                 f"LF:{len(lines)}", f"LH:{sum(p.hit for p in lines)}", "end_of_record"]
    return "\n".join(text) + "\n"
