"""Does a design do what another one does? Registers are matched by name and cut, and ABC compares next values and outputs.

Equal registers then lead to equal outputs and equal registers for ever. What registers hold at first is not compared: in hardware
nobody knows that. A register that one side lacks must be a constant or do as another one does: which, random values tell, and
that its next value is the same is a part of the comparison. Where the first design says X, the second may do as it likes: beside
each net of the first that X reaches runs another that tells whether it is X, through registers too.
"""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from scripts.flow.gates import yosys

# What both designs end with: simple gates and flip-flops with a clock and nothing else, and every X where it is.
SIMPLE = ("opt -keepdc\ntechmap\nopt -keepdc\nopt_dff -keepdc\nopt_clean\ndfflegalize -cell $_DFF_P_ x\naigmap\n"
          "delete t:$scopeinfo\nopt_clean\n")
PROVEN, DIFFERENT, OPEN = "proven", "different", "open"
SIDES = ("first", "second")
ROUNDS, PATTERNS = 3, 4096      # of random values for registers without a partner
GUESS, LOG = "g:", "cec.log"
GRACE = 30      # seconds that ABC gets beyond its own limit
_ALL = (1 << PATTERNS) - 1
_FALSE = re.compile(r"^Output (\S+): Value", re.M)
_IN_CELL = re.compile(r"\$_\w+_\.\w+$")       # a net within the cell of a register, which yosys calls so
_NAMED = re.compile(r"(.*)\[(\d+)\]")
Bit = int | str
Pair = tuple[Bit, Bit]


@dataclass(frozen=True)
class Verdict:
    """``state`` is PROVEN, DIFFERENT or OPEN, ``why`` says more of the last two. ``registers``: pairs of them; ``alone``:
    those without a partner of their name."""

    state: str
    why: str
    registers: int
    alone: int
    outputs: int
    seconds: float


@dataclass
class _Side:
    """One design: ports by name and bit, the next value of each register, all names of registers, and gates by their output."""

    inputs: dict[str, Bit]
    outputs: dict[str, Bit]
    registers: dict[Bit, Bit]
    names: dict[str, Bit]
    gates: dict[Bit, tuple[Bit, ...]]       # one source: inverted; two: and


def _read(module: Mapping[str, Any], clock: str) -> _Side:
    side = _Side({}, {}, {}, {}, {})
    for name, port in module["ports"].items():
        if name != clock:
            (side.outputs if port["direction"] == "output" else side.inputs).update(
                {f"{name}[{i}]": bit for i, bit in enumerate(port["bits"])})
    for cell in module["cells"].values():
        pins = {pin: bits[0] for pin, bits in cell["connections"].items()}
        if cell["type"] == "$_DFF_P_":
            if [pins["C"]] != module["ports"][clock]["bits"]:
                raise yosys.YosysFailed(f"a register is not clocked by the rising edge of {clock}")
            side.registers[pins["Q"]] = pins["D"]
        elif cell["type"] in ("$_NOT_", "$_AND_"):
            side.gates[pins["Y"]] = (pins["A"], pins["B"]) if "B" in pins else (pins["A"],)
        else:
            raise yosys.YosysFailed(f"{cell['type']} is no simple cell")
    driven = {*side.inputs.values(), *side.registers, *side.gates, "0", "1", "x"}
    for nets in (side.outputs, side.registers):
        nets.update({name: "x" for name, bit in nets.items() if bit not in driven})
    side.gates.update({bit: tuple(source if source in driven else "x" for source in sources)
                       for bit, sources in side.gates.items()})
    for given, net in module["netnames"].items():
        name = _IN_CELL.sub("", given)
        whole = len(net["bits"]) > 1 or not _NAMED.fullmatch(name)      # else it is a bit, and named as one
        side.names.update({f"{name}[{i + net.get('offset', 0)}]" if whole else name: bit
                           for i, bit in enumerate(net["bits"]) if bit in side.registers})
    return side


