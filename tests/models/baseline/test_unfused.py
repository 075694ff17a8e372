"""The unfused baseline's model: programs do attention whatever their plan, illegal ones are refused, times and counts are what
the page says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from models.baseline.unfused import (
    S_MASKED,
    Operands,
    attention,
    bits_of_program,
    events,
    events_of_program,
    load_score,
    rows_of,
    run_program,
    set_bits,
    store_score,
)
from models.baseline.unfused_program import Load, Operation, Plan, Pv, Qk, Softmax, UnfusedConfig, write_program
from models.baseline.unfused_timing import DIVIDE, time_program
from models.errors import FcimError
from models.hardware.numerics import MASKED
from tb.unfused.cases import decode, encode
from tb.unfused.run import draw_operands, draw_plan, draw_positions, golden

CFG = UnfusedConfig(4, 8, 16, 2, 4, 8, 64)


def operands(seed: int, kind: str = "prefill", rows: int = 30, keys: int = 75) -> Operands:
    generator = np.random.default_rng([seed, rows, keys])
    return draw_operands(generator, CFG.head_dim, draw_positions(generator, kind, rows, keys), keys, 38)


def reference(x: Operands, row: int) -> list[int]:
    """A row of O in plain integers, from the page's formulas."""
    q, position, weights = x.q[row].tolist(), int(x.positions[row]), []
    scores = []
    for key in range(min(position + 1, x.keys)):
        score = sum(a * b for a, b in zip(q, x.k[key].tolist(), strict=True)) * int(x.q_mult[row]) * int(x.k_mult[key])
        z = ((score >> x.shift - 1) + 1) >> 1 if x.shift else score
        z = max(-(2**19 - 1), min(2**19 - 1, z))
        scores.append(max(-(2**15 - 1), min(2**15 - 1, (z + 2) >> 2)))
    top = max(score >> 8 for score in scores)
    for score in scores:
        index, low = (score & 255) * 4 >> 5, (score & 255) * 4 & 31
        base, after = (int(2.0 ** (16 + i / 32) + 0.5) for i in (index, index + 1))
        mantissa = base + (((after - base) * low + 16) >> 5)
        amount = 9 + top - (score >> 8)
        weights.append(min(255, ((mantissa >> amount - 1) + 1) >> 1) if amount < 20 else 0)
    total, out = sum(weights), []
    for column in range(x.q.shape[1]):
        acc = sum(((p * (int(m) + 1) + 8) >> 4) * int(v)
                  for p, m, v in zip(weights, x.v_mult.tolist(), x.v[:, column].tolist(), strict=False))
        magnitude = (abs(acc) * 512 + total) // (2 * total)
        out.append(-min(magnitude, 2**15) if acc < 0 else min(magnitude, 2**15 - 1))
    return out


@pytest.mark.parametrize("shift", [27, 34, 38, 42])
def test_attention_is_the_page_s(shift: int, seed: int) -> None:
    x = replace(operands(seed), shift=shift)
    out, _ = attention(x)
    for row in (0, 7, 29):
        assert out[row].tolist() == reference(x, row)


def test_scores_in_the_buffer() -> None:
    z = torch.tensor([MASKED, 0, 1, 2, -2, -3, 2**17 - 3, 2**17 - 2, -(2**17) + 1, -(2**17) - 3, 2**19 - 1])
    s, clamped = store_score(z)
    assert s.tolist() == [S_MASKED, 0, 0, 1, 0, -1, 2**15 - 1, 2**15 - 1, -(2**15) + 1, -(2**15) + 1, 2**15 - 1]
    assert clamped.tolist() == [False] * 7 + [True, True, True, True]
    assert load_score(s)[:4].tolist() == [MASKED, 0, 0, 4]


