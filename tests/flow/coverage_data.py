"""A one-file design and coverage data as Verilator writes them, made by hand."""

from __future__ import annotations

from pathlib import Path

from scripts.flow.coverage.database import APART, SUFFIX
from scripts.flow.coverage.functional import CoverGroup
from scripts.flow.coverage.report import report
from scripts.flow.coverage.results import Inputs, Results, collect

MODULE = """\
// a file of the design
module m (input wire clk, input wire a, output reg [3:0] y_q);
    always @(posedge clk)
        if (a && go)
            y_q <= 4'd1;
        else
            y_q <= 4'd2;
endmodule
"""
NO_FLOORS = "line: 0\nbranch: 0\nexpression: 0\ntoggle: 0\nfunctional: 0\n"
BLOCK, IF, ELSE = ("line", 3, 5, "block", "3"), ("branch", 4, 9, "if", "4-5"), ("branch", 4, 10, "else", "7")
Entry = tuple[str, int, int, str, str]


class HandMade:
    """A design of one file, and a folder for data."""

    def __init__(self, folder: Path) -> None:
        self.design, self.data, self.out = folder / "hdl", folder / "data", folder / "out"
        self.exclusions, self.floors = folder / "exclusions.yaml", folder / "floors.yaml"
        self.design.mkdir()
        self.data.mkdir()
        self.write("m.v", MODULE)
        self.exclusions.write_text("")
        self.floors.write_text(NO_FLOORS)

    def write(self, name: str, text: str) -> None:
        (self.design / name).write_text(text)

    def run(self, name: str, counts: dict[Entry, int], file: str = "m.v", module: str = "m", instance: str = "top",
            apart: bool = False) -> None:
        """Data of one run, as Verilator writes them; ``apart``: of one that keeps instances apart."""
        folder = "" if file.startswith("/") else f"{self.design}/"
        lines = []
        for (kind, line, column, comment, spans), n in counts.items():
            fields = {"f": folder + file, "l": line, "n": column, "t": kind, "page": f"v_{kind}/{module}", "o": comment,
                      **({"S": spans} if spans else {}), "h": instance}
            lines.append("C '" + "".join(f"\x01{key}\x02{value}" for key, value in fields.items()) + f"' {n}\n")
        data = self.data / f"bench_{name}-0-0{APART if apart else SUFFIX}"
        before = data.read_text() if data.exists() else "# SystemC::Coverage-3\n"
        data.write_text(before + "".join(lines))

    def collect(self) -> Results:
        return collect(self.data, self.design, self.exclusions, self.floors)

    def report(self, record: Path | None = None, update_floors: bool = False) -> bool:
        """The whole report of a design without coverpoints, and so without a verification plan."""
        nothing = self.design.parent / "none.yaml"
        inputs = Inputs(self.data, self.design, self.exclusions, self.floors, nothing, nothing, record)
        return report(inputs, CoverGroup(()), self.out, update_floors)


def toggles(name: str, *edges: str) -> list[Entry]:
    """Edges of a bit, by default both."""
    return [("toggle", 2, 12, f"{name}:{edge}", "") for edge in edges or ("0->1", "1->0")]


def rows(*texts: str) -> list[Entry]:
    """Rows of one expression."""
    return [("expr", 4, 13, text, "") for text in texts]