def prove(first: str, second: str, folder: Path, seconds: float, clock: str = "clk") -> Verdict:
    """Compare two designs.

    Args:
        first: commands of yosys that leave a flat module called ``first``, whose registers have one clock.
        second: the same for one called ``second``.
        folder: scripts, logs and what is compared stay in it.
        seconds: for the solver.

    Raises:
        yosys.YosysFailed: yosys refuses one of the designs.
    """
    began, sides = time.monotonic(), []
    for name, script in zip(SIDES, (first, second), strict=True):
        yosys.run(f"{script}{SIMPLE}write_json {folder}/{name}.json\n", folder, name)
        sides.append(_read(json.loads((folder / f"{name}.json").read_text())["modules"][name], clock))
    one, two = sides
    for what, ports, others in (("input", one.inputs, two.inputs), ("output", one.outputs, two.outputs)):
        if ports.keys() != others.keys():
            why = f"{what} {min(ports.keys() ^ others.keys())} is on one side only"
            return Verdict(DIFFERENT, why, 0, 0, len(one.outputs), time.monotonic() - began)
    pairs = {(one.names[name], two.names[name]): name for name in sorted(one.names.keys() & two.names.keys(), reverse=True)}
    same = _classes(pairs)
    values = [{pair[place]: same[pair] for pair in pairs} for place in (0, 1)]
    alone = [_guesses(side, values[place]) for place, side in enumerate(sides)]
    partner = [{a: two.registers[b] for a, b in pairs}, {b: one.registers[a] for a, b in pairs}]
    unknown = _reached(one)
    ends: list[dict[str, tuple[Bit, Bit]]] = [
        {f"o:{name}": (bit, two.outputs[name]) for name, bit in one.outputs.items()},
        {f"d:{label}": (one.registers[a], two.registers[b]) for (a, b), label in pairs.items()},
        {f"{GUESS}a{bit}": (one.registers[bit], partner[0].get(guess, guess)) for bit, guess in alone[0].items()},
        {f"{GUESS}b{bit}": (partner[1].get(guess, guess), two.registers[bit]) for bit, guess in alone[1].items()}]
    inputs = ["i:" + name for name in sorted(one.inputs)] + ["r:" + name for name in sorted(set(same.values()))]
    inputs += sorted({f"x:{values[0][bit]}" for bit in one.registers if bit in unknown and bit in values[0]})
    first = _lines("a", one, values[0], alone[0], unknown)
    both = [*first, *_lines("b", two, values[1], alone[1], set())]
    pins = {name: pair for part in ends for name, pair in sorted(part.items())}
    for name, lines, sides_ in (("first", first, "a"), ("second", both, "b")):
        compared = [f".names x{pair[0]} {sides_}{pair[sides_ == 'b']} {pin}\n01 1" if pair[0] in unknown else
                    f".names {sides_}{pair[sides_ == 'b']} {pin}\n1 1" for pin, pair in pins.items()]
        heads = [" \\\n ".join([".inputs", *inputs]), " \\\n ".join([".outputs", *pins])]
        (folder / f"{name}.blif").write_text("\n".join([".model m", *heads, *lines, *compared, ".end", ""]))
    state, why = _compare(folder, seconds)
    return Verdict(state, why, len(pairs), sum(map(len, alone)), len(one.outputs), time.monotonic() - began)


def _reached(side: _Side) -> set[Bit]:
    """The nets that an X may reach, through registers too."""
    users: dict[Bit, list[Bit]] = {}
    for bit, sources in (*side.gates.items(), *((bit, (source,)) for bit, source in side.registers.items())):
        for source in sources:
            users.setdefault(source, []).append(bit)
    found, waiting = {"x"}, ["x"]
    while waiting:
        fresh = [bit for bit in users.get(waiting.pop(), ()) if bit not in found]
        found.update(fresh)
        waiting += fresh
    return found


def _classes(pairs: Mapping[Pair, str]) -> dict[Pair, str]:
    """For each pair one name for all registers that pairs connect: one that the other side has twice belongs to two pairs."""
    parent: dict[tuple[int, Bit], tuple[int, Bit]] = {}

    def root(node: tuple[int, Bit]) -> tuple[int, Bit]:
        while parent.setdefault(node, node) != node:
            node = parent[node]
        return node

    for one, two in pairs:
        parent[root((0, one))] = root((1, two))
    names: dict[tuple[int, Bit], str] = {}
    return {pair: names.setdefault(root((0, pair[0])), label) for pair, label in pairs.items()}


