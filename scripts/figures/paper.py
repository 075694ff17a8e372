"""Figures of the comparison with the paper: its figures by plain accounting, and what ``make paper`` found."""

from __future__ import annotations

from dataclasses import replace

from models.comparison.accounting import LENGTHS
from models.comparison.cells import bank_cells, equal_banks, own_cells
from models.energy.constants import LEVELS
from models.system.config import load_system
from scripts.figures.pages import Piece
from scripts.figures.reports import Data
from scripts.figures.text import exact, near, table
from scripts.paper.study import OURS, USUAL, accounts

PAGE = "docs/paper.md"
REGIONS = tuple(f"paper-{name}" for name in ("claims", "short", "time", "rates", "free", "bytes", "energy", "swings", "modes",
                                             "layer", "rescales", "storage", "goals"))
MEGABYTE = 1e6
SEED = 1        # of the random figures
SHOWN = 8       # constants, of those that move the answer most
LAYER_TOKENS = (1024, 4096)
CUT = 9         # bits of row sums and accumulators that no head of a few thousand keys misses


def accounting() -> list[Piece]:
    """Figs. 8 and 9 as two formulas each."""
    rows = [[row["where"], row["own"], row["other"], *(exact(row["saved"][t], ".1f") for t in LENGTHS), row["claim"],
             f"{exact(row['fits'])} of {exact(row['tried'])}", exact(100 * row["by_chance"], ".1f")] for row in accounts(SEED)]
    columns = ("figure", "its own", "the other", *(f"% less, {t:,}" for t in LENGTHS), "the paper", "formulas that fit",
               "% of random figures that some fit")
    return [Piece(PAGE, table(columns, rows, 3), "paper-accounting")]


def cells() -> list[Piece]:
    """Bit cells of all engines, and the banks of a baseline's macros that have as many."""
    system = load_system("default")
    own, bank, banks = own_cells(system), bank_cells(system), equal_banks(system)
    rows = [[f"this project: {name}", exact(bits), exact(bits / bank, ".2f")] for name, bits in own.items()]
    fewer = sum(own_cells(replace(system, engine=replace(system.engine, sum_cut=CUT))).values())
    rows += [["this project: all", exact(sum(own.values())), exact(sum(own.values()) / bank, ".2f")],
             [f"the same with `SUM_CUT` {CUT}, off by default", exact(fewer), exact(fewer / bank, ".2f")],
             ["a bank of all macros of a baseline", exact(bank), exact(1, ".2f")],
             [f"a baseline with {banks} banks", exact(banks * bank), exact(banks, ".2f")]]
    return [Piece(PAGE, table(("what", "bits", "in banks"), rows), "paper-cells")]


def _by_design(data: Data, key: str, form: str, scale: float = 1.0, own: str = "") -> list[list[str]]:
    """A row a design at the usual memory: ``key`` by length; this project's, where it says so, by another key."""
    usual = [row for row in data["times"] if row["gbs"] == USUAL]
    lengths = sorted({row["tokens"] for row in usual})
    rows = []
    for design in dict.fromkeys(row["design"] for row in usual):
        by = {row["tokens"]: row for row in usual if row["design"] == design}
        shown = own if own and design == OURS else key
        rows.append([design, *(exact(by[t][shown] / scale, ".3f" if shown == own else form) for t in lengths)])
    return rows


def _lengths(data: Data) -> list[int]:
    return sorted({row["tokens"] for row in data["times"]})


