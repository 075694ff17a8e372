"""The ablation's tables: by length, setting, kind of head, block size and bits; what the Verilog confirmed, and the goals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from models.hardware.config import EngineConfig
from models.hardware.schedules import SCHEDULES, TileOptions
from scripts.studies.schedules import goals as gl
from scripts.studies.schedules.report import Sheet, number, percent
from scripts.studies.schedules.rows import Row, by_layer, pick, swept_sets
from scripts.studies.schedules.rtl import Confirmed
from scripts.studies.schedules.settings import CALIBRATED, NATURAL, ORDERS

FEW_TAUS = (0, 1, 4)        # shown by block size
LAYER_SETTINGS = [NATURAL, *(TileOptions(schedule, True) for schedule in SCHEDULES), TileOptions("sink_diagonal", True, tau=1),
                  CALIBRATED]
FUSED = [NATURAL, *(TileOptions(schedule, True) for schedule in SCHEDULES[1:])]


def _slug(source: str) -> str:
    return source.replace(" + ", "-").replace(" ", "-")


def _settings(rows: list[Row], wanted: Callable[[TileOptions], bool] = lambda setting: True) -> list[TileOptions]:
    return [setting for setting in dict.fromkeys(row.setting for row in rows) if wanted(setting)]


def shown_tokens(rows: list[Row]) -> int:
    """The length that most tables are about: the longest at which outputs were computed, else the longest."""
    prefill = pick(rows, phase="prefill")
    return max([r.tokens for r in prefill if r.mean_sqnr_db is not None] or [r.tokens for r in prefill])


def rescales_sheet(rows: list[Row], tokens: int) -> Sheet:
    """Rescales per row of the scored settings on all sets of tensors, and what they cost the model in accuracy."""
    at = pick(rows, phase="prefill", tokens=tokens)
    here = {source: pick(at, source=source) for source in dict.fromkeys(row.source for row in at)}
    sheet = Sheet("rescales", f"rescales per row, prefill of {tokens:,} tokens",
                  ["order", "first step", "tau", *here, "SQNR lost on the model, dB", f"set bits of P, of {at[0].prob_bits}"], 2)
    natural = [pick(found, setting=NATURAL)[0] for found in here.values()]
    sheet.add("any, always rescaling", "", "", *(number(r.always, 1) for r in natural), "", "")
    sheet.add("natural, every new maximum rescales (no integer reference)", "", "",
              *(number(r.new_maxima, 3) for r in natural), "", "")
    scored = [row for row in here[gl.TRAINED] if row.lost_db is not None] or here[gl.TRAINED]
    for row in sorted(scored, key=lambda r: (ORDERS.index(r.schedule), r.fused, r.tau)):
        name = ("each its own", "", "") if row.setting == CALIBRATED else (
            f"`{row.schedule}`", "fused" if row.fused else "one block", str(row.tau))
        cells = [pick(found, setting=row.setting) for found in here.values()]
        sheet.add(*name, *(number(of[0].rescales if of else None, 3) for of in cells), number(row.lost_db, 3),
                  number(row.set_bits))
    return sheet


def layers_sheet(rows: list[Row], tokens: int, name: str, what: str, values: Callable[[Row], dict[str, float]]) -> Sheet:
    """A figure of every layer of the model in the orders of :data:`LAYER_SETTINGS`; ``values``: of a row by head."""
    found = [row for setting in LAYER_SETTINGS for row in pick(rows, setting=setting) if values(row)]
    sheet = Sheet(name, f"{gl.TRAINED}: {what} by layer, {tokens:,} tokens", ["layer", *(row.setting.name for row in found)])
    columns = [by_layer(values(row)) for row in found]
    for layer in columns[0] if columns else ():
        sheet.add(layer.removeprefix("L"), *(number(column[layer], 3) for column in columns))
    return sheet


def safe_sheet(rows: list[Row]) -> Sheet:
    """Where each order needs most rescales beside natural order, by source: over all layers and lengths."""
    sources = list(dict.fromkeys(row.source for row in rows))
    sheet = Sheet("safe", "most rescales beside natural order at tau 0, of any layer in any prefill",
                  ["order", *(f"{source}, times" for source in sources), f"never {gl.WORSE:.0%} worse"])
    safe = gl.safe_settings(rows)
    for setting in _settings(rows, lambda s: s.tau == 0 and s != NATURAL):
        worst = gl.worst_layers(rows, setting)
        verdict = "-" if setting == CALIBRATED else "yes" if setting in safe else "no"
        sheet.add(setting.name, *(number(worst[s].times if s in worst else None) for s in sources), verdict)
    return sheet


def lengths_sheet(rows: list[Row], source: str) -> Sheet:
    """Rescales per row by length; the first lines are an online softmax without schedule or integer reference."""
    lengths = sorted({row.tokens for row in rows})
    sheet = Sheet(f"lengths-{_slug(source)}", f"{source}: rescales per row by length", ["order", "rule", *map(str, lengths)], 2)

    def line(schedule: str, rule: str, name: str, setting: TileOptions) -> None:
        found = [pick(rows, tokens=n, setting=setting) for n in lengths]
        if all(found):
            sheet.add(schedule, rule, *(number(getattr(of[0], name), 3) for of in found))

    line("any", "always", "always", NATURAL)
    for schedule in SCHEDULES:
        line(schedule, "every new maximum", "new_maxima", TileOptions(schedule))
        for fused, tau in ((False, 0), (True, 0), (True, 1), (True, 2), (True, 4)):
            rule = "integer reference" + (", fused" if fused else "") + (f", tau {tau}" if tau else "")
            line(schedule, rule, "rescales", TileOptions(schedule, fused, tau=tau))
    line("each its own", "integer reference", "rescales", CALIBRATED)
    return sheet


def settings_sheet(rows: list[Row], source: str, phase: str, tokens: int) -> Sheet:
    """Every setting that was scored (or, if none was, counted) on one set of tensors at one length."""
    what = f"prefill of {tokens:,} tokens" if phase == "prefill" else f"decode, each token against up to {tokens:,} keys"
    sheet = Sheet(f"points-{_slug(source)}-{phase}", f"{source}: {what}", [
        "point", "rescales", "fewer %", "same tau", "blocks %", "skip %", "dB", "worst", "lost", "set bits", "cycles",
        "skipping"])
    for row in [r for r in rows if r.mean_sqnr_db is not None] or rows:
        sheet.add(row.setting.name, number(row.rescales, 4), percent(row.fewer), percent(row.fewer_same_tau),
                  percent(row.moved_blocks), percent(row.skipped_values, 2), number(row.mean_sqnr_db), number(row.worst_sqnr_db),
                  number(row.lost_db, 3), number(row.set_bits), number(row.cycles, 0), number(row.cycles_skipping, 0))
    return sheet


def energy_sheet(rows: list[Row], source: str, phase: str, tokens: int) -> Sheet:
    """The counts that an energy model takes, sums over all tiles of all heads, at threshold 0 and 1."""
    sheet = Sheet(f"energy-{_slug(source)}-{phase}", f"{source}: counts for energy, {phase}, {tokens:,} keys", [
        "point", "rescaled rows", "Mbit shifted", "V MB", "V MB skipping", "OP-CIM Mbit-ops", "skipping"])
    for row in [r for r in rows if r.tau <= 1]:
        sheet.add(row.setting.name, number(row.rescaled_rows, 0), *(number(n / 1e6, 2) for n in (
            row.shifted_bits, row.v_bytes, row.v_bytes_skipping, row.op_bit_ops, row.op_bit_ops_skipping)))
    return sheet


def taus_sheet(rows: list[Row], source: str, tokens: int) -> Sheet:
    """Rescales per row by threshold."""
    taus = sorted({row.tau for row in rows})
    sheet = Sheet(f"taus-{_slug(source)}", f"{source}: rescales per row by tau, {tokens:,} tokens", ["order", *map(str, taus)])
    for setting in _settings(rows, lambda s: s.tau == 0):
        found = [pick(rows, setting=TileOptions(setting.schedule, setting.fused, tau=tau)) for tau in taus]
        sheet.add(setting.name, *(number(of[0].rescales, 3) if of else "-" for of in found))
    return sheet


def kinds_sheet(rows: list[Row], counts: Counter[str], tokens: int, name: str, what: str, attribute: str) -> Sheet:
    """A figure by kind of head at thresholds 0 and 1; ``attribute`` of a row holds it by kind."""
    sheet = Sheet(name, f"{gl.TRAINED}: {what} by kind of head, {tokens:,} tokens",
                  ["order", *(f"{kind} ({n})" for kind, n in counts.items())])
    for row in [row for row in rows if row.tau <= 1 and getattr(row, attribute)]:
        sheet.add(row.setting.name, *(number(getattr(row, attribute).get(kind), 3) for kind in counts))
    return sheet


def sizes_sheet(rows: list[Row], source: str, phase: str) -> Sheet:
    """Rescales per row by length and block size."""
    sizes, lengths = sorted({row.keys_per_block for row in rows}), sorted({row.tokens for row in rows})
    sheet = Sheet(f"sizes-{_slug(source)}-{phase}", f"{source}: {phase}, rescales per row by keys and keys per block",
                  ["keys", "point", *map(str, sizes)], 2)
    for tokens in lengths:
        for setting in _settings(rows, lambda s: s in FUSED or (s.fused and s.tau in FEW_TAUS)):
            found = [pick(rows, tokens=tokens, keys_per_block=size, setting=setting) for size in sizes]
            sheet.add(str(tokens), setting.name, *(number(of[0].rescales, 3) if of else "-" for of in found))
    return sheet


def skipped_sheet(cfg: EngineConfig, rows: list[Row], tokens: int) -> Sheet:
    """Share of values skipped by bits of a probability: fewer bits reach less far below the maximum."""
    here = [row for row in pick(rows, keys_per_block=cfg.keys_per_block, tau=0) if row.source != gl.RANDOM]
    bits = sorted({row.prob_bits for row in here})
    sheet = Sheet("skipped", "values that need not be streamed at tau = 0, %, by bits of a probability",
                  ["tensors", "phase", "order", *(f"{b} bits" for b in bits)], 3)
    for source, phase, keys in swept_sets(here, "prob_bits"):
        if phase == "decode" or keys == tokens:
            found = pick(here, source=source, phase=phase, tokens=keys)
            for setting in _settings(found, FUSED.__contains__):
                cells = [pick(found, setting=setting, prob_bits=b)[0] for b in bits]
                sheet.add(source, f"{phase}, {keys:,} keys", setting.name, *(percent(c.skipped_values) for c in cells))
    return sheet


def skipped_lengths_sheet(rows: list[Row]) -> Sheet:
    """Share of values skipped in prefill by length, at the configuration's bits of a probability."""
    lengths = sorted({row.tokens for row in pick(rows, phase="prefill")})
    sheet = Sheet("skipped-lengths", "values that need not be streamed in prefill at tau = 0, %, by tokens",
                  ["tensors", "order", *(f"{n:,}" for n in lengths)], 2)
    for source in [s for s in (gl.TRAINED, gl.PLANTED) if pick(rows, source=s)]:
        found = pick(rows, source=source, phase="prefill", tau=0)
        for setting in _settings(found):
            cells = [pick(found, tokens=n, setting=setting)[0] for n in lengths]
            sheet.add(source, setting.name, *(percent(c.skipped_values, 2) for c in cells))
    return sheet


