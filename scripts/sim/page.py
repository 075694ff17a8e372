"""The report as one HTML page that needs nothing but itself: styles inside, pictures as data."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape

from models.hardware.counter_info import COUNTER_INFO
from models.quality.bounds import LOSS_CHECK
from scripts.flow.html import document, facts, tile
from scripts.sim.figures import MAX_PIXELS, HeadPicture, error_figure, head_figure, sqnr_figure
from scripts.sim.record import HeadRow, PhaseRun, SimRecord
from scripts.sim.table import causes, failures, head_cells
from scripts.sim.wrong_figure import MOST, WrongPicture, wrong_figure

HEAD_COLUMNS = ("head", "phase", "mismatches", "cosine", "relative L1", "SQNR", "float SQNR", "largest error",
                "cycles", "% of ideal", "rescales")


def _image(png: bytes, alt: str) -> str:
    data = base64.b64encode(png).decode()
    return f'<img src="data:image/png;base64,{data}" alt="{escape(alt, quote=True)}">'


def _figure(png: bytes, alt: str, caption: str) -> str:
    return f"<figure>{_image(png, alt)}<figcaption>{escape(caption)}</figcaption></figure>"


def _tiles(record: SimRecord) -> str:
    """The four figures that a reader wants first."""
    t, heads = record.totals(), record.heads
    tiles = [tile("Mismatches", f"{t['mismatches']:,}", f"of {t['elements']:,} output values")]
    if heads:
        worst = min(heads, key=lambda h: h.metrics.sqnr_db)
        lost = max(heads, key=lambda h: h.loss_db)
        tiles.append(tile("Worst SQNR", f"{worst.metrics.sqnr_db:.1f} dB", f"{worst.name}, {worst.phase}"))
        tiles.append(tile("Largest loss to float", f"{lost.loss_db:.2f} dB", f"same 8-bit operands; {lost.name}, {lost.phase}"))
    if t["cycles"]:
        tiles.append(tile("Cycles", f"{t['cycles']:,}", f"{100 * t['ideal_cycles'] / t['cycles']:.1f} % of ideal"))
    return f'<div class="tiles">{"".join(tiles)}</div>'


def _heads_table(record: SimRecord) -> str:
    """A row per head; the last three cells belong to the engine run and span its heads."""
    units = ("", "", "values", "", "", "dB", "dB", "", "of the run", "", "rows")
    kinds = ("text", "num")
    header = "".join(f'<th class="{kinds[i > 1]}">{escape(name)}<small>{escape(unit)}</small></th>'
                     for i, (name, unit) in enumerate(zip(HEAD_COLUMNS, units, strict=True)))
    body, previous = [], None
    names = [h.run for h in record.heads]
    for i, (head, cells) in enumerate(zip(record.heads, head_cells(record), strict=True)):
        row = f'<td class="name">{escape(cells[0])}</td><td>{escape(cells[1])}</td>'
        row += "".join(f'<td class="num">{escape(c)}</td>' for c in cells[2:8])
        first = head.run != previous
        if first:
            span = next((n for n, run in enumerate(names[i:]) if run != head.run), len(names) - i)
            row += "".join(f'<td class="num shared" rowspan="{span}">{escape(c)}</td>' for c in cells[8:])
        previous = head.run
        classes = " ".join(c for c, on in (("first", first), ("bad", head.mismatches), ("odd", head.outside)) if on)
        body.append(f'<tr class="{classes}">{row}</tr>' if classes else f"<tr>{row}</tr>")
    return f'<div class="scroll"><table><thead><tr>{header}</tr></thead><tbody>{"".join(body)}</tbody></table></div>'


def _counters_summary(runs: Sequence[PhaseRun]) -> str:
    """A row per counter: what it counts, its sum over the runs, and what the models predicted."""
    header = ('<tr><th>counter</th><th>counts</th><th class="num">all runs</th><th class="num">predicted</th>'
              '<th class="num">runs that differ</th></tr>')
    rows = []
    for name in dict.fromkeys(name for run in runs for name in run.counters):
        unit, counts = COUNTER_INFO[name][:2] if name in COUNTER_INFO else ("", "")
        mine = [run for run in runs if name in run.counters]
        known = [run for run in mine if name in run.predicted]
        wrong = sum(name in run.counter_mismatches() for run in known)
        predicted = f"{sum(run.predicted[name] for run in known):,}" if len(known) == len(mine) else ""
        rows.append(f'<tr{" class=bad" if wrong else ""}><td class="name">{escape(name)}</td>'
                    f'<td class="wrap">{escape(f"{unit} {counts}".replace("`", ""))}</td>'
                    f'<td class="num">{sum(run.counters[name] for run in mine):,}</td><td class="num">{predicted}</td>'
                    f'<td class="num">{wrong or ("none" if known else "")}</td></tr>')
    return f'<div class="scroll"><table><thead>{header}</thead><tbody>{"".join(rows)}</tbody></table></div>'


def _counters_by_run(runs: Sequence[PhaseRun]) -> str:
    """A row per run, its name staying in sight while the counters scroll; one that differs from its prediction shows both."""
    names = list(dict.fromkeys(name for run in runs for name in run.counters))
    header = '<th class="stays">run</th>' + "".join(f'<th class="num">{escape(name)}</th>' for name in names)
    rows = []
    for run in runs:
        cells, wrong = [], run.counter_mismatches()
        for name in names:
            value = f"{run.counters[name]:,}" if name in run.counters else ""
            cells.append(f'<td class="num bad">{value} (predicted {wrong[name][1]:,})</td>' if name in wrong
                         else f'<td class="num">{value}</td>')
        rows.append(f'<tr><td class="name stays">{escape(run.name)}</td>{"".join(cells)}</tr>')
    return f'<div class="scroll"><table><thead><tr>{header}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'


def _counters(runs: Sequence[PhaseRun]) -> str:
    compared, wrong = sum(len(r.compared()) for r in runs), sum(len(r.counter_mismatches()) for r in runs)
    says = (f"All {compared:,} counters are what the cycle model predicted: every stall below is part of the design's timing"
            if not wrong else f"{wrong:,} of {compared:,} counters differ from the cycle model's prediction")
    return (f'<section><h2>Counters</h2><p class="small">{says}. Stalls overlap, so they do not add up to lost cycles; what was '
            f'lost is the difference of cycles to the ideal.</p>{_counters_summary(runs)}'
            f"<h3>By run</h3>{_counters_by_run(runs)}</section>")


def _wrong_values(record: SimRecord, pictures: Sequence[WrongPicture]) -> str:
    """Where the output differs from the golden model: a picture, and the first values."""
    if not record.wrong_values:
        return ""
    names = ("run", "head", "token", "tile", "row", "channel", "cycle", "got", "expected")
    header = "".join(f'<th class="{"text" if i < 2 else "num"}">{name}</th>' for i, name in enumerate(names))
    rows = []
    for value in record.wrong_values:
        channel = "empty flag" if value.channel is None else value.channel
        cells = (value.run, value.head, value.token, value.tile, value.row, channel, f"{value.cycle:,}", value.got,
                 value.expected)
        rows.append("<tr>" + "".join(f'<td class="{"text" if i < 2 else "num"}">{escape(str(c))}</td>'
                                     for i, c in enumerate(cells)) + "</tr>")
    total, listed = record.totals()["mismatches"], len(rows)
    which = f"the first of each run, {listed:,} of {total:,}" if listed < total else f"all {listed:,}"
    drawn = ""
    if pictures:
        more = f" The first {MOST} of {len(pictures)} heads." if len(pictures) > MOST else ""
        drawn = _figure(wrong_figure(pictures), "where wrong values lie",
                        f"Red: output values that differ from the golden model, token by channel.{more}")
    return (f'<section><h2>Wrong values</h2>{drawn}<div class="scroll tall"><table><thead><tr>{header}</tr></thead>'
            f'<tbody>{"".join(rows)}</tbody></table></div><p class="small">{which.capitalize()}. Row of the tile, channel of the '
            "row; cycle in which the row was taken, counted from the run's first row of Q; integers in units of v_scale / 256. "
            f"Inputs, log and outcome of each run are in {escape(record.kept or 'its folder')}.</p></section>")


def _causes(record: SimRecord) -> str:
    """What costs accuracy that comes from the input."""
    lines = "".join(f"<li>{escape(line)}</li>" for line in causes(record))
    return f'<ul class="causes">{lines}</ul>' if lines else ""


def _charts(heads: Sequence[HeadRow], bounded: bool) -> str:
    parts = []
    for phase in dict.fromkeys(h.phase for h in heads):
        rows = [h for h in heads if h.phase == phase]
        parts.append(f"<h3>{escape(phase.capitalize())}</h3>")
        parts.append(_figure(sqnr_figure(rows, bounded), f"SQNR per head, {phase}",
                             "SQNR against float32 SDPA on the float tensors. Grey is float attention on the same 8-bit "
                             "operands; the lower bars are what the engine loses to it (below 0: gained by chance), amber where "
                             "the input is outside the range that the bound is promised for."))
        parts.append(_figure(error_figure(rows), f"error per head, {phase}",
                             "Error of the RTL's output against float32 SDPA, in units of the output."))
    return "".join(parts)


def _patches(picture: HeadPicture) -> str:
    """Says so if a map has more cells than pixels."""
    large = max(picture.attention.shape) > MAX_PIXELS
    return f" Maps of more than {MAX_PIXELS} rows or columns show the maximum of each patch." if large else ""


def _repeat(record: SimRecord) -> str:
    dirty = " with uncommitted changes" if record.git.get("dirty") else ""
    revision = f"{record.git.get('revision', 'unknown')}{dirty}"
    run = [("run", record.run), ("seed", str(record.seed)), ("simulator", record.simulator), ("schedule", record.schedule),
           ("fused first step", "on" if record.fused else "off"), ("skipping", "on" if record.skip else "off"),
           ("TAU", record.tau), ("K smoothing", "on" if record.smooth_k else "off"), ("git revision", revision),
           ("started", record.started or "unknown"), ("wall time", f"{record.wall_seconds:.1f} s")]
    columns = [("Run", run), ("Configuration", record.config.items()), ("Source of the tensors", record.source.items()),
               ("Tool versions", record.versions.items())]
    boxes = "".join(f"<div><h3>{escape(title)}</h3>{facts(items)}</div>" for title, items in columns)
    return f'<pre class="command">{escape(record.command)}</pre><div class="columns">{boxes}</div>'


def render_unfinished(record: SimRecord) -> str:
    """The page of a run that is under way or was stopped: no figures of any run, only what ran and why there are none."""
    kind = record.verdict_kind
    return document(f"{kind}: FusionCIM simulation", "".join([
        "<header><h1>FusionCIM simulation</h1></header>",
        f'<p class="verdict {kind.lower()}"><strong>{kind}</strong>{escape(record.verdict().partition(": ")[2])}.</p>',
        f"<section><h2>This run</h2>{_repeat(record)}</section>"]))


def render_page(record: SimRecord, pictures: Sequence[HeadPicture], wrong: Sequence[WrongPicture] = ()) -> str:
    """The whole page; pictures are ordered by layer."""
    verdict, _, counts = record.verdict().partition(": ")
    failed = "".join(f"<li>{escape(line)}</li>" for line in failures(record))
    maps = "".join(
        _figure(head_figure(p), f"attention map and output error of {p.name}",
                f"Layer {p.layer}, head {p.name}. Left: causal attention of the float tensors (keys that a query may not see "
                f"are blank). Right: where the RTL's output is off, token by channel.{_patches(p)}")
        for p in sorted(pictures, key=lambda p: p.layer))
    bounded = any(c.name.startswith(LOSS_CHECK) for c in record.checks)
    notes = "".join(f"<p>{escape(text)}</p>" for text in (record.explanation(), f"{record.fit[:1].upper()}{record.fit[1:]}.")
                    if text.strip("."))
    return document(f"{verdict}: FusionCIM simulation", "".join([
        "<header><h1>FusionCIM simulation</h1>",
        "<p>Attention through the Verilog engine, compared with its golden model bit by bit and with float32 SDPA.</p></header>",
        f'<p class="verdict {verdict.lower()}"><strong>{verdict}</strong>{escape(counts)}.</p>',
        notes, f'<ul class="failures">{failed}</ul>' if failed else "", _causes(record), _tiles(record),
        _wrong_values(record, wrong),
        "<section><h2>Heads</h2>", _heads_table(record),
        '<p class="small">Mismatches count output values that differ from the golden model. All other figures compare the RTL '
        "with float32 SDPA on the float tensors; float SQNR is float attention on the same quantised Q, K, V. The heads of a KV "
        "group share one engine run, so cycles and rescales belong to the run.</p></section>",
        f"<section><h2>Where the error is</h2>{maps}</section>" if maps else "",
        f"<section><h2>Accuracy per head</h2>{_charts(record.heads, bounded)}</section>" if record.heads else "",
        _counters(record.runs) if record.runs else "",
        f"<section><h2>Repeat this run</h2>{_repeat(record)}</section>"]))
