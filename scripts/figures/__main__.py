"""``make figures``: write the figures of README and docs into the pages, or check that they are right (``CHECK=1``).

What the models give is computed; what a command measures is taken from its last report in ``build``. A report that is missing or
older than the sources is made again if that takes less than a minute or so, the others with ``RUN=1``.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from models.errors import FcimError, run_cli
from scripts.figures import (
    accelerator,
    attention,
    cut,
    encodings,
    energy,
    engine,
    gates,
    memories,
    mutation,
    paper,
    power,
    proofs,
    registers,
    reports,
    runs,
    schedules,
    split,
    synthesis,
    system,
    widths,
)
from scripts.figures.pages import Page, Piece
from scripts.figures.pictures import take_pictures
from scripts.figures.reports import Data, Report, Reports
from scripts.flow.arguments import Parser
from scripts.flow.files import write_atomic
from scripts.flow.sources import ROOT

PAGES = ("README.md", *sorted(p.relative_to(ROOT).as_posix() for p in (ROOT / "docs").glob("*.md")))


@dataclass(frozen=True)
class Figure:
    """A part of the pages' figures: how it is made, from which report if from one, and which regions it writes.

    ``always``: also without a report (``make`` then gets None), since only times come from it.
    """

    make: Callable[..., list[Piece]]
    regions: tuple[str, ...] = ()
    report: Report | Reports | None = None
    always: bool = False


def _regions(prefix: str) -> tuple[str, ...]:
    return tuple(name for name in Page.read(ROOT / schedules.SCHEDULES).regions() if name.startswith(prefix))


def all_figures() -> dict[str, Figure]:
    """All of them, by the names that ``FIGURES=`` takes."""
    names, real = _regions("ablation-"), _regions("real-")
    return {
        "sim": Figure(attention.simulation, ("sim",)),
        "heads": Figure(attention.all_heads),
        "head-stats": Figure(attention.head_kinds),
        "fixture": Figure(engine.fixture_record),
        "configurations": Figure(engine.configurations, ("configurations",)),
        "efficiency": Figure(engine.efficiency, ("efficiency",)),
        "latency": Figure(engine.latency, ("latency",)),
        "limits": Figure(engine.limits),
        "memories": Figure(memories.memories, ("memories",)),
        "widths": Figure(widths.widths, ("widths",)),
        "system-memories": Figure(memories.system_memories, ("system-memories",)),
        "template": Figure(accelerator.template, ("accelerator-template",)),
        "system-plan": Figure(system.system_plan, ("system-plan",)),
        "system-model": Figure(system.system_model, ("system-model",)),
        "system-runs": Figure(system.system_runs, ("system-runs", "system-traffic"), reports.SYSTEM),
        "energy-constants": Figure(energy.constants, ("energy-constants", "energy-formula")),
        "energy-netlists": Figure(energy.netlists, ("energy-netlists",)),
        "energy-bits": Figure(energy.bits, ("energy-bits",)),
        "energy-shapes": Figure(energy.shapes, ("energy-shapes",)),
        "energy-calls": Figure(energy.accelerator, ("energy-calls", "energy-parts", "energy-swings")),
        "registers": Figure(registers.registers, ("registers",)),
        "descriptor": Figure(registers.descriptor, ("descriptor", "statuses")),
        "paper-accounting": Figure(paper.accounting, ("paper-accounting",)),
        "paper-cells": Figure(paper.cells, ("paper-cells",)),
        "paper": Figure(paper.comparison, paper.REGIONS, reports.PAPER),
        "jobs": Figure(engine.jobs),
        "bench-sim": Figure(runs.bench_sim, ("bench-sim",), reports.BENCH_SIM, True),
        "bench-attention": Figure(runs.bench_attention, ("bench-attention",), reports.BENCH_ATTENTION, True),
        "perplexity": Figure(runs.perplexity, ("perplexity", "layers"), reports.PERPLEXITY),
        "perplexity-smollm2": Figure(runs.pretrained, ("perplexity-smollm2",), reports.PRETRAINED),
        "perplexity-smollm2-8192": Figure(runs.pretrained_long, ("perplexity-smollm2-8192",), reports.PRETRAINED_LONG),
        "generate": Figure(runs.generate, ("text",), reports.GENERATE),
        "chat": Figure(runs.chat, ("chat",), reports.CHAT),
        "precision": Figure(runs.precision, ("precision", "operands", "decode"), reports.PRECISION),
        "precision-smollm2": Figure(runs.precision_pretrained, ("precision-smollm2", "operands-smollm2", "decode-smollm2"),
                                    reports.PRECISION_PRETRAINED),
        "ablation": Figure(partial(schedules.schedules, names=names), ("schedules", *names), reports.ABLATION),
        "calibrate-smollm2": Figure(schedules.calibrated, ("calibrate-smollm2",), reports.REAL_CALIBRATION),
        "ablation-smollm2": Figure(partial(schedules.real, names=real), real, reports.REAL_ABLATION),
        "split": Figure(split.split, (split.REGION,)),
        "cut": Figure(cut.cut, (cut.REGION, cut.CELLS_REGION)),
        "proofs": Figure(proofs.proofs, ("proofs", "proofs-properties")),
        "power": Figure(power.power, ("power-operations", "power-fits", "power-rows", "power-size"), reports.POWER),
        "encodings": Figure(encodings.encodings, ("encodings", "encodings-cells", "encodings-spread"), reports.ENCODINGS),
        "gates": Figure(gates.gates, ("gates", "gates-core"), reports.GATES),
        "synthesis": Figure(synthesis.synthesis, ("synth-tiny", "synth-default", "synth-macros", "synth-summary"),
                            reports.SYNTHESIS),
        "waveforms": Figure(list),
        "regression": Figure(lambda data: [], (), reports.REGRESSION),
        "mutation": Figure(mutation.mutation, ("mutation",), reports.MUTATION),
        "coverage": Figure(runs.coverage, ("coverage",), reports.COVERAGE),
    }


def chosen(text: str | None, names: Sequence[str]) -> list[str]:
    """The names of a list, all of them if there is none.

    Raises:
        FcimError: one is unknown.
    """
    given = [name.strip() for name in (text or "").split(",") if name.strip()]
    for name in given:
        if name not in names:
            near = difflib.get_close_matches(name, names, 1)
            raise FcimError(f"FIGURES = {name} is none of the figures" + (f"; did you mean {near[0]}?" if near else "")
                            + f" (there are: {', '.join(names)})")
    return given or list(names)


def report_for(report: Report | Reports, run: bool) -> tuple[Data | None, str]:
    """A report's data to write from, made again where that is wanted, and what there is to say about it."""
    data = report.data()
    stale = data is not None and report.outdated()
    if (data is None or stale) and (run or not report.long):
        print(f"running: {report.command}", flush=True)
        report.make()
        data, stale = report.data(), False
    if data is None:
        return None, f"no report of the usual run in {report.file}; run: {report.command}"
    return data, f"from {report.file}" + (f", which is older than the sources; run: {report.command}" if stale else "")