def rtl_sheet(found: list[Confirmed]) -> Sheet:
    """What the Verilog said."""
    sheet = Sheet("rtl", "confirmed by the Verilog, one tile each", [
        "point", "skip", "phase", "keys", "mismatches", "rescaled rows", "skipped blocks", "cycles", "agrees"], 3)
    for c in found:
        sheet.add(c.setting, "yes" if c.skip else "no", c.phase, str(c.tokens), str(c.mismatches),
                  str(c.rescaled_rows), str(c.skipped_blocks), number(c.cycles, 0),
                  "yes" if c.ok else "; ".join(c.problems) or "no")
    return sheet


def goals_sheet(found: list[gl.Goal]) -> Sheet:
    """Every setting against the goals; ``!`` marks what is missed."""
    title = (f"goals at {gl.TOKENS:,} tokens: {gl.FEWER:.0%} fewer rescales than natural order (tau 0), at most {gl.LOST_DB} dB "
             f"lost, random tensors at most {gl.GAUSSIAN:.0%} more (same tau), cycles within {gl.CYCLES:.0%} of natural order")
    sheet = Sheet("goals", title, ["keys", "point", "fewer %", "lost dB", "random x", "cycles %", "reached",
                                   "cycles %, same size", "fewer than online %", "fewer with a sink %"], 2)
    for goal in found:
        more = "-" if goal.more_cycles is None else f"{100 * goal.more_cycles:+.2f}"
        same = "-" if goal.more_cycles_same_size is None else f"{100 * goal.more_cycles_same_size:+.2f}"
        marks = [f"{text}{'' if ok else ' !'}" for text, ok in zip(
            (percent(goal.fewer), number(goal.lost_db, 3), number(goal.gaussian), more), goal.reached, strict=True)]
        sheet.add(str(goal.keys_per_block), goal.setting.name, *marks, "yes" if all(goal.reached) else "no", same,
                  percent(goal.fewer_online), percent(goal.fewer_sink))
    return sheet


