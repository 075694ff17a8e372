"""The bench library and the runner, on a tiny register slice written for the purpose."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from models.errors import FcimError
from scripts.flow.simulator import BenchFailed, BenchResult, RunOptions, run_bench

SLICE = """
`default_nettype none
module slice #(parameter LANES = 4, parameter WIDTH = 16) (
    input  wire                   clk, rst_n,
    input  wire                   s_x_valid, output wire s_x_ready, input wire [LANES*WIDTH-1:0] s_x_data, input wire s_x_last,
    output wire                   m_y_valid, input wire m_y_ready, output reg [LANES*WIDTH-1:0] m_y_data, output reg m_y_last
);
    reg full_q;
    integer i;
    assign s_x_ready = !full_q || m_y_ready;
    assign m_y_valid = full_q VALID_GATE;
    always @(posedge clk) begin
        if (!rst_n) full_q <= RESET;
        else if (s_x_ready) full_q <= s_x_valid;
        if (s_x_ready && s_x_valid) begin
            for (i = 0; i < LANES; i = i + 1) m_y_data[i*WIDTH +: WIDTH] <= -s_x_data[i*WIDTH +: WIDTH];
            m_y_last <= LAST_IN;
        end HELD
    end
endmodule
"""
PARTS = {"VALID_GATE": "", "RESET": "1'b0", "HELD": "", "LAST_IN": "s_x_last"}
PARAMETERS = {"LANES": 4, "WIDTH": 16}
ALL_PATTERNS = 4
Slice = Callable[..., BenchResult]


@pytest.fixture
def run_slice(tmp_path: Path, seed: int) -> Slice:
    """Run the bench on the slice; keyword arguments change its Verilog, its mode, or the run's options."""

    def run(mode: str = "good", parts: dict[str, str] | None = None, **arguments: object) -> BenchResult:
        text = SLICE
        for name, value in {**PARTS, **(parts or {})}.items():
            text = text.replace(name, value)
        source = tmp_path / "slice.v"
        source.write_text(text)
        given = {"sim": "icarus", "seed": seed, "build_root": tmp_path / "build", "extra_env": {"SLICE_MODE": mode}, **arguments}
        return run_bench("slice", "tb.flow.bench_slice", PARAMETERS, RunOptions(sources=[source], **given))

    return run


def test_round_trip_under_every_stall_pattern(run_slice: Slice) -> None:
    result = run_slice()
    assert (result.passed, result.failed) == (ALL_PATTERNS, 0)
    text = result.log.read_text()
    assert all(f"round_trip/pattern={name}" in text for name in ("none", "gaps", "backpressure", "both"))
    assert "DeprecationWarning" not in text


def test_corrupted_expectation_fails_and_names_beat_lane_and_values(run_slice: Slice) -> None:
    with pytest.raises(BenchFailed, match=r"m_y beat \d+: data lane 2 got -?\d+ expected -?\d+") as caught:
        run_slice("corrupt", testcase="round_trip/pattern=none")
    assert (caught.value.result.passed, caught.value.result.failed) == (0, 1)


def test_bench_that_compares_nothing_fails(run_slice: Slice) -> None:
    with pytest.raises(BenchFailed, match="only 0 beats were compared, at least 60 must be"):
        run_slice("empty", testcase="round_trip/pattern=none")


def test_wrong_result_of_the_design_fails(run_slice: Slice) -> None:
    with pytest.raises(BenchFailed, match="last got 0x0, expected 0x1"):
        run_slice(parts={"LAST_IN": "1'b0"}, testcase="round_trip/pattern=none")


@pytest.mark.parametrize(("parts", "message"), [
    ({"VALID_GATE": "&& (m_y_ready || !held_q); reg held_q; always @(posedge clk) held_q <= full_q && !m_y_ready"},
     "m_y: valid dropped before the beat was accepted"),
    ({"HELD": "else if (full_q) m_y_data <= ~m_y_data;"}, "m_y: data changed while valid waited for ready"),
    ({"RESET": "1'bx"}, "m_y: valid is X|s_x: ready is X"),
], ids=["valid-drops", "payload-changes", "x-after-reset"])
def test_protocol_violation_is_caught(run_slice: Slice, parts: dict[str, str], message: str) -> None:
    with pytest.raises(BenchFailed, match=message):
        run_slice(parts=parts, testcase="round_trip/pattern=backpressure")


def test_hang_ends_at_the_cycle_budget_and_says_what_is_awaited(run_slice: Slice) -> None:
    with pytest.raises(BenchFailed, match=r"cycle budget of 60 exceeded; beats accepted: .*m_y: \d+ compared"):
        run_slice("budget", testcase="round_trip/pattern=both")


def test_failure_prints_what_repeats_it(run_slice: Slice, request: pytest.FixtureRequest, seed: int) -> None:
    with pytest.raises(BenchFailed) as caught:
        run_slice("corrupt", testcase="round_trip/pattern=none")
    text = str(caught.value)
    assert f"repeat     make test TEST={request.node.nodeid} SEED={seed}" in text
    assert "LANES=4 WIDTH=16" in text


def test_same_seed_repeats_and_another_differs(run_slice: Slice) -> None:
    def last_mismatch(seed: int) -> str:
        result = run_slice("corrupt", testcase="round_trip/pattern=both", seed=seed, check=False)
        return result.failures[0]

    assert last_mismatch(5) == last_mismatch(5) != last_mismatch(6)


def test_selecting_no_test_fails(run_slice: Slice) -> None:
    with pytest.raises(BenchFailed, match="no test ran"):
        run_slice(testcase="no_such_test")


def test_build_is_shared_and_follows_the_sources(run_slice: Slice, tmp_path: Path) -> None:
    one = "round_trip/pattern=none"
    run_slice(testcase=one)
    (binary,) = (tmp_path / "build").glob("icarus-slice-*/sim.vvp")
    first = binary.stat().st_mtime_ns
    run_slice(testcase=one)
    assert binary.stat().st_mtime_ns == first
    with pytest.raises(BenchFailed):
        run_slice(parts={"HELD": "else if (1) m_y_data <= 0;"}, testcase="round_trip/pattern=backpressure")
    assert binary.stat().st_mtime_ns != first


def test_waves_are_written(run_slice: Slice) -> None:
    result = run_slice(testcase="round_trip/pattern=none", waves=True)
    assert result.waves is not None
    assert result.waves.stat().st_size > 0


def test_verilog_error_is_reported_with_the_compiler_message(run_slice: Slice) -> None:
    with pytest.raises(FcimError, match="icarus could not build slice") as caught:
        run_slice(parts={"RESET": "1'b0 +"})
    assert "syntax error" in str(caught.value)


def test_place_that_cannot_be_written_is_one_line(run_slice: Slice, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    said = r"^cannot write to \S*/file\S* \(Not a directory\), where builds and runs go; work in a copy"
    with pytest.raises(FcimError, match=said) as caught:
        run_slice(build_root=tmp_path / "file" / "build")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("sim", "message"), [
    ("icarus", r"^the simulator 'icarus' is not installed \(iverilog is not on PATH\); run: make setup$"),
    ("modelsim", r"^SIM = 'modelsim' is unknown; use icarus or verilator$"),
])
def test_missing_simulator_is_one_line(run_slice: Slice, monkeypatch: pytest.MonkeyPatch, sim: str, message: str) -> None:
    monkeypatch.setattr(shutil, "which", lambda *_: None)
    with pytest.raises(FcimError, match=message):
        run_slice(sim=sim)
