"""How the engine is cut into blocks."""

from __future__ import annotations

from pathlib import Path

from scripts.synth.elaborate import cut
from scripts.synth.run import tops_of

PORTS = "  attribute \\src \"x.v:1\"\n  wire input 1 \\a\n  wire width 4 output 2 \\y\n"


def module(name: str, *body: str) -> str:
    """A module in yosys' text form."""
    return f"attribute \\src \"x.v:9\"\nmodule \\{name}\n{PORTS}{''.join(body)}end\n"


def cell(kind: str, name: str) -> str:
    """An instance."""
    return f"  cell \\{kind} \\{name}\n    connect \\a \\a\n  end\n"


def leaf(number: int, more: str = "") -> str:
    """Something inside, with a number that yosys gave."""
    return f"  wire $temp${number}_Y\n{more}  cell $not $not$f.v:3${number + 1}\n    connect \\A $temp${number}_Y\n  end\n"


def test_instances_that_are_alike_are_one_block(tmp_path: Path) -> None:
    text = (module("fcim_engine", cell("fcim_row$a.b", "u_a"), cell("fcim_row$a.c", "u_b"), cell("fcim_row$a.d", "u_c"))
            + module("fcim_row$a.b", leaf(5)) + module("fcim_row$a.c", leaf(7)) + module("fcim_row$a.d", leaf(9, "  wire \\z\n")))
    blocks = cut(text, tmp_path)
    assert list(blocks) == ["fcim_row", "fcim_row_2", "fcim_engine"]
    assert blocks["fcim_engine"].children == {"u_a": "fcim_row", "u_b": "fcim_row", "u_c": "fcim_row_2"}
    top = blocks["fcim_engine"].file.read_text()
    assert top.count("attribute \\blackbox 1") == 2 and "  cell \\fcim_row_2 \\u_c\n" in top and "$not" not in top


def test_two_counts_that_meet_do_not_part_what_is_alike(tmp_path: Path) -> None:
    """The reader's numbers begin anew in each module, those of yosys go on: where they meet, nothing says so."""
    def row(count: int) -> str:
        return f"  wire $sum_q$5\n  wire $procmux${count}_Y\n  cell $not $9\n    connect \\A $procmux${count}_Y\n  end\n"

    text = module("fcim_engine", cell("fcim_row$a.b", "u_a"), cell("fcim_row$a.c", "u_b"), cell("fcim_row$a.d", "u_c"))
    text += "".join(module(f"fcim_row$a.{letter}", row(count)) for letter, count in (("b", 5), ("c", 9), ("d", 30)))
    assert list(cut(text, tmp_path)) == ["fcim_row", "fcim_engine"]


def test_a_memory_that_yosys_named_keeps_its_name_where_it_is_read(tmp_path: Path) -> None:
    inside = "  memory width 8 size 16 $rom$70\n  cell $memrd $9\n    parameter \\MEMID \"$rom$70\"\n  end\n"
    file = cut(module("fcim_engine", "  wire $sum_q$70\n", inside), tmp_path)["fcim_engine"].file
    memory, = [line.split()[-1] for line in file.read_text().splitlines() if line.startswith("  memory")]
    assert memory != "$rom$70" and f'parameter \\MEMID "{memory}"' in file.read_text()


def test_another_design_keeps_the_blocks_that_are_known(tmp_path: Path) -> None:
    """What is alike is one block in both, what is not gets a number."""
    first = cut(module("fcim_engine", cell("fcim_row$a.b", "u_a")) + module("fcim_row$a.b", leaf(5)), tmp_path)
    text = module("fcim_unit", cell("fcim_row$a.b", "u_a"), cell("fcim_row$a.c", "u_b"))
    text += module("fcim_row$a.b", leaf(5)) + module("fcim_row$a.c", leaf(5, "  wire \\z\n"))
    both = cut(text, tmp_path, "fcim_unit", first)
    assert list(both) == ["fcim_row", "fcim_engine", "fcim_row_2", "fcim_unit"] and first.items() <= both.items()
    assert both["fcim_unit"].children == {"u_a": "fcim_row", "u_b": "fcim_row_2"}
    assert both["fcim_unit"].file.read_text().count("attribute \\blackbox 1") == 2


def test_a_module_that_is_not_read_is_the_one_that_is_known(tmp_path: Path) -> None:
    """An instance says with which parameters it was left out; the known one has no more."""
    known = cut(module("fcim_engine", cell("fcim_row$a.b", "u_a")) + module("fcim_row$a.b", leaf(5)), tmp_path)
    boxed = cell("fcim_engine", "u_a").replace("    connect", "    parameter \\ROWS 16\n    parameter \\HEAD_DIM 32\n    connect")
    text = module("fcim_unit", boxed, cell("fcim_row$c.d", "u_b")) + module("fcim_row$c.d", leaf(3)) + module("fcim_engine")
    both = cut(text, tmp_path, "fcim_unit", known, ["fcim_engine"])
    assert both["fcim_unit"].children == {"u_a": "fcim_engine", "u_b": "fcim_row"} and known.items() <= both.items()
    file = both["fcim_unit"].file.read_text()
    assert "parameter" not in file and f"module \\fcim_engine\n{PORTS.splitlines(keepends=True)[1]}" in file


def test_memories_have_their_sizes_in_their_names(tmp_path: Path) -> None:
    text = (module("fcim_engine", cell("fcim_ram$a.b", "u_a"), cell("fcim_ram$a.c", "u_b"), cell("fcim_x$a.d", "u_c"))
            + module("fcim_ram$a.b", "  memory width 8 size 16 \\m\n") + module("fcim_ram$a.c", "  memory width 9 size 4 \\m\n")
            + module("fcim_x$a.d", "  memory width 9 size 4 \\m\n"))
    blocks = cut(text, tmp_path)
    assert blocks["fcim_engine"].children == {"u_a": "fcim_ram_16x8", "u_b": "fcim_ram_4x9", "u_c": "fcim_x"}
    assert tops_of(["ram", "x"], blocks) == ("fcim_ram_16x8", "fcim_ram_4x9", "fcim_x")
    assert tops_of(["ram_4x9"], blocks) == ("fcim_ram_4x9",)


def test_a_digest_says_what_the_block_is_and_not_where_it_stands(tmp_path: Path) -> None:
    def digests(inner: str) -> dict[str, str]:
        text = module("fcim_engine", cell("fcim_row$a.b", "u_a")) + module("fcim_row$a.b", inner)
        return {name: block.digest for name, block in cut(text, tmp_path).items()}

    first = digests(leaf(5))
    assert digests(leaf(50)) == first
    assert digests(leaf(5).replace("$not$", "$neg$"))["fcim_row"] != first["fcim_row"]
    assert digests(leaf(5).replace("$not$", "$neg$"))["fcim_engine"] == first["fcim_engine"]
    wider = module("fcim_engine", cell("fcim_row$a.b", "u_a")) + module("fcim_row$a.b", leaf(5)).replace("width 4", "width 5")
    assert cut(wider, tmp_path)["fcim_engine"].digest != first["fcim_engine"]