def report_to_check(report: Report | Reports) -> tuple[Data | None, str]:
    """A report's data if it says something about these sources."""
    data = report.data()
    if data is None or report.outdated():
        return None, f"not checked: that needs a report of these sources; run: {report.command}"
    return data, f"checked against {report.file}"


def pieces_of(figure: Figure, check: bool, run: bool) -> tuple[list[Piece] | None, str]:
    """What a figure's generator gives, None if it has nothing to go by, and a remark."""
    if figure.report is None:
        return figure.make(), ""
    data, remark = report_to_check(figure.report) if check else report_for(figure.report, run)
    if data is not None:
        return figure.make(data), remark
    if not figure.always:
        return None, remark
    return figure.make(None), "times and speeds only in their form" if check else f"times and speeds stay as they are: {remark}"


def put(pieces: Sequence[Piece], folder: Path, check: bool) -> tuple[list[str], list[str]]:
    """Bring pieces into the pages; gives what was wrong there, and what had no place. A page is read when all figures for it
    are known and written at once, so that two commands at the same time do not undo each other's work."""
    wrong, unplaced = [], []
    for name in dict.fromkeys(piece.page for piece in pieces):
        page = Page.read(folder / name)
        before = page.text
        wrong += [f"{name}: {line}" for piece in pieces if piece.page == name for line in page.put(piece)]
        unplaced += [f"{name}: {line}" for line in page.unplaced]
        if not check and page.text != before:
            write_atomic(page.path, page.text)
    return wrong, unplaced


def main(arguments: Sequence[str] | None = None, folder: Path = ROOT) -> int:
    """Write or check; 1 if a check finds something, or if something could not be written."""
    args = Parser("figures", "Write the figures of README and docs into the pages, or check them.").parse_args(arguments)
    figures = all_figures()
    bad, nowhere = 0, []
    for name in chosen(args.figures, list(figures)):
        pieces, remark = pieces_of(figures[name], args.check, args.run)
        wrong, unplaced = put(pieces or [], folder, args.check)
        bad, nowhere = bad + len(wrong), nowhere + unplaced
        verdict = "left" if pieces is None else "right" if not wrong else f"{len(wrong)} {'to mend' if args.check else 'mended'}"
        print(f"{name}: {verdict}{f' ({remark})' if remark else ''}", flush=True)
        for line in [*wrong, *(() if args.check else take_pictures(name))]:
            print(f"  {line}")
    if args.check:
        print("every figure that could be checked is right" if not bad else f"{bad} to mend; run: make figures")
        return 1 if bad else 0
    for line in nowhere:
        print(f"not written: {line}")
    return 1 if nowhere else 0


if __name__ == "__main__":
    torch.set_num_threads(1)
    run_cli(main)
