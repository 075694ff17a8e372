"""Figures from the last reports of commands that run for a while."""

from __future__ import annotations

import math
import re
from collections import Counter

from scripts.figures.engine import bench_cycles
from scripts.figures.machine import fill, near
from scripts.figures.pages import Piece
from scripts.figures.reports import COVERAGE, Data
from scripts.figures.text import exact, table, timed
from scripts.flow.coverage.functional import read_functional
from scripts.flow.coverage.plan import VERIFIED, feature_verdict, jobs_of, load_plan, read_jobs, verdict_of
from scripts.flow.coverage.results import percent
from scripts.studies.language_model.bench import LENGTHS
from scripts.studies.language_model.loss import bits_per_byte
from scripts.studies.speed import FULL, SHORT
from tb.coverage import INPUTS, new_coverage

README, ACCURACY = "README.md", "docs/accuracy.md"
# What another processor's rounding may change: nats and bits per byte, perplexity, relative L1, SQNR
# in dB (mean, worst head), cosine.
LOSS, PERPLEXITY, L1, DB, WORST_DB, COSINE = 2e-5, 1e-4, 1e-4, 0.1, 0.2, 5e-6
# Of a model with 30 layers: a rounding that falls the other way in one moves the codes of all after it.
DEEP_LOSS, DEEP_PERPLEXITY = 5e-4, 1e-2


def _order(facts: Data) -> str:
    """The order of the keys of a run, as the captions say it."""
    return fill("{name}, TAU {tau:}", name=f"`{facts['schedule']}`{' + fused' if facts['fused'] else ''}", tau=facts["tau"])


def _losses(data: Data) -> str:
    """The caption and the table of losses."""
    facts = data["conditions"]
    size = facts["bytes_per_token"]
    sequences, length = re.search(r"(\d+) x (\d+) tokens", facts["calibration"]).groups()
    caption = fill(
        "`make perplexity`: the fixture model, {tokens:,} tokens of held-out sources of the Python standard library (of Python "
        "{python:~form};\nanother version's differ a little), windows of {context:}, stride {stride:}, float32, configuration "
        "`default`, {order};\nstatistics of K and V from {sequences:} x {length:} tokens of other sources. "
        "2 CPU cores.",
        tokens=data["scored_tokens"] + 1, python=facts["source"]["versions"]["python"], context=facts["context"],
        stride=facts["stride"], order=_order(facts), sequences=int(sequences), length=int(length))
    rows = []
    for name, kind in (("float32", "float"), ("hardware", "hardware")):
        loss = data[f"{kind}_loss"]
        rows.append([name, near(loss, ".5f", LOSS), near(bits_per_byte(loss, size), ".5f", LOSS),
                     near(math.exp(loss), ".4f", PERPLEXITY), timed(data[f"{kind}_seconds"], ".1f")])
    difference = fill("{mean:+.5f~2e-5} ± {error:.5f~2e-5}", mean=data["difference"], error=data["standard_error"])
    rows.append(["difference", difference, near(bits_per_byte(data["difference"], size), "+.5f", LOSS),
                 near(math.exp(data["hardware_loss"]) - math.exp(data["float_loss"]), "+.4f", PERPLEXITY), ""])
    return f"{caption}\n\n" + table(("attention", "nats/token", "bits/byte", "perplexity", "seconds"), rows)


def perplexity(data: Data) -> list[Piece]:
    """Losses and layers."""
    layers, facts = data["layers"], data["conditions"]
    rows = [[exact(x["layer"]), near(x["mean_cosine"], ".6f", COSINE), near(x["worst_cosine"], ".6f", 2 * COSINE),
             near(x["mean_sqnr_db"], ".1f", DB), near(x["worst_sqnr_db"], ".1f", WORST_DB),
             near(x["mean_relative_l1"], ".4f", L1),
             near(bits_per_byte(x["alone"], facts["bytes_per_token"]), "+.5f", LOSS)] for x in layers]
    columns = ("layer", "mean cosine", "worst head", "mean SQNR dB", "worst head", "relative L1", "bits/byte, alone")
    losses = _losses(data)
    return [Piece(README, losses, "perplexity"), Piece(ACCURACY, losses, "perplexity"),
            Piece(ACCURACY, table(columns, rows, 0), "layers"),
            Piece(README, fill("The worst layer's heads have a mean cosine of {cosine:.6f~5e-6} to float attention",
                               cosine=min(x["mean_cosine"] for x in layers))),
            Piece(ACCURACY, fill("The fixture's {windows:} x {context:} tokens through all layers take {seconds:.1f~time} s "
                                 "in the hardware's arithmetic ({sdpa:.1f~time} s with SDPA).",
                                 windows=(data["scored_tokens"] + 1) // facts["context"], context=facts["context"],
                                 seconds=data["hardware_seconds"], sdpa=data["float_seconds"]))]


