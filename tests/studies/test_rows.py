"""The rows of the record, and the kinds of heads in them."""

from __future__ import annotations

import pytest

from models.hardware.schedules import TileOptions
from models.quality.metrics import HeadMetrics
from models.tensors.head_stats import kind_of
from scripts.studies.schedules.measure import Counts, Measured, Scores
from scripts.studies.schedules.rows import by_layer, rows_of
from scripts.studies.schedules.settings import NATURAL
from tests.studies.samples import CFG


@pytest.mark.parametrize(("passed", "kind"), [([], "diffuse"), (["previous", "local"], "previous"), (["local"], "local"),
                                              (["local", "induction"], "induction"), (["sink", "local"], "sink")])
def test_kind_of(passed: list[str], kind: str) -> None:
    assert kind_of(passed) == kind


def metrics(db: float) -> HeadMetrics:
    return HeadMetrics(1.0, 0.0, db, 0.0, 0.0)


def test_rows_compare_with_natural_order() -> None:
    """Two heads of two kinds, 10 rows each: 40 rescales in natural order (20 at tau 1), 4 at the setting."""
    setting = TileOptions("sink_diagonal", True, tau=1)
    measured = Measured()
    for p, rescales in ((NATURAL, [30, 10]), (TileOptions(tau=1), [15, 5]), (setting, [1, 3])):
        measured.counts[8, 12, p] = Counts(["a", "b"], [10, 10], rescales, [50, 30], [100, 100], blocks=20, later_blocks=16,
                                           moved_blocks=4, zero_blocks=6, skipped_blocks=5, keys=150, skipped_keys=30,
                                           row_blocks=200, zero_row_blocks=80, op_bit_ops=50,
                                           op_bit_ops_skipping=40)
    measured.scores = {(8, 12, NATURAL): Scores(["a", "b"], [metrics(40), metrics(42)], [99, 9], [100, 100], 900, 900),
                       (8, 12, setting): Scores(["a", "b"], [metrics(39), metrics(42)], [50, 20], [100, 100], 900, 800)}
    rows = rows_of(CFG, "model", "prefill", 99, measured, {"a": "local", "b": "sink"})
    row = next(r for r in rows if r.setting == setting)
    assert (row.rescales, row.new_maxima, row.always) == (0.2, 4.0, 10.0)
    assert row.fewer == pytest.approx(0.9) and row.fewer_same_tau == pytest.approx(0.8)
    assert row.fewer_online == pytest.approx(0.95) and row.sqnr_of_head == {"a": 39, "b": 42}
    assert (row.moved_blocks, row.zero_blocks, row.skipped_blocks, row.skipped_values, row.zero_row_blocks) == (
        0.25, 0.3, 0.25, 0.2, 0.4)
    assert row.rescales_of_head == {"a": 0.1, "b": 0.3} == {"a": row.rescales_of_kind["local"], "b": row.rescales_of_kind["sink"]}
    assert (row.mean_sqnr_db, row.worst_sqnr_db, row.lost_db) == (40.5, 39, 0.5)
    assert (row.rescaled_rows, row.op_bit_ops, row.op_bit_ops_skipping) == (4, 50, 40)
    assert row.shifted_bits == 4 * (32 * 28 + 20) and (row.v_bytes, row.v_bytes_skipping) == (150 * 32, 120 * 32)
    assert (row.set_bits, row.set_bits_of_head, row.set_bits_of_kind) == (0.35, {"a": 0.5, "b": 0.2}, {"local": 0.5, "sink": 0.2})
    assert (row.cycles, row.cycles_skipping) == (900, 800) and row.sqnr_of_kind == {"local": 39, "sink": 42}
    lazy = next(r for r in rows if r.setting == TileOptions(tau=1))
    assert lazy.mean_sqnr_db is None and lazy.rescales_natural == lazy.rescales == 1.0 == row.rescales_natural
    assert {r.setting for r in rows_of(CFG, "m", "p", 9, measured, {}, lambda p: p.tau == 0)} == {NATURAL}


def test_figures_of_layers() -> None:
    assert by_layer({"L3H0": 1.0, "L3H12": 3.0, "L12H0": 5.0}) == {"L3": 2.0, "L12": 5.0}
    assert by_layer({"G0": 1.0, "G1": 3.0}) == {"": 2.0}
