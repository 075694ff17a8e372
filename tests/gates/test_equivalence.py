"""Designs that are the same and designs that are not: registers by name, X on the first side, registers that one side lacks."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.flow.gates import yosys
from scripts.flow.gates.equivalence import DIFFERENT, OPEN, PROVEN, SIDES, Verdict, prove

HEAD = "(input clk, input rst_n, input [3:0] a, input [3:0] b, input [1:0] s, output [3:0] y);\n"
COUNTER = "reg [3:0] n_q; always @(posedge clk) if (!rst_n) n_q <= 0; else if (s[0]) n_q <= n_q + a; assign y = n_q ^ b;\n"
OTHER_COUNTER = ("reg [3:0] n_q; wire [3:0] m = s[0] ? a : 4'd0;\n"
                 "always @(posedge clk) n_q <= {4{rst_n}} & (n_q + m); assign y = (n_q | b) & ~(n_q & b);\n")
CHOICE = "reg [3:0] c; always @* case (s) 0: c = a; 1: c = b; 2: c = a & b; default: c = 4'bx; endcase\n"
STORED = "reg [3:0] c_q, d_q; always @(posedge clk) begin c_q <= {0}; d_q <= c_q; end assign y = d_q;\n"
MULTIPLIER = "(input clk, input [{0}:0] a, input [{0}:0] b, output [{1}:0] y);\nassign y = {2};\n"


def compare(folder: Path, first: str, second: str) -> Verdict:
    """Two modules by what stands in them."""
    scripts = []
    for name, body in zip(SIDES, (first, second), strict=True):
        (folder / f"{name}.v").write_text(f"module {name} {HEAD}{body}endmodule\n")
        scripts.append(f"read_verilog -sv {folder}/{name}.v\nhierarchy -check -top {name}\nproc\nopt -keepdc\n")
    return prove(*scripts, folder, 30)


def test_the_same_in_other_words(tmp_path: Path) -> None:
    verdict = compare(tmp_path, COUNTER, OTHER_COUNTER)
    assert (verdict.state, verdict.registers, verdict.alone, verdict.outputs) == (PROVEN, 4, 0, 4) and not verdict.why


@pytest.mark.parametrize(("old", "new", "where"), [
    ("n_q + m", "n_q - m", "the next value of n_q["), ("{4{rst_n}} &", "4'd15 &", "the next value of n_q["),
    ("~(n_q & b)", "b", "y[")])
def test_what_is_not_the_same(old: str, new: str, where: str, tmp_path: Path) -> None:
    verdict = compare(tmp_path, COUNTER, OTHER_COUNTER.replace(old, new))
    assert verdict.state == DIFFERENT and verdict.why.startswith(where) and "differs" in verdict.why


@pytest.mark.parametrize("value", ["a | b", "4'd5", "s"])
def test_where_the_first_says_x_the_second_does_as_it_likes(value: str, tmp_path: Path) -> None:
    second = CHOICE.replace("4'bx", value)
    assert compare(tmp_path, CHOICE + "assign y = c;\n", second + "assign y = c;\n").state == PROVEN
    folder = tmp_path / "stored"       # an X that registers hold
    folder.mkdir()
    assert compare(folder, CHOICE + STORED.format("c"), second + STORED.format("c")).state == PROVEN


def test_an_x_excuses_nothing_that_it_does_not_reach(tmp_path: Path) -> None:
    for number, (old, new) in enumerate((("2: c = a & b", "2: c = a"), ("1: c = b", "1: c = 4'bx"))):
        folder = tmp_path / str(number)
        folder.mkdir()
        assert compare(folder, CHOICE + STORED.format("c"), CHOICE.replace(old, new) + STORED.format("c")).state == DIFFERENT
    masked = "assign y = c & {4{s != 3}};\n"
    (tmp_path / "masked").mkdir()
    assert compare(tmp_path / "masked", CHOICE + masked, CHOICE + "assign y = (s == 3) ? 4'd1 : c;\n").state == DIFFERENT


def test_registers_that_one_side_lacks(tmp_path: Path) -> None:
    """One that is always 1, and one that does as another does, on either side."""
    plain = "reg [3:0] c_q; always @(posedge clk) c_q <= a; assign y = c_q;\n"
    more = ("reg [3:0] c_q, twin_q; reg one_q;\n"
            "always @(posedge clk) begin c_q <= a; twin_q <= a & (a | b); one_q <= (s == 0) | (s[0] | s[1]); end\n"
            "assign y = c_q & twin_q & {4{one_q}};\n")
    for number, pair in enumerate(((plain, more), (more, plain))):
        folder = tmp_path / str(number)
        folder.mkdir()
        verdict = compare(folder, *pair)
        assert verdict.state == PROVEN and verdict.alone >= 4, verdict
    verdict = compare(tmp_path, plain, more.replace("(a | b)", "b"))
    assert verdict.state == OPEN and "has no partner" in verdict.why


def test_a_port_that_one_side_lacks(tmp_path: Path) -> None:
    (tmp_path / "a.v").write_text("module first(input clk, input a, output y, z); assign y = a; assign z = a; endmodule\n"
                                  "module second(input clk, input a, output y); assign y = a; endmodule\n")
    script = f"read_verilog {tmp_path}/a.v\nhierarchy -top {{0}}\nproc\n"
    verdict = prove(*(script.format(name) for name in SIDES), tmp_path, 10)
    assert verdict.state == DIFFERENT and verdict.why == "output z[0] is on one side only"


def test_what_takes_too_long_stays_open(tmp_path: Path) -> None:
    head = MULTIPLIER.format(23, 47, "{0}")
    one, two = head.format("a * b"), head.format("({24'd0, a} * b[11:0]) + (({24'd0, b[23:12]} * a) << 12)")
    (tmp_path / "a.v").write_text(f"module first {one}endmodule\nmodule second {two}endmodule\n")
    script = f"read_verilog {tmp_path}/a.v\nhierarchy -top {{0}}\nproc\n"
    verdict = prove(*(script.format(name) for name in SIDES), tmp_path, 1)
    assert verdict.state == OPEN and verdict.why == "not closed in 1 s"


def test_another_clock(tmp_path: Path) -> None:
    with pytest.raises(yosys.YosysFailed, match="a register is not clocked by the rising edge of clk"):
        compare(tmp_path, "reg [3:0] c_q; always @(negedge clk) c_q <= a; assign y = c_q;\n", COUNTER)