def _pretrained(data: Data, region: str, more: str) -> list[Piece]:
    """The losses of SmolLM2 by kind of text."""
    facts, layers = data["conditions"], data["layers"]
    sequences, length = re.search(r"(\d+) x (\d+) tokens", facts["calibration"]).groups()
    thousand = sum(part["scored_tokens"] + 1 for part in data["parts"]) / 1024
    caption = fill(
        "`make perplexity MODEL=smollm2{more}`: SmolLM2-135M-Instruct, 30 layers (4-bit weights, dequantised), half prose of "
        "Python's own help,\nhalf held-out sources of its standard library (of Python {python:~form}), windows of {context:}, "
        "float32, configuration `head64`, {order};\nstatistics from {sequences:} x {length:} tokens of other "
        "topics and sources. {sdpa:.1f~time} CPU seconds per 1,024 tokens with SDPA,\n{cpu:.1f~time} with the hardware's "
        "arithmetic, at most {memory:,.0f~time} MiB.",
        more=more, python=facts["source"]["versions"]["python"], context=facts["context"], order=_order(facts),
        sequences=int(sequences), length=int(length), sdpa=data["float_cpu_seconds"] / thousand,
        cpu=data["hardware_cpu_seconds"] / thousand, memory=data["peak_memory_mib"])
    rows = []
    for part in (*data["parts"], {"name": "together", **data}):
        difference = fill("{mean:+.5f~5e-4} ± {error:.5f~5e-4}", mean=part["difference"], error=part["standard_error"])
        rows.append([part["name"], exact(part["scored_tokens"]),
                     *(near(part[f"{kind}_loss"], ".4f", DEEP_LOSS) for kind in ("float", "hardware")), difference,
                     near(bits_per_byte(part["difference"], part["bytes_per_token"]), "+.5f", DEEP_LOSS),
                     *(near(math.exp(part[f"{kind}_loss"]), ".3f", DEEP_PERPLEXITY) for kind in ("float", "hardware"))])
    columns = ("text", "tokens", "float32 nats/token", "hardware", "difference", "bits/byte", "perplexity in float32", "hardware")
    text = f"{caption}\n\n{table(columns, rows)}\n\n" + fill(
        "Layers: mean SQNR {mean:.1f~0.3} dB, in the worst one {layer:.1f~0.5} dB; worst head {head:.1f~0.5} dB, cosine "
        "{cosine:.5f~1e-4}.", mean=sum(x["mean_sqnr_db"] for x in layers) / len(layers),
        layer=min(x["mean_sqnr_db"] for x in layers), head=min(x["worst_sqnr_db"] for x in layers),
        cosine=min(x["worst_cosine"] for x in layers))
    return [Piece(ACCURACY, text, region)]


def pretrained(data: Data) -> list[Piece]:
    """SmolLM2 in windows of 1,024 tokens."""
    return _pretrained(data, "perplexity-smollm2", "")


def pretrained_long(data: Data) -> list[Piece]:
    """SmolLM2 in windows of 8,192 tokens, all that it takes."""
    return _pretrained(data, "perplexity-smollm2-8192", " CONTEXT=8192")


def generate(data: Data) -> list[Piece]:
    """Where the two continuations part, which the last bits of one machine decide."""
    texts = {"prompt": data["prompt_tokens"], "new": len(data["float"]), "part": data["parts_at"],
             "margin": data.get("margin_nats")}
    begin = "`make generate` continues {prompt:} tokens of the same text by {new:} with both. "
    if data["parts_at"] is None:
        return [Piece(ACCURACY, fill(begin + "They are the same to the end.", **texts), "text")]
    return [Piece(ACCURACY, fill(
        begin + "They part at token {part:~time}, where float attention itself prefers its choice to the next best by "
        "{margin:.3f~time} nats,\nand both go on as such a small model does. That a text parts says little by itself; the "
        "loss above says more.", **texts), "text")]


def chat(data: Data) -> list[Piece]:
    """A pretrained model's answer with both, which the last bits of one machine decide."""
    begin = fill("`make generate MODEL=smollm2` asks SmolLM2 as a chat: \"{question:}\" ",
                 question=data["conditions"]["source"]["question"])
    if data["parts_at"] is None:
        return [Piece(ACCURACY, begin + fill("Both answer with the same {new:~time} tokens.", new=len(data["float"])), "chat")]
    return [Piece(ACCURACY, begin + fill(
        "The answers, of {new:~time} and {other:~time} tokens, part at token {part:~time}, where float attention itself prefers "
        "its choice to the next best by {margin:.3f~time} nats.", new=len(data["float"]), other=len(data["hardware"]),
        part=data["parts_at"], margin=data["margin_nats"]), "chat")]


