"""Figures of the orders of the keys, from the last ``make ablation``."""

from __future__ import annotations

import re
from collections.abc import Sequence

from models.hardware.orders import Effect
from models.hardware.schedules import TileOptions
from models.tensors.text import CODE, PROSE
from scripts.figures.machine import fill, near
from scripts.figures.pages import Piece
from scripts.figures.reports import ABLATION, REAL_ABLATION, Data
from scripts.figures.text import NUMBER, table
from scripts.studies.schedules import goals as gl
from scripts.studies.schedules.rows import Row, pick
from scripts.studies.schedules.settings import CALIBRATED, NATURAL

README, SCHEDULES = "README.md", "docs/schedules.md"
SHARE = 0.005       # of a figure, or one in its last digit: what other roundings of the model's float32 may change


def _figure(text: str) -> str:
    """A figure of a table, with its tolerance; with a mark behind it, as in ``91.1 !``."""
    match = re.match(NUMBER, text)
    if not match:
        return text
    value, digits = float(match[0].replace(",", "")), len(match[0].partition(".")[2])
    spec = f"{'+' if match[0][0] == '+' else ''},.{digits}f"
    return near(value, spec, max(10.0 ** -digits, SHARE * abs(value))) + text[match.end():]


def tables(markdown: str, names: Sequence[str], prefix: str = "ablation-") -> list[Piece]:
    """The tables of a run that the page shows, by their names there, which begin with ``prefix``.

    A table whose name the run lacks is left as it is: a run on another model or of fewer lengths has not all of them.
    """
    marked = re.findall(r"<!-- ablation: ([a-z-]+) -->\n(.*?)\n<!-- end -->", markdown, re.S)
    found = {name: body.split("\n") for name, body in marked}
    pieces = []
    for name in (name.removeprefix(prefix) for name in names if name.startswith(prefix)):
        if name in found:
            rows = [[cell.strip() for cell in line[1:-1].split(" |")] for line in found[name]]
            words = sum(cell == "---" for cell in rows[1])
            body = [[*row[:words], *map(_figure, row[words:])] for row in rows[2:]]
            pieces.append(Piece(SCHEDULES, table(rows[0], body, words), f"{prefix}{name}"))
    return pieces


def _random(rows: list[Row]) -> list[tuple[str, dict[str, object]]]:
    """What the page says of random tensors and of the planted sink."""
    def rescales(source: str, setting: TileOptions) -> float:
        return pick(rows, source=source, setting=setting)[0].rescales

    def against(setting: TileOptions) -> tuple[float, str]:
        more = 100 * (rescales(gl.RANDOM, setting) / rescales(gl.RANDOM, NATURAL) - 1)
        return abs(more), "better" if more < 0 else "worse"

    (one, how_one), (two, how_two) = against(TileOptions("diagonal_first")), against(TileOptions("diagonal_first", True))
    saved = {source: 100 * (1 - row.rescales / row.new_maxima) for source in (gl.TRAINED, gl.PLANTED, gl.RANDOM)
             for row in pick(rows, source=source, setting=NATURAL)}
    sink = [rescales(gl.PLANTED, TileOptions("diagonal_first", fused)) / rescales(gl.PLANTED, NATURAL) for fused in (True, False)]
    return [
        ("there `diagonal_first` in blocks of its own is {one:.0f~2} % *{how_one}* than natural order, and fused {two:.0f~2} "
         "% {how_two}.",
         {"one": one, "how_one": how_one, "two": two, "how_two": how_two}),
        ("An integer running maximum alone saves {sink:.0f~2} % (with a sink), {model:.0f~2} % (model) and {random:.0f~2} % "
         "(random)",
         {"sink": saved[gl.PLANTED], "model": saved[gl.TRAINED], "random": saved[gl.RANDOM]}),
        ("`diagonal_first` rescales {fused:.1f~0.2} (fused) to {single:.1f~0.2} times as often as natural order",
         {"fused": sink[0], "single": sink[1]})]


