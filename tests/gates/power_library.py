"""A library whose energies can be added up by hand: 2 V, so that half of C V^2 is 2 fJ for each fF."""

from __future__ import annotations

POWER = """
  power_lut_template (w) {
    variable_1 : input_transition_time; variable_2 : total_output_net_capacitance; index_1 ("0, 100"); index_2 ("0, 10");
  }
  power_lut_template (p) { variable_1 : input_transition_time; index_1 ("0, 100"); }
"""


def energy(related: str, rise: float, fall: float, rail: str = "", slope: float = 0.0) -> str:
    """Internal energy of an output's transitions: ``rise`` or ``fall`` without a load, ``slope`` more for each fF."""
    rows = [f'"{x}, {x + 10 * slope}", "{x}, {x + 10 * slope}"' for x in (rise, fall)]
    pg = f"related_pg_pin : {rail};" if rail else ""
    return (f'internal_power () {{ related_pin : "{related}"; {pg} rise_power (w) {{ values ({rows[0]}); }} '
            f"fall_power (w) {{ values ({rows[1]}); }} }}")


def passive(rise: float, fall: float, at_100: float = 0.0) -> str:
    """Internal energy of an input's transitions, ``at_100`` more with transitions of 100 ps."""
    return (f'internal_power () {{ rise_power (p) {{ values ("{rise}, {rise + at_100}"); }} '
            f'fall_power (p) {{ values ("{fall}, {fall + at_100}"); }} }}')


def pin(name: str, farad: float, more: str = "") -> str:
    """An input."""
    return f"pin ({name}) {{ direction : input; capacitance : {farad}; {more} }}"


def output(name: str, function: str, *power: str) -> str:
    """An output."""
    return f'pin ({name}) {{ direction : output; function : "{function}"; {" ".join(power)} }}'


CELLS = (
    # internal 3 on average; the arcs of NAND2 differ, and those of supply and ground are the same charge
    f"cell (INV) {{ area : 1; cell_leakage_power : 5; {pin('A', 1)} {output('Y', '!A', energy('A', 2, 4))} }}",
    f"cell (NAND2) {{ area : 2; {pin('A', 2, passive(0.25, 0.75))} {pin('B', 3)} "
    f"{output('Y', '!(A*B)', energy('A', 6, 6, 'VDD'), energy('A', 10, 10, 'VSS'), energy('B', 4, 4, 'VDD', 1.0))} }}",
    f"cell (XOR2) {{ area : 2; {pin('A', 2)} {pin('B', 2)} {output('Y', 'A ^ B', energy('A B', 1, 1))} }}",
    f"cell (DFF) {{ area : 8; ff (IQ, IQN) {{ clocked_on : CLK; next_state : D; }} "
    f"{pin('CLK', 1, 'clock : true;' + passive(1, 2))} {pin('D', 1)} {output('Q', 'IQ', energy('CLK', 7, 7))} }}",
    f"cell (DFFN) {{ area : 8; ff (IQN, IQ) {{ clocked_on : CLK; next_state : \"!D\"; }} "
    f"{pin('CLK', 1, 'clock : true;')} {pin('D', 1)} {output('QN', 'IQN', energy('CLK', 7, 7))} }}",
    f"cell (DFFI) {{ area : 8; ff (IQ, IQN) {{ clocked_on : CLK; next_state : D; }} "
    f"{pin('CLK', 1, 'clock : true;')} {pin('D', 1)} {output('QN', 'IQN', energy('CLK', 7, 7))} }}",
    f"cell (DFFR) {{ area : 9; ff (IQ, IQN) {{ clocked_on : CLK; next_state : D; clear : R; }} "
    f"{pin('CLK', 1, 'clock : true;')} {pin('D', 1)} {pin('R', 1)} {output('Q', 'IQ')} }}",
)
LIBRARY = ('library (power) {\n time_unit : "1ps"; leakage_power_unit : "1nW"; nom_voltage : 2;\n'
           ' capacitive_load_unit (1, ff);\n' + POWER + "\n".join(CELLS) + "\n}\n")