def _choices(data: Data, loss: bool) -> str:
    """What each choice of the study gives, with or without what the model loses."""
    rows, last = [], None
    for line in data["lines"]:
        if line["group"] == "default":
            continue
        lost = [fill("{x:+.5f~5e-5} ± {error:.5f~5e-5}", x=line["bits_per_byte"], error=line["standard_error"])] if loss else []
        rows.append([line["group"] if line["group"] != last else "", line["name"], *lost,
                     near(line["mean_sqnr_db"], ".1f", DB), near(line["worst_sqnr_db"], ".1f", WORST_DB),
                     near(line["worst_layer_db"], ".1f", DB), near(line["worst_cosine"], ".6f", 2 * COSINE)])
        last = line["group"]
    columns = ("choice", "value", *(["loss over float, bits/byte"] if loss else []), "mean SQNR dB", "worst head", "worst layer",
               "worst cosine")
    return table(columns, rows, 2)


def operands(data: Data) -> str:
    """What each way of preparing Q, K and V buys, on the model's heads and on random ones."""
    rows, last = [], None
    for line in data["operands"]:
        rows.append([line["source"] if line["source"] != last else "", line["name"], near(line["mean_sqnr_db"], ".1f", DB),
                     near(line["worst_sqnr_db"], ".1f", WORST_DB), near(line["worst_layer_db"], ".1f", DB),
                     near(line["worst_cosine"], ".6f", 2 * COSINE), near(line["engine_db"], ".2f", 0.05)])
        last = line["source"]
    columns = ("heads of", "choice", "mean SQNR dB", "worst head", "worst layer", "worst cosine", "engine's share dB")
    return table(columns, rows, 2)


def long_rows(data: Data) -> str:
    """What rows over thousands of keys lose, by order."""
    shares = ("worst_engine_db", "worst_tail_db", "worst_longer_db")
    rows = [[line["order"], near(line["mean_sqnr_db"], ".1f", DB), near(line["worst_sqnr_db"], ".1f", WORST_DB),
             near(line["mean_engine_db"], ".3f", 0.02), *(near(line[share], ".2f", 0.05) for share in shares)]
            for line in data["decode"]]
    one = data["decode"][0]
    caption = fill("The last {rows:} rows of {heads:} heads over {keys:,} keys:", rows=one["rows"], heads=one["heads"],
                   keys=one["keys"])
    columns = ("order", "mean SQNR dB", "worst head", "engine's share dB", "worst head", "bits of P alone, worst head",
               "two bits more")
    return f"{caption}\n\n{table(columns, rows, 1)}"


def precision(data: Data) -> list[Piece]:
    """The study's table, and what the page says about it."""
    def figure(group: str, value: str, name: str) -> float:
        return next(line[name] for line in data["lines"] if (line["group"], line["name"]) == (group, value))

    def gain(group: str, one: str, other: str, name: str = "mean_sqnr_db") -> float:
        return figure(group, one, name) - figure(group, other, name)

    bits, scales = "bits of Q, K and V", "scales of Q and K"
    said = (
        ("at 6 the loss is still small on this model, but {six:.0f~1} dB of SQNR are gone; at 4 it is {four:.3f~2e-3} bits/byte.",
         {"six": gain(bits, "8", "6"), "four": figure(bits, "4", "bits_per_byte")}),
        ("**A scale per token for Q and K** gives {head:.1f~0.2} to {tensor:.1f~0.2} dB more than one per head or tensor, and "
         "needs no statistics. **A scale per channel for V** gives {v:.1f~0.2} dB.",
         {"head": gain(scales, "per token", "per head"), "tensor": gain(scales, "per token", "per tensor"),
          "v": gain("scales of V", "per channel", "per head")}),
        ("Scales taken from the text itself would give {own:.1f~0.2} dB more",
         {"own": gain("statistics of K and V", "of the text itself", "of another text")}),
        ("brings next to nothing on this model ({smooth:.2f~0.05} dB)", {"smooth": gain("K", "smoothed", "as it is")}))
    return [Piece(ACCURACY, _choices(data, True), "precision"), Piece(ACCURACY, operands(data), "operands"),
            Piece(ACCURACY, long_rows(data), "decode"),
            *(Piece(ACCURACY, fill(template, **values)) for template, values in said)]