def _prices(rows: list[Row], decode: list[Row], short: list[Row]) -> list[tuple[str, dict[str, object]]]:
    """What a threshold and decode cost, and what skipping finds."""
    def lost(where: list[Row], tau: int, schedule: str = "diagonal_first") -> float | None:
        found = pick(where, source=gl.TRAINED, setting=TileOptions(schedule, schedule != "natural", tau=tau))
        return found[0].lost_db if found else None

    natural = pick(rows, source=gl.TRAINED, setting=TileOptions(tau=4))[0]
    zero = pick(rows, source=gl.TRAINED, setting=TileOptions("diagonal_first", True))[0]
    return [
        ("rounds away add up, {one:.3f~3e-3} dB at 1, {two:.3f~5e-3} dB at 2, {four:.3f~2e-2} dB at 4.",
         {"one": lost(rows, 1), "two": lost(rows, 2), "four": lost(rows, 4)}),
        ("At 512 keys it is {one:.3f~3e-3}, {two:.3f~5e-3} and {four:.3f~1e-2} dB.",
         {"one": lost(short, 1), "two": lost(short, 2), "four": lost(short, 4)}),
        ("at tau = 4 natural order needs only {rescales:.2f~0.02} rescales a row itself, and loses only {lost:.2f~0.01} dB",
         {"rescales": natural.rescales, "lost": natural.lost_db}),
        ("Over 4096 keys {zero:.2f~0.02} dB are lost at tau 0 and {one:.2f~0.02} dB at tau 1.",
         {"zero": lost(decode, 0), "one": lost(decode, 1)}),
        ("({pairs:.0f~1} % of the single (row, block) pairs are all zero, {blocks:.1f~0.1} % of the blocks)",
         {"pairs": 100 * zero.zero_row_blocks, "blocks": 100 * zero.zero_blocks})]


def _goals(goals: list[Data]) -> list[tuple[str, str, dict[str, object]]]:
    """What the pages say of the goals: page, text, figures."""
    def goal(size: int, setting: str, name: str) -> float | None:
        found = [g[name] for g in goals if g["keys_per_block"] == size and g["point"] == setting]
        return None if not found or found[0] is None else found[0] if name == "lost_db" else 100 * found[0]

    first, sink = "diagonal_first + fused", "sink_diagonal + fused"
    zero, one, two, four = first, *(f"{first}, tau {tau}" for tau in (1, 2, 4))
    values: dict[str, object] = {
        **{f"fewer{tau}": goal(16, setting, "fewer") for tau, setting in enumerate((zero, one, two))},
        **{f"lost{tau}": goal(16, setting, "lost_db") for tau, setting in ((0, zero), (1, one), (2, two), (4, four))},
        "fewer32": goal(32, one, "fewer"), "lost32": goal(32, one, "lost_db"), "cycles32": goal(32, one, "more_cycles"),
        "fewer64": goal(64, one, "fewer"), "cycles64": goal(64, one, "more_cycles"), "online16": goal(16, one, "fewer_online"),
        "online32": goal(32, one, "fewer_online"),
        **{f"sink{size}": goal(size, f"{sink}, tau 1", "fewer_sink") for size in (16, 32, 64)}}
    texts = (
        (SCHEDULES, "`diagonal_first` + fused saves {fewer0:.1f~0.1} % at tau 0 for {lost0:.3f~2e-3} dB, {fewer1:.1f~0.1} % at "
         "tau 1 for {lost1:.3f~3e-3} dB, and at tau 2 {fewer2:.1f~0.1} %, but for {lost2:.3f~5e-3} dB; tau 4 costs "
         "{lost4:.3f~2e-2} dB."),
        (README, "It is met with 32 keys a block at tau 1; with 16 keys tau 1 saves a little too little, and tau 2, with "
         "{fewer2:.1f~0.1} %, loses {lost2:.3f~5e-3} dB."),
        (SCHEDULES, "by `diagonal_first` + fused, tau 1: {fewer32:.1f~0.1} % for {lost32:.3f~3e-3} dB, cycles "
         "{cycles32:+.2f~0.01} % against"),
        (SCHEDULES, "tau 1 saves {fewer64:.1f~0.1} %, but the block size costs {cycles64:.2f~0.01} % of the cycles."),
        (SCHEDULES, "16 keys a block at tau 1 give {online16:.1f~0.1} % at {lost1:.3f~3e-3} dB, 32 keys at tau 1 "
         "{online32:.1f~0.1} % at {lost32:.3f~3e-3} dB."),
        (SCHEDULES, "at tau 1 then saves {sink16:.1f~0.2} % with 16 keys a block, {sink32:.1f~0.2} % with 32 and "
                    "{sink64:.1f~0.2} % with "
         "64"))
    return [(page, text, values) for page, text in texts]


def _readme_table(goals: list[Data]) -> Piece:
    """The three settings that the README shows."""
    rows = []
    first = "diagonal_first + fused"
    for size, setting in ((16, first), (16, f"{first}, tau 1"), (32, f"{first}, tau 1")):
        goal = next(g for g in goals if g["keys_per_block"] == size and g["point"] == setting)
        rows.append([str(size), setting.replace("diagonal_first", "`diagonal_first`"), *(_figure(text) for text in (
            f"{100 * goal['fewer']:.1f} %", f"{goal['lost_db']:.3f} dB", f"{100 * goal['more_cycles']:.2f} %",
            f"{100 * goal['fewer_online']:.1f} %"))])
    columns = ("keys per block", "order", "fewer rescales", "SQNR lost", "more cycles than natural, 16 keys",
               "fewer than online softmax")
    return Piece(README, table(columns, rows, 2), "schedules")