def comparison(data: Data) -> list[Piece]:
    """What ``make paper`` found."""
    lengths = _lengths(data)
    last = lengths[-1]
    claims = [[f"{row['where']}: {row['what']}", row["paper"], row["accounting"], row["here"], row["hangs"]]
              for row in data["verdicts"]]
    rates = sorted({row["gbs"] for row in data["times"]})
    by_rate = []
    for design in dict.fromkeys(row["design"] for row in data["times"]):
        for t in LAYER_TOKENS:
            by = {row["gbs"]: row for row in data["times"] if row["design"] == design and row["tokens"] == t}
            if set(by) != set(rates):
                continue
            by_rate.append([design, exact(t), *(exact(by[g]["milliseconds"] if design == OURS else by[g]["times"],
                                                       ".3f" if design == OURS else ".2f") for g in rates)])
    free = [[text, *(exact(row["times"], ".2f") for row in data["assumed"] if row["assumption"] == text)]
            for text in dict.fromkeys(row["assumption"] for row in data["assumed"])]
    moved = [[a[0], *a[1:], *b[1:]] for a, b in zip(_by_design(data, "dram_bytes", ".1f", MEGABYTE),
                                                    _by_design(data, "buffer_bytes", ".1f", MEGABYTE), strict=True)]
    energies = []
    for row in data["energy"]:
        if row["tokens"] in (lengths[len(lengths) // 2], last):
            energies.append([row["design"], exact(row["tokens"]), near(1e3 * row["typical"]["chip"], ".3f", 0.01),
                             *(near(1e3 * row[level]["chip"], ".3f", 0.01) for level in ("low", "high")),
                             near(1e3 * row["typical"]["total"], ".3f", 0.01),
                             *(near(row[level]["tops_chip"], ".1f", 0.1) for level in LEVELS),
                             near(row["typical"]["tops_total"], ".1f", 0.1), near(1e6 * row["typical"]["token"], ".3f", 0.01)])
    typical = next(row for row in data["energy"] if row["design"] == OURS and row["tokens"] == last)["typical"]["chip"]
    swings = [[f"`{move['constant']}`", near(1e3 * move["low"], ".2f", 0.02), near(1e3 * typical, ".2f", 0.02),
               near(1e3 * move["high"], ".2f", 0.02)] for move in data["sensitivity"][:SHOWN]]
    modes = [[row["phase"], row["mode"], near(row["cycles"], ",.0f", 100), near(row["skipped"], ".1f", 0.3),
              *(near(1e6 * row["typical"][key], ".1f", 0.5) for key in ("chip", "arrays")),
              *(near(row[level]["tops_chip"], ".2f", 0.05) for level in LEVELS), near(row["typical"]["tops_total"], ".2f", 0.05),
              near(1e6 * row["typical"]["token"], ".2f", 0.1)] for row in data["modes"]]
    layer = [[row["design"], exact(row["tokens"]), exact(row["attention"], ".2f"), exact(row["projections"], ".2f"),
              exact(row["feed_forward"], ".2f"),
              *(exact(row[key], ".2f") for key in ("times", "times_projections", "times_layer"))]
             for row in data["layers"] if row["tokens"] == last]
    rescales = [[row["schedule"], "yes" if row["fused"] else "no", exact(row["keys_per_block"]),
                 *([near(row["maxima"], ".2f", 0.01), near(row["maxima_saved"], ".1f", 0.1)] if not row["fused"] else ["", ""]),
                 near(row["integer"], ".2f", 0.01), near(row["integer_saved"], ".1f", 0.1)] for row in data["rescales"]]
    by_length = [f"{t:,}" for t in lengths]
    stored = [[rows[0]["kind"], exact(rows[0]["kib"], ",.0f"), *(exact(row["more"], ".1f") for row in rows)]
              for rows in ([row for row in data["storage"] if row["kind"] == kind]
                           for kind in dict.fromkeys(row["kind"] for row in data["storage"]))]
    return [
        Piece(PAGE, table(("claim", "paper", "by plain accounting", "here", "it hangs on"), claims, 5), "paper-claims"),
        Piece("README.md", table(("claim", "paper", "here"), [[what, said, here] for what, said, _, here, _ in claims], 3),
              "paper-short"),
        Piece(PAGE, table(("design", *by_length), _by_design(data, "times", ".2f", own="milliseconds")), "paper-time"),
        Piece(PAGE, table(("design", "tokens", *(f"{g:g} GB/s" for g in rates)), by_rate), "paper-rates"),
        Piece(PAGE, table(("assumption", *by_length), free), "paper-free"),
        Piece(PAGE, table(("design", *(f"MB outside, {t}" for t in by_length), *(f"MB buffer, {t}" for t in by_length)), moved),
              "paper-bytes"),
        Piece(PAGE, table(("design", "tokens", "mJ on chip", "low", "high", "mJ with memory", "TOPS/W low", "typical", "high",
                           "with memory", "uJ a token"), energies), "paper-energy"),
        Piece(PAGE, table(("constant", "mJ at its low", "typical", "at its high"), swings), "paper-swings"),
        Piece(PAGE, table(("phase", "what", "cycles", "% of blocks skipped", "uJ on chip", "of which arrays", "TOPS/W low",
                           "typical", "high", "with memory", "uJ a token, all"), modes, 2), "paper-modes"),
        Piece(PAGE, table(("design", "tokens", "attention ms", "projections ms", "feed-forward ms", "attention, times",
                           "with projections", "layer"), layer), "paper-layer"),
        Piece(PAGE, table(("order", "fused", "keys per block", "new maxima a row", "% fewer", "rescales a row here", "% fewer"),
                          rescales), "paper-rescales"),
        Piece(PAGE, table(("accumulators of an engine", "KiB in all", *(f"% more cycles, {t}" for t in by_length)), stored),
              "paper-storage"),
        Piece(PAGE, table(("goal", "found", "met"), [[row["goal"], row["found"], row["met"]] for row in data["goals"]], 3),
              "paper-goals"),
    ]
