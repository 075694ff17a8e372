"""The faults that are found in a Verilog file, each operator by hand, and that their ids outlive edits elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.errors import FcimError
from scripts.flow.mutants import OPERATORS, Mutant, instances, mutants_of, parsed, plus_one

HEAD = "module fcim_tiny #(parameter W = 4) (input wire clk, input wire rst_n, input wire [W-1:0] a, input wire [W-1:0] b,\n"
HEAD += "    output wire [W+1-1:0] y);\n"


def found(body: str) -> set[tuple[str, str, str]]:
    """Operator, old and new text of all mutants of a module with this body; each is one edit of the text."""
    text = f"{HEAD}{body}\nendmodule\n"
    mutants = mutants_of(text, "rtl/fcim_tiny.v", Path("rtl/fcim_tiny.v"))
    for mutant in mutants:
        changed = mutant.applied(text)
        begin, end = mutant.begin, mutant.begin + len(mutant.old)
        assert changed == text[:begin] + mutant.new + text[end:] != text and mutant.line == text[:begin].count("\n") + 1
        assert mutant.module == "fcim_tiny"
    assert len({mutant.id for mutant in mutants}) == len(mutants)
    return {(mutant.operator, mutant.old, mutant.new) for mutant in mutants}


@pytest.mark.parametrize(("body", "expected"), [
    ("assign y = a + b;", {("arithmetic", "+", "-")}),
    ("assign y = a - b;", {("arithmetic", "-", "+")}),
    ("assign y = a & b | (a ^ b);", {("logic", "&", "|"), ("logic", "|", "&"), ("logic", "^", "|")}),
    ("assign y = &a && |b;", {("logic", "&", "|"), ("logic", "&&", "||"), ("logic", "|", "&")}),
    ("assign y = a == b;", {("comparison", "==", "!=")}),
    ("assign y = a <= b;", {("comparison", "<=", "<")}),
    ("assign y = a > b;", {("comparison", ">", ">=")}),
    ("assign y = a ? a : b;", {("arms", "a : b", "b : a")}),
    ("assign y = (a == b) ? a : b;", {("arms", "a : b", "b : a"), ("comparison", "==", "!=")}),
    ("assign y = a == b ? a : b;", {("arms", "a : b", "b : a")}),
    ("assign y = 4'd7;", {("constant", "4'd7", "4'd6")}),
    ("assign y = 7;", {("constant", "7", "8")}),
    ("assign y = {W{a}};", set()),
    ("assign y = {a, b};", {("concatenation", "a, b", "b, a")}),
    ("assign y = {a, a};", set()),
    ("assign y = a[2];", {("index", "2", "3")}),
    ("assign y = a[b];", {("index", "b", "(b) + 1")}),
    ("assign y = a[W-2:1];", {("index", "W-2:1", "(W-2) + 1:2")}),
    ("assign y = a[b +: 2];", {("index", "b", "(b) + 1")}),
    ("assign y = a << 2;", {("shift", "2", "1")}),
    ("assign y = a >>> b;", {("shift", "b", "(b) - 1")}),
    ("wire [W-1+3:0] u; assign y = u;", set()),
    ("fcim_other #(.P(3)) u_other (.clk(clk), .x(a));", set()),
    ("generate if (W < 4) begin : g fcim_illegal_W_use_4 illegal_w(); end endgenerate",
     {("legality", "<", "<="), ("legality", "4", "5"), ("legality", "W < 4", "!(W < 4)")}),
    ("reg q; always @(posedge clk) if (!rst_n) q <= b; else q <= a; assign y = q;",
     {("condition", "!rst_n", "!(!rst_n)"), ("reset", "q <= b;", ";"), ("assignment", "q <= a;", ";")}),
    ("reg [3:0] q; integer i; always @* for (i = 0; i < W; i = i + 1) q[i] = a[0]; assign y = q;",
     {("index", "i", "(i) + 1"), ("index", "0", "1")}),
    ("`ifndef FCIM_FAST_SIM\nassign y = a + b;\n`else\nassign y = a & b;\n`endif", {("logic", "&", "|")}),
    ("reg q; always @* if (a != b) q = a; else q = b; assign y = q; // 1 + 1", {("condition", "a != b", "!(a != b)")}),
])
def test_operators(body: str, expected: set[tuple[str, str, str]]) -> None:
    assert found(body) == expected and {operator for operator, _, _ in expected} <= set(OPERATORS)


@pytest.mark.parametrize(("literal", "new"), [
    ("7", "8"), ("1'b0", "1'b1"), ("8'hff", "8'hfe"), ("8'h0F", "8'h0e"), ("4'b1010", "4'b1011"), ("5'd20", "5'd21"),
    ("4'bxx01", None), ("'sd3", "'sd2"), ("1_0", "11")])
def test_numbers(literal: str, new: str | None) -> None:
    assert plus_one(literal) == new


def by_text(body: str) -> dict[tuple[str, str], Mutant]:
    return {(m.operator, m.old): m for m in mutants_of(f"{HEAD}{body}\nendmodule\n", "rtl/t.v", Path("rtl/t.v"))}


def test_ids_outlive_edits_elsewhere() -> None:
    """Lines above and other spaces before a line change no id; the line itself, and one beside it, do."""
    body = "wire u = 1'b1;\nwire w = 1'b1;\n\n    assign y = a + b;\n\nwire x = 1'b1;"
    before = by_text(body)["arithmetic", "+"]
    moved = by_text("// a line\nwire n = a & b;\n" + body.replace("    assign", "  assign"))["arithmetic", "+"]
    assert moved.id == before.id and moved.line == before.line + 2
    assert by_text(body.replace("a + b", "b + a"))["arithmetic", "+"].id != before.id
    assert by_text(body.replace("b;\n\n", "b;\n// told\n"))["arithmetic", "+"].id != before.id


def test_equal_places_have_ids_of_their_own() -> None:
    text = f"{HEAD}assign y = a + b;\n\n\nassign y = a + b;\n\nendmodule\n"
    mutants = mutants_of(text, "rtl/t.v", Path("rtl/t.v"))
    assert len(mutants) == 2 == len({m.id for m in mutants})


def test_another_text_is_refused() -> None:
    mutant = by_text("assign y = a + b;")["arithmetic", "+"]
    with pytest.raises(ValueError, match="does not hold"):
        mutant.applied("module fcim_tiny; endmodule")


@pytest.mark.parametrize("text", ["module x; assign = ; endmodule", "// nothing\n"])
def test_what_is_no_module(text: str) -> None:
    with pytest.raises(FcimError, match="is not legal Verilog, or holds no module"):
        mutants_of(text, "rtl/x.v", Path("rtl/x.v"))


def test_instances() -> None:
    text = f"{HEAD}fcim_a u_a (.x(a));\ngenerate if (W > 1) begin\nfcim_b #(.P(1)) u_b (.x(b));\nend endgenerate\nendmodule\n"
    assert instances(parsed(text, Path("rtl/t.v"))) == {"fcim_a", "fcim_b"}