def _guesses(side: _Side, values: Mapping[Bit, str]) -> dict[Bit, Bit]:
    """What each register without a partner is: 0, 1, or the register of the same side that has the same next value wherever
    random values lead; 0 where it is nothing of that, and the comparison will say so."""
    alone = [bit for bit in side.registers if bit not in values]
    found: dict[Bit, Bit] = dict.fromkeys(alone, "0")
    for _ in range(ROUNDS if alone else 0):
        value = {"0": 0, "1": _ALL, "x": 0}
        value |= {bit: _random(f"i:{name}") for name, bit in side.inputs.items()}
        value |= {bit: _random(f"r:{name}") for bit, name in values.items()}
        value |= {bit: value[guess] for bit, guess in found.items()}
        _evaluate(side, value)
        next_values = {value[side.registers[bit]]: bit for bit in values} | {0: "0", _ALL: "1"}
        found = {bit: next_values.get(value[side.registers[bit]], "0") for bit in alone}
    return found


def _random(name: str) -> int:
    """The same for the same name."""
    return int.from_bytes(np.random.default_rng(list(name.encode())).bytes(PATTERNS // 8), "little")


def _evaluate(side: _Side, value: dict[Bit, int]) -> None:
    """All gates from what is there."""
    for bit in side.gates:
        waiting = [bit]
        while waiting:
            top = waiting[-1]
            missing = [] if top in value else [source for source in side.gates[top] if source not in value]
            if missing:
                waiting += missing
                continue
            waiting.pop()
            if top not in value:
                inputs = [value[source] for source in side.gates[top]]
                value[top] = inputs[0] & inputs[1] if len(inputs) == 2 else _ALL ^ inputs[0]


def _lines(name: str, side: _Side, values: Mapping[Bit, str], alone: Mapping[Bit, Bit], unknown: set[Bit]) -> list[str]:
    """The design without its registers, nets called ``name`` and their number, those that tell whether one is X ``x``."""
    lines = [f".names {name}0", f".names {name}1\n1", f".names {name}x", f".names {name}z"]
    lines += [f".names i:{port} {name}{bit}\n1 1" for port, bit in side.inputs.items()]
    lines += [f".names r:{label} {name}{bit}\n1 1" for bit, label in values.items()]
    lines += [f".names {name}{value} {name}{bit}\n1 1" for bit, value in alone.items()]
    lines += [f".names {' '.join(f'{name}{source}' for source in sources)} {name}{bit}\n{'11 1' if len(sources) == 2 else '0 1'}"
              for bit, sources in side.gates.items()]
    if not unknown:
        return lines
    lines += [".names xx\n1"]
    for bit in side.registers:
        if bit in unknown:
            source = f"x:{values[bit]}" if bit in values else f"x{alone[bit]}" if alone[bit] in unknown else ""
            lines.append(f".names {source} x{bit}\n1 1" if source else f".names x{bit}")
    for bit, sources in side.gates.items():
        if bit in unknown and len(sources) == 1:
            lines.append(f".names x{sources[0]} x{bit}\n1 1")
        elif bit in unknown:        # X unless the other source is a 0 that is known
            a, b = sources
            if a not in unknown or b not in unknown:
                a, b = (b, a) if a not in unknown else (a, b)
                lines.append(f".names x{a} {name}{b} x{bit}\n11 1")
            else:
                lines.append(f".names x{a} x{b} {name}{a} {name}{b} x{bit}\n11-- 1\n10-1 1\n011- 1")
    return lines


def _compare(folder: Path, seconds: float) -> tuple[str, str]:
    late = f"not closed in {seconds:.0f} s"
    try:
        done = subprocess.run([str(yosys.abc()), "-q", f"cec -T {max(1, round(seconds))} first.blif second.blif"], cwd=folder,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=seconds + GRACE)
    except subprocess.TimeoutExpired:
        return OPEN, late
    (folder / LOG).write_text(done.stdout + done.stderr)
    if "Networks are equivalent" in done.stdout:
        return PROVEN, ""
    if "NOT EQUIVALENT" in done.stdout:
        wrong = (_FALSE.search(done.stdout) or ["", "an output"])[1]
        if wrong.startswith(GUESS):
            return OPEN, f"register {wrong.removeprefix(GUESS)} has no partner"
        what = "the next value of " if wrong.startswith("d:") else ""
        return DIFFERENT, f"{what}{wrong[2:]} differs ({folder / LOG})"
    return OPEN, late if "UNDECIDED" in done.stdout else " ".join((done.stdout + done.stderr).split())[:300]