def schedules(data: Data, names: Sequence[str]) -> list[Piece]:
    """Tables and sentences of both pages; ``names``: the regions of the page about schedules."""
    size, bits = data["config"]["keys_per_block"], data["config"]["prob_bits"]
    every = pick([Row(**row) for row in data["rows"]], keys_per_block=size, prob_bits=bits)
    prefill = pick(every, phase="prefill", tokens=gl.TOKENS)
    said = _random(prefill) + _prices(prefill, pick(every, phase="decode"),
                                      pick(every, phase="prefill", tokens=512))
    minutes, seconds = divmod(round(data["seconds"]), 60)
    said += [("The default run takes {minutes:~time} min {seconds:~time} s", {"minutes": minutes, "seconds": seconds}),
             ("**random**: Gaussian q, k, v, drawn with seed {seed:}", {"seed": data["seed"]})]
    markdown = ABLATION.path.with_suffix(".md").read_text(encoding="utf-8")
    return [*tables(markdown, names), _readme_table(data["goals"]),
            *(Piece(SCHEDULES, fill(text, **values)) for text, values in said),
            *(Piece(page, fill(text, **values)) for page, text, values in _goals(data["goals"]))]


def real(data: Data, names: Sequence[str]) -> list[Piece]:
    """Tables and sentences about a pretrained model; ``names``: their regions on the page about schedules."""
    size, bits = data["config"]["keys_per_block"], data["config"]["prob_bits"]
    every = pick([Row(**row) for row in data["rows"]], keys_per_block=size, prob_bits=bits, phase="prefill", source=gl.TRAINED)
    at = pick(every, tokens=gl.TOKENS)
    lazy = [TileOptions("sink_diagonal", True, tau=tau) for tau in (1, 2)]
    (own,), (natural,), (first,), (one,), (two,) = (pick(at, setting=of) for of in (
        CALIBRATED, NATURAL, TileOptions("diagonal_first", True), *lazy))
    saved = "with tau 1 {it}saves {one:.1f~0.3} % for {one_db:.3f~3e-3} dB"
    values = {"one": 100 * one.fewer, "one_db": one.lost_db, "two": 100 * two.fewer, "two_db": two.lost_db}
    worst = gl.worst_layers(every, first.setting)[gl.TRAINED].times
    said = [
        (SCHEDULES, "saves {fewer:.1f~0.3} % of natural order's rescales over all {heads:} heads at {tokens:} tokens and loses "
         "{lost:.3f~3e-3} dB",
         {"fewer": 100 * own.fewer, "heads": len(own.rescales_of_head), "tokens": own.tokens, "lost": own.lost_db}),
        (SCHEDULES, saved + ", and with tau 2 {two:.1f~0.3} % for {two_db:.3f~3e-3} dB", {**values, "it": ""}),
        (README, saved, {**values, "it": "it "}),
        (SCHEDULES, "A probability has {natural:.2f~0.03} set bits in natural order, {own:.2f~0.03} with each KV head's own",
         {"natural": natural.set_bits, "own": own.set_bits}),
        (SCHEDULES, "`diagonal_first` + fused, the best of the fixture's, saves {first:.1f~0.5} % here",
         {"first": 100 * first.fewer}),
        (README, "rescales up to {worst:.0f~1} times as often as natural order does in the worst layer", {"worst": worst})]
    markdown = REAL_ABLATION.path.with_suffix(".md").read_text(encoding="utf-8")
    return [*tables(markdown, names, "real-"), *(Piece(page, fill(text, **values)) for page, text, values in said)]


def calibrated(data: Data) -> list[Piece]:
    """What the orders of a pretrained model's KV heads do on the texts that they were chosen on and on held-out ones."""
    effects = [Effect(**effect) for effect in data["effects"]]
    body = [[did.text, *map(_figure, (f"{did.natural / did.rows:.3f}", f"{did.rescales / did.rows:.3f}", f"{100 * did.fewer:.1f}",
                                      f"{did.lost_db:.3f}", f"{did.worst_db:.2f}"))] for did in effects]
    columns = ("text", "natural order", "each its own", "fewer %", "SQNR lost, dB", "by the worst head")
    (code,), (prose,) = ([did for did in effects if did.text == f"{kind}, held out"] for kind in (CODE, PROSE))
    said = fill("saves {code:.1f~0.3} % of natural order's rescales on code for {code_db:.3f~3e-3} dB and {prose:.1f~0.3} % on "
                "prose for {prose_db:.3f~3e-3} dB", code=100 * code.fewer, code_db=code.lost_db, prose=100 * prose.fewer,
                prose_db=prose.lost_db)
    return [Piece(SCHEDULES, table(columns, body, 1), "calibrate-smollm2"), Piece(README, said), Piece(SCHEDULES, said)]
