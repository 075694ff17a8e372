"""A library whose delays can be added up by hand: every delay is ``10 + load`` ps, a transition ``20`` ps, setup ``5`` ps."""

from __future__ import annotations

TEMPLATE = """
  lu_table_template (t) {
    variable_1 : input_net_transition;
    variable_2 : total_output_net_capacitance;
    index_1 ("0, 100");
    index_2 ("0, 100");
  }
  lu_table_template (s) {
    variable_1 : related_pin_transition; variable_2 : constrained_pin_transition; index_1 ("0, 100"); index_2 ("0, 100");
  }
"""


def tables(base: float) -> str:
    """Delays of ``base`` + load, transitions of 20."""
    delay = f'(t) {{ values ("{base}, {base + 100}", "{base}, {base + 100}"); }}'
    slew = '(t) { values ("20, 20", "20, 20"); }'
    return f"cell_rise {delay} cell_fall {delay} rise_transition {slew} fall_transition {slew}"


def pin(name: str, farad: float, more: str = "") -> str:
    """An input."""
    return f"pin ({name}) {{ direction : input; capacitance : {farad}; {more} }}"


def output(name: str, function: str, *timing: str) -> str:
    """An output with its arcs."""
    return f'pin ({name}) {{ direction : output; function : "{function}"; {" ".join(timing)} }}'


def arc(source: str, sense: str, base: float = 10.0) -> str:
    """A combinational arc."""
    return f'timing () {{ related_pin : "{source}"; timing_sense : {sense}; {tables(base)} }}'


SETUP = 'timing () { related_pin : "CLK"; timing_type : setup_rising; rise_constraint (s) { values ("5, 5", "5, 5"); } ' \
        'fall_constraint (s) { values ("5, 5", "5, 5"); } }'
LAUNCH = f'timing () {{ related_pin : "CLK"; timing_type : rising_edge; {tables(30.0)} }}'
CELLS = (
    f"cell (INV) {{ area : 1; {pin('A', 1)} {output('Y', '!A', arc('A', 'negative_unate'))} }}",
    f"cell (BUF) {{ area : 2; {pin('A', 1)} {output('Y', 'A', arc('A', 'positive_unate'))} }}",
    f"cell (NAND2) {{ area : 2; {pin('A', 2)} {pin('B', 3)} "
    f"{output('Y', '!(A*B)', arc('A', 'negative_unate'), arc('B', 'negative_unate', 15.0))} }}",
    f"cell (DFF) {{ area : 8; ff (IQ, IQN) {{ clocked_on : CLK; next_state : D; }} {pin('CLK', 1, 'clock : true;')} "
    f"{pin('D', 1, SETUP)} {output('Q', 'IQ', LAUNCH)} }}",
)
LIBRARY = ('library (small) {\n  /* a comment */ time_unit : "1ps";\n  capacitive_load_unit (1, ff);\n' + TEMPLATE
           + "\n".join(CELLS) + "\n}\n")
