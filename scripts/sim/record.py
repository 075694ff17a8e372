"""The record of one simulation: what ran, on what, what came out, and whether it passed. ``docs/report_schema.md`` lists
every key of its JSON form."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from models.errors import FcimError
from models.quality.bounds import BoundCheck, Cause, loss_db
from models.quality.metrics import HeadMetrics

SCHEMA = 2  # raised when a key changes its meaning or goes away


RUNNING, STOPPED, DONE = "running", "stopped", "done"
EXIT_CODES = {"PASS": 0, "OUTSIDE": 0, "FAIL": 1, "INACCURATE": 3}
"""Verdicts of a run that came to its end; docs/exit_codes.md says what each means."""


@dataclass(frozen=True)
class WrongValue:
    """One output value that differs from the golden model's, and where it came out.

    ``row`` of the ``tile``, ``channel`` of the row (None: the row's ``empty`` flag); ``token`` (its position) and ``head`` are
    what the row stands for; ``cycle`` in which the row was taken, counted from the run's first row of Q; ``got``, ``expected``:
    the engine's integers.
    """

    run: str
    head: str
    tile: int
    row: int
    channel: int | None
    token: int
    cycle: int
    got: int
    expected: int

    def __str__(self) -> str:
        what = "empty flag" if self.channel is None else f"channel {self.channel}"
        return (f"{self.head}, token {self.token}: tile {self.tile}, row {self.row}, {what}, out in cycle {self.cycle:,}: "
                f"got {self.got}, expected {self.expected} ({self.run})")


@dataclass(frozen=True)
class HeadRow:
    """One query head in one phase, measured against float32 attention on the float tensors.

    ``run`` names the :class:`PhaseRun` that computed it; ``mismatches`` counts output values that differ from the golden
    model; the rest is :class:`models.quality.bounds.JudgedHead`'s.
    """

    name: str
    run: str
    layer: int
    phase: str
    queries: int
    keys: int
    elements: int
    mismatches: int
    metrics: HeadMetrics
    quantised_sqnr_db: float
    format_sqnr_db: float
    arithmetic_db: float
    saturations: int
    outside: bool
    causes: list[Cause] = field(default_factory=list)

    @property
    def loss_db(self) -> float:
        """SQNR that the engine loses to float on the same operands, dB; see :func:`models.quality.bounds.loss_db`."""
        return loss_db(self.quantised_sqnr_db, self.metrics.sqnr_db)

    def as_dict(self) -> dict[str, Any]:
        """Flat JSON form."""
        data = asdict(self)
        return {**{k: v for k, v in data.items() if k != "metrics"}, **data["metrics"], "loss_db": self.loss_db}


@dataclass(frozen=True)
class PhaseRun:
    """One engine run: a KV group of a layer in one phase, all its query heads at once.

    ``counters`` are the RTL's; ``predicted`` are the models', compared name by name (names on one side only are not).
    """

    name: str
    layer: int
    kv_head: int
    phase: str
    heads: list[str]
    tiles: int
    cycles: int
    ideal_cycles: int
    counters: dict[str, int]
    predicted: dict[str, int] = field(default_factory=dict)

    @property
    def percent_of_ideal(self) -> float:
        """``100 * ideal_cycles / cycles``: 100 means that no cycle was lost."""
        return 100.0 * self.ideal_cycles / self.cycles if self.cycles else 0.0

    @property
    def rescales(self) -> int | None:
        """Rescaled rows of the run, None if the counters do not have them."""
        return self.counters.get("rescaled_rows")

    def compared(self) -> list[str]:
        """Names of the counters that have a prediction."""
        return [name for name in self.counters if name in self.predicted]

    def counter_mismatches(self) -> dict[str, list[int]]:
        """Counters that differ from the prediction: name to [RTL, predicted]."""
        return {n: [self.counters[n], self.predicted[n]] for n in self.compared() if self.counters[n] != self.predicted[n]}

    def as_dict(self) -> dict[str, Any]:
        """JSON form with the derived figures."""
        return {**asdict(self), "percent_of_ideal": self.percent_of_ideal, "counter_mismatches": self.counter_mismatches()}


@dataclass
class SimRecord:
    """Everything that one simulation has to say.

    ``run``: its name; ``state``: running, stopped (``stopped_by`` says by what) or done. ``problems``: anything else that went
    wrong, one line each. ``fit``: what was done to the heads so that they fit the configuration. ``wrong_values``: the first
    that differ, all of them are counted in the heads. ``orders``: the file that gave each KV head schedule, first step and
    threshold instead of the record's; empty if none did. ``kept``: the run's folder, if something is wrong, and ``waveform``.
    """

    command: str
    seed: int
    simulator: str
    config: dict[str, Any]
    tau: int
    schedule: str
    fused: bool
    skip: bool
    octaves: int
    smooth_k: bool
    balance: bool
    rotate: bool
    v_mult: bool
    fit_scales: bool
    source: dict[str, Any]
    orders: str = ""
    run: str = ""
    state: str = DONE
    stopped_by: str = ""
    fit: str = ""
    wrong_values: list[WrongValue] = field(default_factory=list)
    kept: str = ""
    waveform: str = ""
    heads: list[HeadRow] = field(default_factory=list)
    runs: list[PhaseRun] = field(default_factory=list)
    checks: list[BoundCheck] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)
    git: dict[str, Any] = field(default_factory=dict)
    started: str = ""
    wall_seconds: float = 0.0

    def totals(self) -> dict[str, int]:
        """Sums over heads, runs and checks, and how many of each failed."""
        return {
            "elements": sum(h.elements for h in self.heads), "mismatches": sum(h.mismatches for h in self.heads),
            "counters_compared": sum(len(r.compared()) for r in self.runs),
            "counter_mismatches": sum(len(r.counter_mismatches()) for r in self.runs),
            "checks": len(self.checks), "checks_failed": sum(not c.passed for c in self.checks),
            "heads_outside": sum(h.outside for h in self.heads), "saturations": sum(h.saturations for h in self.heads),
            "problems": len(self.problems), "cycles": sum(r.cycles for r in self.runs),
            "ideal_cycles": sum(r.ideal_cycles for r in self.runs),
        }

    @property
    def verdict_kind(self) -> str:
        """FAIL: the hardware is wrong; INACCURATE: every bit is right and a promised bound does not hold; OUTSIDE: every bit is
        right, and the input is outside the range that a bound is promised for; PASS. RUNNING and STOPPED before the end."""
        if self.state != DONE:
            return self.state.upper()
        t = self.totals()
        if not self.heads or t["mismatches"] or t["counter_mismatches"] or t["problems"]:
            return "FAIL"
        return "INACCURATE" if t["checks_failed"] else "OUTSIDE" if t["heads_outside"] else "PASS"

    @property
    def exit_code(self) -> int:
        """Of a run that came to its end."""
        return EXIT_CODES[self.verdict_kind]

    @property
    def passed(self) -> bool:
        """At least one head ran and nothing failed: no bit, no counter, no promised bound."""
        return EXIT_CODES.get(self.verdict_kind) == 0

    def verdict(self) -> str:
        """One line: the kind and the counts behind it."""
        if self.state == RUNNING:
            return f"RUNNING: started {self.started}; if it is not running any more, it was killed"
        if self.state == STOPPED:
            return f"STOPPED: {self.stopped_by}"
        t = self.totals()
        parts = [f"{t['mismatches']:,} of {t['elements']:,} output values differ from the golden model"]
        if t["counters_compared"]:
            parts.append(f"{t['counter_mismatches']} of {t['counters_compared']} counters differ from the prediction")
        parts.append(f"{t['checks'] - t['checks_failed']} of {t['checks']} accuracy bounds hold" if t["checks"]
                     else "no accuracy bound applies")
        if t["heads_outside"]:
            are = "is" if t["heads_outside"] == 1 else "are"
            parts.append(f"{t['heads_outside']} of {len(self.heads)} heads {are} outside the range that accuracy is promised for")
        if t["problems"]:
            parts.append(f"{t['problems']} other problem{'s' if t['problems'] > 1 else ''}")
        return f"{self.verdict_kind}: {'; '.join(parts if self.heads else ['no head was simulated'])}"

    def explanation(self) -> str:
        """What the verdict means, for whoever sees it for the first time."""
        kept = f" The run's inputs and logs are in {self.kept}." if self.kept else ""
        return {
            "FAIL": f"The hardware is wrong, or could not be compared: its bits and counters must equal the models'.{kept}",
            "INACCURATE": "Every bit is as the golden model says, but the arithmetic loses more than is promised for these "
                          "inputs.",
            "OUTSIDE": "Every bit is as the golden model says. The number format costs some heads more than the promise covers, "
                       "or 8 bits are too coarse for their Q, K or V; that comes from their input, and the causes are named.",
        }.get(self.verdict_kind, "")

    def as_dict(self) -> dict[str, Any]:
        """JSON form; numbers that JSON cannot hold are the strings "inf", "-inf" and "nan"."""
        skip = {"heads", "runs", "checks"}
        own = {k: v for k, v in asdict(self).items() if k not in skip}
        return _plain({"schema": SCHEMA, "passed": self.passed, "verdict_kind": self.verdict_kind, "verdict": self.verdict(),
                       "totals": self.totals(), **own,
                       **{k: [x.as_dict() for x in getattr(self, k)] for k in ("heads", "runs", "checks")}})

    def to_json(self) -> str:
        """The text of ``report.json``."""
        return json.dumps(self.as_dict(), indent=1, allow_nan=False) + "\n"


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def _pick(cls: type, data: dict[str, Any], **given: Any) -> Any:
    names = [n for n in cls.__dataclass_fields__ if n not in given]
    text = {"inf", "-inf", "nan"}
    return cls(**{n: float(data[n]) if isinstance(data[n], str) and data[n] in text else data[n] for n in names}, **given)


def load_record(path: Path) -> SimRecord:
    """The record that a ``report.json`` holds.

    Raises:
        FcimError: the file is missing, unreadable, or of another schema.
    """
    try:
        data = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise FcimError(f"cannot read {path} ({type(error).__name__}); run a simulation first: make sim") from None
    if not isinstance(data, dict) or data.get("schema") != SCHEMA:
        raise FcimError(f"{path} is no report of schema {SCHEMA}; run the simulation again: make sim")
    try:
        heads = [_pick(HeadRow, h, metrics=_pick(HeadMetrics, h), causes=[_pick(Cause, c) for c in h["causes"]])
                 for h in data["heads"]]
        runs = [_pick(PhaseRun, r) for r in data["runs"]]
        return _pick(SimRecord, data, heads=heads, runs=runs, checks=[_pick(BoundCheck, c) for c in data["checks"]],
                     wrong_values=[_pick(WrongValue, w) for w in data["wrong_values"]])
    except (KeyError, TypeError) as error:
        raise FcimError(f"{path} lacks or misuses the key {error}; run the simulation again: make sim") from None
