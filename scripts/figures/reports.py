"""The last report of a command in ``build``: where it lies, whether it still tells about these sources, how it is made again."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from models.errors import FcimError
from models.hardware.config import TAU_MAX
from models.hardware.schedules import DEFAULT_OPTIONS, SCHEDULES
from scripts.flow.sources import ROOT
from scripts.studies.language_model.generate import QUESTION
from scripts.studies.schedules.settings import BLOCK_SIZES, SCORED_LENGTHS

SOURCES = ("rtl", "models", "config")
Data = dict[str, Any]


@dataclass(frozen=True)
class Report:
    """What ``make TARGET`` leaves in ``file``.

    ``usual``: whether a report is that of the command with ``variables`` and no others, which the pages show. ``long``: takes
    minutes, or wants a machine without other work, so it is only made again if that is asked for.
    """

    target: str
    file: str
    usual: Callable[[Data], bool]
    long: bool = False
    variables: tuple[str, ...] = ()

    @property
    def command(self) -> str:
        """What is typed to make it."""
        return " ".join(["make", self.target, *self.variables])

    @property
    def path(self) -> Path:
        """The file."""
        return ROOT / self.file

    def data(self) -> Data | None:
        """The report, None if there is none or it is one of other conditions."""
        try:
            data = json.loads(self.path.read_text(encoding="utf-8"))
            return data if self.usual(data) else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def outdated(self) -> bool:
        """Whether a source is newer than the report."""
        made = self.path.stat().st_mtime
        return any(p.stat().st_mtime > made for place in SOURCES for p in (ROOT / place).rglob("*")
                   if p.is_file() and "__pycache__" not in p.parts)

    def make(self) -> None:
        """Run the command.

        Raises:
            FcimError: it failed.
        """
        environment = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
        done = subprocess.run(["make", "-C", str(ROOT), self.target, *self.variables], stdout=subprocess.DEVNULL, env=environment,
                              check=False)
        if done.returncode:
            raise FcimError(f"{self.command} ended with exit code {done.returncode}; run it by itself")


@dataclass(frozen=True)
class Reports:
    """Several that make one table: there if all are, out of date if one is. See :class:`Report`; ``data`` holds them by file."""

    parts: tuple[Report, ...]

    @property
    def file(self) -> str:
        """All their files."""
        return ", ".join(part.file for part in self.parts)

    @property
    def command(self) -> str:
        """All their commands."""
        return "; ".join(part.command for part in self.parts)

    @property
    def long(self) -> bool:
        """Whether one is."""
        return any(part.long for part in self.parts)

    def data(self) -> Data | None:
        """Each one's data by its file, None if one lacks."""
        found = {part.file: part.data() for part in self.parts}
        return None if None in found.values() else found

    def outdated(self) -> bool:
        """Whether a source is newer than one of them."""
        return any(part.outdated() for part in self.parts)

    def make(self) -> None:
        """Make those that lack or are old.

        Raises:
            FcimError: a command failed.
        """
        for part in self.parts:
            if part.data() is None or part.outdated():
                part.make()


SMOLLM2 = "smollm2"


def _usual(facts: Data, model: str, config: str) -> bool:
    """Figures of a model with all defaults: of text, hardware and order of the keys."""
    return (model in facts["source"]["model"].lower() and facts["config"]["name"] == config and not facts.get("orders")
            and {name: facts[name] for name in asdict(DEFAULT_OPTIONS)} == asdict(DEFAULT_OPTIONS))


def _shipped(data: Data) -> bool:
    """Figures of the shipped model."""
    return _usual(data["conditions"], "fixture", "default")


def _whole(data: Data) -> bool:
    """A regression of the whole list."""
    command = data["command"]
    return command.startswith("make regress") and not any(f"{name}=" in command for name in ("TEST", "TAGS", "SIM"))


def _study(data: Data) -> bool:
    """An ablation of all points on the shipped model."""
    chosen, taus = data["chosen"], list(range(TAU_MAX + 1))
    return (data["source"]["model"] == "fixture" and data["config"]["name"] == "default" and data["seed"] == 1
            and not data["orders"] and chosen["schedules"] == list(SCHEDULES) and chosen["taus"] == taus
            and len(chosen["sizes"]) == len(BLOCK_SIZES)
            and set(SCORED_LENGTHS) <= {row["tokens"] for row in data["rows"]})


def _real_study(data: Data) -> bool:
    """The same on a pretrained model, all its layers, with an order for each KV head."""
    model, tokens = data["source"]["model"].lower(), {row["tokens"] for row in data["rows"]}
    return (model.startswith(SMOLLM2) and bool(data["orders"]) and len(data["head_kinds"]) == 270
            and set(SCORED_LENGTHS) <= tokens)


def _pretrained(context: int) -> Callable[[Data], bool]:
    """Losses of SmolLM2 on half prose, half code, in windows of ``context``."""
    def usual(data: Data) -> bool:
        facts = data["conditions"]
        return (_usual(facts, SMOLLM2, "head64") and facts["stride"] == facts["context"] == context
                and [(part["name"], part["scored_tokens"]) for part in data["parts"]] == [("prose", 8191), ("code", 8191)])

    return usual


