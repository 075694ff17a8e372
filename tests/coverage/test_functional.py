"""Coverpoints, counts and files of the functional coverage, on coverpoints small enough to count by hand."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from models.errors import FcimError
from scripts.flow.coverage.functional import CoverGroup, CoverPoint
from scripts.flow.sources import ROOT
from tb.common.coverage import cut_off, digitise, plane_states
from tb.coverage import coverage_modules

COLOUR = CoverPoint("toy.colour", "toy", "Colours", ("red", "green", "blue", "no colour"), ignored={"no *": "nobody asked"})
PAIR = CoverPoint("toy.pair", "toy", "Pairs", axes=(("a", ("0", "1")), ("b", ("x", "y", "z"))),
                  illegal={"1, [xy]": "a 1 needs z"})


@pytest.fixture
def cov() -> CoverGroup:
    return CoverGroup((COLOUR, PAIR))


def test_hits_are_counted_bin_by_bin(cov: CoverGroup) -> None:
    cov.sample("toy.colour", "red")
    cov.sample("toy.colour", "blue", 5)
    cov.sample_array("toy.colour", np.array([[0, 2], [2, 2]]))
    assert cov.hits("toy.colour") == {"red": 2, "green": 0, "blue": 8, "no colour": 0}
    assert cov.holes("toy.colour") == ["green"]
    cov.sample_array("toy.pair", np.array([0, 0, 0, 1]), np.array([2, 2, 0, 2]))
    cov.sample_array("toy.pair", np.array([[0]]), np.arange(3), weights=np.array([[0, 7, 1]]))
    assert cov.hits("toy.pair") == {"0, x": 1, "0, y": 7, "0, z": 3, "1, x": 0, "1, y": 0, "1, z": 1}


def test_ignored_and_illegal_bins_are_no_goals(cov: CoverGroup) -> None:
    assert COLOUR.goals == ("red", "green", "blue") and PAIR.goals == ("0, x", "0, y", "0, z", "1, z")
    cov.sample("toy.colour", "no colour")
    assert vars(cov.score()) == {"hit": 0, "goals": 7, "illegal": ()}
    cov.sample("toy.pair", "1, y", 2)
    cov.sample("toy.pair", "1, z")
    score = cov.score()
    assert (score.hit, score.goals, score.illegal) == (1, 7, ("toy.pair: 1, y",))
    assert cov.score(["toy.colour"]).percent == 0 and round(score.percent, 3) == 14.286


@pytest.mark.parametrize(("call", "message"), [
    (lambda c: c.sample("toy.shape", "round"), "no coverpoint 'toy.shape'"),
    (lambda c: c.sample("toy.colour", "pink"), "'toy.colour' has no bin 'pink'"),
    (lambda c: c.sample_array("toy.colour", np.array([4])), "has 4 bins, no number 4"),
    (lambda c: c.sample_array("toy.colour", np.array([-1])), "negative"),
    (lambda c: c.sample_array("toy.pair", np.array([0]), np.array([3])), "invalid entry"),
    (lambda c: c.sample_array("toy.pair", np.array([0])), "takes 2 arrays"),
])
def test_a_wrong_sample_is_refused(call: object, message: str, cov: CoverGroup) -> None:
    with pytest.raises((FcimError, ValueError), match=message):
        call(cov)  # type: ignore[operator]


@pytest.mark.parametrize(("more", "message"), [
    ({"bins": ()}, "needs bins"), ({"bins": ("a", "a")}, "each once"), ({"bins": ("a",), "source": "dream"}, "source 'dream'"),
    ({"bins": ("a", "b"), "ignored": {"c": "why"}}, "'c' must have a reason"),
    ({"bins": ("a", "b"), "ignored": {"a": ""}}, "'a' must have a reason"),
    ({"bins": ("a", "b"), "ignored": {"a": "why"}, "illegal": {"[ab]": "how"}}, "that have none yet"),
])
def test_a_wrong_point_is_refused(more: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CoverPoint("toy.point", "toy", "Nothing", **more)


def test_two_coverpoints_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="a coverpoint is there twice"):
        CoverGroup((COLOUR, PAIR, COLOUR))


def test_files_add_up(cov: CoverGroup, tmp_path: Path) -> None:
    other = CoverGroup((COLOUR, PAIR))
    cov.sample("toy.colour", "red", 3)
    other.sample("toy.colour", "red", 4)
    other.sample("toy.pair", "0, z")
    cov.save(tmp_path / "a.cover.json")
    other.save(tmp_path / "b.cover.json")
    (tmp_path / "c.dat").write_text("something else")
    total = CoverGroup((COLOUR, PAIR)).merge_folder(tmp_path)
    assert total.as_dict() == {"toy.colour": {"red": 7}, "toy.pair": {"0, z": 1}} and len(total.files) == 2
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.cover.json", "b.cover.json", "c.dat"]


@pytest.mark.parametrize(("text", "message"), [
    ('{"format": 1, "points": {"toy.gone": {"red": 1}}}', "coverpoint 'toy.gone', which does not exist.*delete the folder"),
    ('{"format": 1, "points": {"toy.colour": {"pink": 1}}}', "bin 'pink' of 'toy.colour', which does not exist"),
    ('{"format": 1, "points": {"toy.colour": {"red": -1}}}', "no functional coverage of format 1"),
    ('{"format": 1, "points": {"toy.colour": {"red": true}}}', "no functional coverage of format 1"),
    ('{"format": 2, "points": {}}', "no functional coverage of format 1"), ("[]", "no functional coverage"),
    ('{"format": 1', "not valid JSON"),
])
def test_a_wrong_file_is_one_line(text: str, message: str, cov: CoverGroup, tmp_path: Path) -> None:
    (tmp_path / "x.cover.json").write_text(text)
    with pytest.raises(FcimError, match=message) as caught:
        cov.merge_folder(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_folder_without_hits_is_an_error(cov: CoverGroup, tmp_path: Path) -> None:
    with pytest.raises(FcimError, match="holds no .*cover.json; run: make coverage"):
        cov.merge_folder(tmp_path)


def test_numbers_find_their_bins() -> None:
    assert digitise(np.array([-9, 0, 1, 4, 5, 99]), (0, 1, 5)).tolist() == [0, 0, 1, 1, 2, 2]
    shift = np.array([0, 3, 3, 3, 3, 63])
    low = np.array([0, 0, 3, 4, 5, 1 << 62])
    assert cut_off(low, shift).tolist() == [0, 0, 1, 2, 3, 2]
    planes, states = plane_states(np.array([[0x81, 0x01], [0xFF, 0xFF]], dtype=np.uint8))
    assert planes[0].tolist() == list(range(8))
    assert states.tolist() == [[2, 0, 0, 0, 0, 0, 0, 1], [1] * 8]       # 0 all 0, 1 all 1, 2 mixed; bit 7 first


def run_python(code: str, **environment: str) -> str:
    """What a new Python prints."""
    env = {k: v for k, v in os.environ.items() if k != "FCIM_COVER_FILE"} | environment
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=env, capture_output=True, text=True, check=True).stdout


def test_samples_of_a_bench_are_written_when_it_ends(tmp_path: Path) -> None:
    file = tmp_path / "new" / "bench.cover.json"
    run_python("from tb.divider import coverage; from tb.exp2 import coverage as other\n"
               "coverage.sample_item([-512, 3], 2, 22, 14); coverage.sample_reset(0); other.sample_elements([(0, 0, 3)], 16)",
               FCIM_COVER_FILE=str(file))
    points = json.loads(file.read_text())["points"]
    assert points["divider.divisor"] == {"2": 1} and points["exp2.tau"] == {"3, 1.0": 1}
    assert points["divider.quotient"] == {"clamped below": 1, "positive": 1} and "divider.reset" not in points


def test_a_bench_that_samples_nothing_writes_nothing(tmp_path: Path) -> None:
    run_python("from tb.divider import coverage", FCIM_COVER_FILE=str(tmp_path / "bench.cover.json"))
    assert not list(tmp_path.iterdir())


def test_a_bench_without_coverage_counts_nothing() -> None:
    """Also no time: the samplers are replaced."""
    code = ("from tb.common import coverage as c\nfrom tb.divider import coverage\n"
            "@c.sampler\ndef f(x): raise SystemExit(3)\nf(1)\n"
            "coverage.sample_item([1], 2, 22, 14)\nprint(c.enabled, coverage.GROUP.as_dict())")
    assert run_python(code) == "False {}\n"


def test_a_misspelt_bin_stops_a_bench_that_counts(tmp_path: Path) -> None:
    with pytest.raises(subprocess.CalledProcessError) as caught:
        run_python("from tb.divider.coverage import GROUP; GROUP.sample('divider.divisor', 'none')",
                   FCIM_COVER_FILE=str(tmp_path / "x.json"))
    assert "has no bin 'none'" in caught.value.stderr


def test_benches_load_no_torch() -> None:
    """No module that a bench imports for its coverage, which is all but those that sample a run's record."""
    names = [name for name in coverage_modules() if not name.startswith("tb.core.coverage.")]
    assert len(names) > 15 and "tb.core.coverage" in names and "tb.engine.coverage" in names
    code = f"import sys\nimport {', '.join(names)}\nprint('torch' in sys.modules)"
    assert run_python(code, FCIM_COVER_FILE="unused") == "False\n"