@pytest.mark.parametrize("number", range(12))
def test_programs_do_attention(number: int, seed: int) -> None:
    generator = np.random.default_rng([seed, number])
    head_dim = int(generator.choice([16, 32, 64]))
    rows = int(generator.choice([size for size in (8, 16, 32, 64) if size <= head_dim]))
    port = int(generator.choice([4, 16, 64, 256]))
    cfg = UnfusedConfig(int(generator.choice([1, 2, 4, 8, 16, 32])), rows, head_dim, int(generator.choice([1, 2, 4, 8])),
                        int(generator.choice([size for size in (2, 8, 32) if size <= port // 2])), port, 64,
                        (2, 4, 8)[number % 3])
    keys = int(generator.integers(1, 300))
    kind = ("prefill", "chunk", "decode", "any")[number % 4]
    x = draw_operands(generator, head_dim, draw_positions(generator, kind, int(generator.integers(1, 40)), keys), keys)
    program = write_program(cfg, draw_plan(generator, cfg), x.numpy_positions, keys, x.shift)
    golden(cfg, program, x)
    assert [decode(encode(op)) for op in program] == program


def test_order_does_not_change_o(seed: int) -> None:
    """Nor the counts of what is computed; it changes when."""
    x, found = operands(seed, "decode", 8, 200), []
    for plan in (Plan(serial=True), Plan(), Plan(block=3), Plan(block=3, ahead=False, banks=1)):
        result = golden(CFG, write_program(CFG, replace(plan, block=min(plan.block, 16)), x.numpy_positions, x.keys, x.shift), x)
        found.append(result)
    assert len({result.counters["cycles"] for result in found}) > 2
    same = ("scores", "exponentials", "rows_out", "s_writes")
    assert len({tuple(result.counters[name] for name in same) for result in found}) == 1
    serial, overlapped = (found[index].counters["cycles"] for index in (0, 1))
    assert overlapped < serial


def test_more_banks_need_fewer_loads_and_change_no_other_operation() -> None:
    """8 spans of K and 8 of V, all for each of 10 blocks of rows: 16 loads a block with 2 banks, fewer with more."""
    positions, loads, others = np.full(40, 8 * CFG.qk_span - 1), [], []
    for banks in (2, 4, 8):
        program = write_program(replace(CFG, banks=banks), Plan(block=4), positions, 8 * CFG.qk_span, 38)
        loads.append(sum(isinstance(op, Load) for op in program))
        others.append([replace(op, waits=(0, 0, 0), **({} if isinstance(op, Softmax) else {"bank": 0}))
                       for op in program if not isinstance(op, Load)])
    assert loads[0] == 10 * 2 * 8 > loads[1] > loads[2] >= 2 * 8
    assert others[0] == others[1] == others[2]
    few = write_program(replace(CFG, banks=8), Plan(block=4), positions[:8], 4 * CFG.qk_span, 38)
    assert sum(isinstance(op, Load) for op in few) == 2 * 4, "all of K and V fit, so nothing is loaded again"


# ---- times by hand
def test_times() -> None:
    """One operation of each, from the page's rules: 4 cycles an input, words of 8 scores, rows of P of 4 words."""
    assert (CFG.s_words, CFG.p_words, CFG.qk_slot, CFG.pv_slot, CFG.cycles_per_input) == (8, 4, 8, 4, 4)
    positions = np.array([31, 9, 0])
    program: list[Operation] = [
        Load(False, 0, 0, 0, 32), Qk(0, 0, 3, 0, 32, 0, True, waits=(1, 0, 0)), Softmax(0, 3, 0, 32, True, waits=(0, 1, 0)),
        Load(True, 1, 0, 0, 32), Pv(1, 0, 3, 0, 32, 0, True, True, waits=(2, 0, 1))]
    timing = time_program(CFG, program, positions)
    qk = 35 + 1 + 2 * 8 + 6 + 5 + 8 + 4         # start, last slot, input, column, last word, maximum
    softmax = qk + 1 + 2 + (8 + 3 + 1) + 4
    pv = softmax + 1 + 1 + 2 * 4 + 6 + 5 + 4 + 4
    assert timing.start == (0, 35, qk + 1, 32, softmax + 1)
    assert timing.done == (34, qk, softmax, 66, pv)
    assert timing.cycles == pv + DIVIDE + 1
    late = time_program(CFG, program, positions, [0, 0, 0, 500, 0])
    assert late.start == (0, 35, qk + 1, 500, 535)
    assert late.cycles == (softmax + 1) + 35 + (pv + DIVIDE - softmax)


PAGE = [(256, 8, 64, 64, 16679, 27969), (512, 8, 64, 64, 33345, 76401), (2048, 8, 64, 256, 328257, 548529),
        (8192, 8, 64, 256, 4457025, 7732881), (8192, 16, 128, 256, 2360389, 4632465), (8192, 32, 128, 512, 1984589, 3695825)]


@pytest.mark.parametrize(("tokens", "macros", "lanes", "block", "cycles", "serial"), PAGE)
def test_the_page_s_table(tokens: int, macros: int, lanes: int, block: int, cycles: int, serial: int) -> None:
    cfg, positions = UnfusedConfig(macros=macros, lanes=lanes), np.arange(tokens).repeat(4)
    one_by_one = Plan(block=block, serial=True, ahead=False, resident=False, banks=1)
    for plan, expected in ((Plan(block=block), cycles), (one_by_one, serial)):
        assert time_program(cfg, write_program(cfg, plan, positions, tokens, 38), positions).cycles == expected
    line = f"| {tokens:,} | {macros} | {lanes} | {block} | {cycles:,} | {serial:,} |"
    assert line in (Path(__file__).parents[3] / "docs" / "baselines.md").read_text()


# ---- what is refused
K, V = Load(False, 0, 0, 0, 32), Load(True, 1, 0, 0, 32)
QK = Qk(0, 0, 4, 0, 32, 38, True, waits=(1, 0, 0))
SOFT = Softmax(0, 4, 0, 32, True, waits=(0, 1, 0))
PV = Pv(1, 0, 4, 0, 32, 0, True, True, waits=(2, 0, 1))
BAD: dict[str, tuple[list[Operation], str]] = {
    "waits for itself": ([replace(K, waits=(1, 0, 0))], "waits for ever"),
    "waits in a ring": ([replace(K, waits=(0, 1, 0)), QK], "waits for ever"),
    "keys that are being written": ([K, replace(QK, waits=(0, 0, 0))], "is under way, which it disturbs"),
    "scores that are being written": ([K, QK, replace(SOFT, waits=(0, 0, 0))], "is under way, which it disturbs"),
    "a bank that is in use": ([K, QK, replace(V, bank=0)], "is under way, which it disturbs"),
    "keys of another bank": ([K, replace(QK, bank=1)], "keys in a bank"),
    "values instead of keys": ([replace(K, values=True), QK], "keys in a bank"),
    "fewer keys": ([replace(K, count=31), QK], "keys in a bank"),
    "scores of no keys": ([K, QK, replace(SOFT, keys=40)], "a score"),
    "no maximum": ([K, replace(QK, first=False)], "a row's maximum"),
    "no partial sum": ([K, QK, SOFT, V, replace(PV, first=False)], "a partial sum"),
    "another row's place": ([K, QK, replace(QK, row=64, count=1, waits=(1, 1, 0)), replace(SOFT, waits=(0, 2, 0))],
                            "a row's maximum"),
    "a row too soon": ([K, replace(QK, count=1), replace(SOFT, count=1), V, replace(PV, count=1, last=False),
                        replace(PV, count=1, first=False)], "too soon"),
    "words that begin elsewhere": ([replace(K, base=1), replace(QK, base=1)], "a word of S"),
}


@pytest.mark.parametrize("name", BAD)
def test_illegal_programs(name: str, seed: int) -> None:
    program, message = BAD[name]
    x = operands(seed, "decode", 65, 75)
    cfg = replace(CFG, bits_per_cycle=8, port_bytes=64) if name == "a row too soon" else CFG
    with pytest.raises(FcimError, match=message):
        run_program(cfg, program, x)


def test_a_legal_one(seed: int) -> None:
    x = operands(seed, "decode", 65, 32)
    result = run_program(CFG, [K, QK, SOFT, V, PV], x)
    assert torch.equal(rows_of(CFG, result, 4), attention(x)[0][:4])


@pytest.mark.parametrize(("name", "value"), [("macros", 3), ("rows", 32), ("head_dim", 24), ("bits_per_cycle", 3), ("lanes", 8),
                                             ("port_bytes", 512), ("slots", 3)])
def test_illegal_parameters(name: str, value: int) -> None:
    with pytest.raises(FcimError, match=f"{name} = {value} is illegal; use "):
        replace(CFG, **{name: value})


def test_too_much() -> None:
    with pytest.raises(FcimError, match="65537 keys"):
        write_program(CFG, Plan(), np.zeros(1, dtype=np.int64), 65537, 0)
    with pytest.raises(FcimError, match="do not fit into 64 slots"):
        write_program(CFG, Plan(block=40), np.zeros(1, dtype=np.int64), 8, 0)


# ---- counts
@pytest.mark.parametrize("kind", ["prefill", "chunk", "decode"])
def test_events_without_values(kind: str, seed: int) -> None:
    """From the set bits of rows alone, whatever the plan and however many parts a row of O has."""
    for cfg in (CFG, replace(CFG, macros=1), replace(CFG, macros=32, port_bytes=64)):
        x = operands(seed, kind)
        program = write_program(cfg, draw_plan(np.random.default_rng([seed, 5]), cfg), x.numpy_positions, x.keys, x.shift)
        result = golden(cfg, program, x)
        q_bits, p_bits = (set_bits(rows).sum(-1).numpy() for rows in (x.q.long() + 128, result.p[0]))
        given = (cfg, program, x.numpy_positions, q_bits, p_bits)
        assert bits_of_program(*given) == (result.counters["input_bits"], result.bit_products)
        assert events_of_program(*given) == events(cfg, result.counters, result.bit_products)


def test_events(seed: int) -> None:
    """Counted from the definition: a decode of 4 rows over all of 75 keys, no plan keeps anything resident."""
    x = operands(seed, "decode", 4, 75)
    result = golden(CFG, write_program(CFG, Plan(block=4), x.numpy_positions, 75, x.shift), x)
    found = events(CFG, result.counters, result.bit_products)
    assert found["scores"] == found["exponentials"] == found["comparisons"] == 4 * 75
    assert found["macro_input_rows"] == 4 * (4 + 4 + 2) + 4 * 2 * (2 + 2 + 1)
    assert found["cell_bits_written"] == (75 + 2 * 5 * 8) * 16 * 8
    assert found["divisions"] == 4 and found["normalised"] == 4 * 16 and found["o_rescales"] == 0
    assert found["o_adds"] == 4 * 16 * 2 and found["buffer_written_bytes:O"] == found["buffer_read_bytes:O"] == 4 * 16 * 2 * 4
    assert found["buffer_read_bytes:Q"] == 3 * 4 * 16 and found["buffer_read_bytes:K"] == 75 * 16
    assert found["buffer_written_bytes:S"] == 4 * (8 + 8 + 3) * 8 and found["buffer_written_bytes:P"] == 4 * 19 * 4
    offset = (x.q.long() + 128).tolist()
    bits = sum(value.bit_count() for row in offset for value in row)
    p_bits = int(sum(value.bit_count() for value in result.p[0].flatten().tolist()))
    assert found["bit_products"] == bits * 75 + p_bits * 16
    assert result.counters["input_bits"] == bits * (4 + 4 + 2) + p_bits * 2
    assert set(found) >= {"cycles", "score_scales", "buffer_read_bytes", "buffer_written_bytes"}
    assert found["buffer_read_bytes"] == sum(count for name, count in found.items() if name.startswith("buffer_read_bytes:"))