def _layer(phase: str, tokens: int, geometry: str = "", heads: int = 0, gbs: float = 51.2, latency: int = 100) -> Report:
    """A layer through the accelerator: the fixture model's, or of a geometry, some of its KV heads."""
    whose = [*([f"GEOMETRY={geometry}"] if geometry else []), *([f"HEADS={heads}"] if heads else [])]
    memory = [f"DRAM_GBS={gbs}", f"DRAM_LATENCY={latency}"]
    words = [*whose, f"TOKENS={tokens}", f"PHASE={phase}", *memory, "SEED=1"]
    usual = (gbs, latency) == (51.2, 100)
    parts = ["build/system", *([geometry] if geometry else []), phase, tokens, *([] if usual else [gbs, latency])]
    folder = "-".join(str(part) for part in parts)

    def shown(data: Data) -> bool:
        return data["verdict"] == "PASS" and data["command"].split() == ["make", "system", "SYSTEM=default", *words]

    return Report("system", f"{folder}/report.json", shown, True, (*words, f"OUT={folder}"))


LLAMA = "llama3-8b"
SYSTEM = Reports((
    _layer("prefill", 512), *(_layer("prefill", tokens, LLAMA) for tokens in (512, 1024, 2048)),
    _layer("prefill", 2048, LLAMA, gbs=25.6), _layer("prefill", 2048, LLAMA, latency=1000),
    _layer("prefill", 4096, LLAMA, 2), _layer("decode", 4096),
    *(_layer("decode", tokens, LLAMA) for tokens in (4096, 16384, 131072))))
PAPER = Report("paper", "build/paper/report.json", lambda d: d["command"] == "make paper SEED=1", True)
PERPLEXITY = Report("perplexity", "build/perplexity/perplexity.json", lambda d: (
    _shipped(d) and d["scored_tokens"] == 4095 and d["conditions"]["stride"] == d["conditions"]["context"] == 1024
    and all(x["alone"] is not None for x in d["layers"])), variables=("LAYER=all",))
PRETRAINED, PRETRAINED_LONG = (
    Report("perplexity", f"build/{folder}/perplexity.json", _pretrained(context), True,
           (f"MODEL={SMOLLM2}", *more, f"OUT=build/{folder}"))
    for folder, context, more in (("perplexity-smollm2", 1024, ()), ("perplexity-smollm2-8192", 8192, ("CONTEXT=8192",))))
PRECISION = Report("precision", "build/precision/precision.json",
                   lambda d: _shipped(d) and d["conditions"]["context"] == 512, True)
PRECISION_PRETRAINED = Report("precision", "build/precision-smollm2/precision.json", lambda d: (
    _usual(d["conditions"], SMOLLM2, "head64")
    and d["conditions"]["source"]["tokens"] == d["conditions"]["context"] == 512), True,
    (f"MODEL={SMOLLM2}", "TOKENS=512", "OUT=build/precision-smollm2"))
GENERATE = Report("generate", "build/generate/generate.json", lambda d: _shipped(d) and d["prompt_tokens"] == 320)
CHAT = Report("generate", "build/generate-smollm2/generate.json", lambda d: (
    _usual(d["conditions"], SMOLLM2, "head64") and d["conditions"]["source"]["question"] == QUESTION), True,
    (f"MODEL={SMOLLM2}", "OUT=build/generate-smollm2"))
BENCH_ATTENTION = Report("bench-attention", "build/bench-attention/bench-attention.json",
                         lambda d: d["config"] == "default" and len(d["timings"]) == 5, True)
SYNTHESIS = Report("synth", "build/synth/synth.json", lambda d: d["command"] == "make synth", True)
POWER = Report("power", "build/power/power.json", lambda d: d["command"] == "make power" and not d["skipped"] + d["faults"]
               and all("parts" in block for block in d["blocks"].values()), True)
ENCODINGS = Report("encodings", "build/encodings/encodings.json",
                   lambda d: d["command"] == "make encodings" and not d["skipped"] + d["faults"], True)
BENCH_SIM = Report("bench-sim", "build/bench-sim/bench-sim.json", lambda d: "TOKENS=2048" in d["command"], True)
ABLATION = Report("ablation", "build/ablation/ablation.json", _study, True)
REAL_CALIBRATION = Report("calibrate", "build/calibrate/smollm2.json", lambda d: (
    d["model"].lower().startswith(SMOLLM2) and d["tokens"] == SCORED_LENGTHS[-1] and len(d["effects"]) == 4), True,
    (f"MODEL={SMOLLM2}", "OUT=build/calibrate/smollm2.json"))
REAL_ABLATION = Report("ablation", "build/ablation-smollm2/ablation.json", _real_study, True, (
    f"MODEL={SMOLLM2}", "KEYS_PER_BLOCK=16", f"ORDERS={REAL_CALIBRATION.file}", "OUT=build/ablation-smollm2"))
REGRESSION = Report("regress", "build/regress/regress.json", _whole, True)
GATES = Report("regress", "build/gates-regress/regress.json", lambda d: d["passed"] and "TAGS=gates" in d["command"], True,
               ("TAGS=gates", "OUT=build/gates-regress"))
MUTATION = Report("mutate", "build/mutate/report.json", lambda d: "SEED=1" in d["command"] and "BLOCK=" not in d["command"], True)
COVERAGE = Report("coverage", "build/coverage/coverage.json", lambda d: "totals" in d, True)