def precision_pretrained(data: Data) -> list[Piece]:
    """The same tables of a pretrained model on one window, whose loss says nothing."""
    worst = {line["name"]: line["worst_sqnr_db"] for line in data["lines"] if line["group"] == "room above the largest values"}
    return [Piece(ACCURACY, fill("without it SmolLM2's worst head loses {room:.1f~0.5} dB to saturated values",
                                 room=worst["1.25"] - worst["1.0"])),
            Piece(ACCURACY, _choices(data, False), "precision-smollm2"), Piece(ACCURACY, operands(data), "operands-smollm2"),
            Piece(ACCURACY, long_rows(data), "decode-smollm2")]


def bench_attention(data: Data | None) -> list[Piece]:
    """Times by length."""
    found = {x["tokens"]: x for x in data["timings"]} if data else {}
    rows = []
    for tokens in LENGTHS:
        x = found.get(tokens)
        values = [None] * 5 if x is None else [x["hardware"], x["torch"], x["hardware"] / x["torch"],
                                               1e6 * x["hardware"] / tokens / 4, x["memory"]]
        specs = (".3f", ".4f", ".0f", ".0f", ".0f")
        rows.append([exact(tokens), *(timed(value, spec, True) for value, spec in zip(values, specs, strict=True))])
    columns = ("tokens", "hardware's arithmetic s", "SDPA s", "ratio", "us per (token, head)", "memory MiB")
    return [Piece(ACCURACY, table(columns, rows, 0), "bench-attention")]


def bench_sim(data: Data | None) -> list[Piece]:
    """Speeds of the simulators; the cycles are the schedule model's."""
    lines = data["lines"] if data else [None] * 7
    middle = min(4 * SHORT, FULL)
    runs = (("Icarus, beats driven by Python", SHORT, "ss p"), ("Icarus, streams from files", SHORT, "sspp"),
            ("Verilator, beats driven by Python", middle, "ss p"), ("Verilator, streams from files", FULL, "sspp"),
            ("Verilator, fastest settings", FULL, "sspp"), ("Verilator without cocotb", FULL, "s"),
            ("the same attention in NumPy (float32 BLAS)", FULL, "n"))
    rows = []
    for (name, tokens, kind), line in zip(runs, lines, strict=True):
        numpy = kind == "n"
        rate = timed(line and line["macs_per_second"] / 1e6, ",.1f" if not numpy else ",.0f", True)
        times = {"simulator": kind[0] == "s" and len(kind) > 1, "playing": kind == "sspp", "python": len(kind) > 1}
        speed = "" if numpy else timed(line and line["cycles"] / line["seconds"], ",.0f", True)
        rows.append([name, exact(tokens, ""), "" if numpy else exact(bench_cycles(tokens)),
                     timed(line and line["seconds"], ".2f", True), speed, f"{rate} M",
                     *(timed(line and line[field], ".2f", True) if shown else "" for field, shown in times.items())])
    columns = ("run", "tokens", "cycles", "CPU s", "cycles/s", "INT8 MAC/s", "simulator s", "playing s", "Python s")
    return [Piece(README, table(columns, rows), "bench-sim")]


def _plan(data_folder: str, record: str) -> tuple[int, int]:
    """Features of the verification plan that are verified, and all of them."""
    plan, cov = load_plan(INPUTS.plan), read_functional(COVERAGE.path.parent / data_folder, new_coverage())
    jobs = read_jobs(COVERAGE.path.parent / record)
    tests = {test: verdict_of(jobs_of(test, jobs)) for test in plan.tests()}
    verdicts = Counter(feature_verdict(f, cov, tests) for block in plan.blocks for f in block.features) if cov else Counter()
    return verdicts[VERIFIED], sum(len(block.features) for block in plan.blocks)


def coverage(data: Data) -> list[Piece]:
    """Totals of the last run, as its own pages show them."""
    totals = data["totals"]
    cells = []
    for name in ("line", "branch", "expression", "toggle", "functional"):
        value = totals[name]
        share = 100 * value["hit"] / value["total"]
        shown = exact(100, ".0f") if value["hit"] == value["total"] else exact(float(percent(share).split()[0]), ".1f")
        cells.append(f"{shown} % of {exact(value['total'])}" + (" bins" if name == "functional" else ""))
    verified, features = _plan("data", "regress/regress.json")
    cells.append(f"{exact(verified)} of {exact(features)} features verified")
    excluded = sum(entry["excluded"] for entry in data["exclusions"])
    return [Piece(README, table(("line", "branch", "expression", "toggle", "functional", "plan"), [cells], 6), "coverage"),
            Piece(README, f"{exact(excluded)} points are excluded, each group with its reason")]