def all_sheets(cfg: EngineConfig, rows: list[Row], kinds: dict[str, str]) -> list[Sheet]:
    """All tables of the measurements, in the order in which they are read."""
    tokens = shown_tokens(rows)
    wide = pick(rows, prob_bits=cfg.prob_bits)
    base = pick(wide, keys_per_block=cfg.keys_per_block)
    sheets = []
    for source in dict.fromkeys(row.source for row in rows):
        prefill = pick(base, source=source, phase="prefill")
        at = pick(prefill, tokens=tokens)
        sheets += [lengths_sheet(prefill, source), settings_sheet(at, source, "prefill", tokens), taus_sheet(at, source, tokens),
                   energy_sheet(at, source, "prefill", tokens),
                   sizes_sheet(pick(wide, source=source, phase="prefill"), source, "prefill")]
        if source == gl.TRAINED:
            count = Counter(sorted(kinds.values()))
            sheets += [kinds_sheet(at, count, tokens, "kinds", "rescales per row", "rescales_of_kind"),
                       kinds_sheet(at, count, tokens, "kinds-bits", "set bits of a probability", "set_bits_of_kind"),
                       layers_sheet(at, tokens, "layers", "rescales per row", lambda row: row.rescales_of_head),
                       layers_sheet(at, tokens, "layers-bits", "set bits of a probability", lambda row: row.set_bits_of_head)]
        decode = pick(base, source=source, phase="decode")
        if decode:
            keys = decode[0].tokens
            sheets += [settings_sheet(decode, source, "decode", keys), energy_sheet(decode, source, "decode", keys),
                       sizes_sheet(pick(wide, source=source, phase="decode"), source, "decode")]
    return [*sheets, skipped_sheet(cfg, rows, tokens), skipped_lengths_sheet(base), safe_sheet(base),
            rescales_sheet(base, tokens)]
