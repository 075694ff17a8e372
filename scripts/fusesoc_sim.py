"""What ``fusesoc run --target=sim`` starts: a bench of the engine through Icarus, on the files that FuseSoC has gathered.

The benches are cocotb's, 2.1, which Edalize 0.6.8 cannot start: it does not tell cocotb's library which Python to load
(GPI_USERS), nor does it look at the tests' results. Hence this runs before Edalize's own simulation, which has nothing to do, and
a bench that fails ends the call there.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from models.errors import FcimError, run_cli
from scripts.flow.arguments import Parser
from scripts.flow.sources import REPLACED, ROOT, headers, rtl_files

BENCH = "tb/engine/test_engine.py::test_every_length[none]"


def check_gathered(folder: Path) -> None:
    """A listed file that is not in the folder would be taken from the checkout in silence.

    Raises:
        FcimError: the folder lacks a file of ``fusioncim.f``, or a header.
    """
    for path in [*headers(), *rtl_files()]:
        name = path.relative_to(ROOT)
        if not (folder / name).is_file():
            raise FcimError(f"FuseSoC has gathered no {name} in {folder}; type: make cores")


def main() -> int:
    """Run the bench; pytest's exit code."""
    parser = Parser(None, "A bench of the engine on the Verilog files of a folder.")
    parser.add_argument("folder", type=Path, help="where rtl/ lies")
    folder = parser.parse_args().folder.absolute()
    os.environ.pop(REPLACED, None)
    check_gathered(folder)
    print(f"{BENCH} on the files of {folder}", flush=True)
    environment = {**os.environ, REPLACED: str(folder), "SIM": "icarus"}
    return subprocess.run([sys.executable, "-m", "pytest", "-q", BENCH], cwd=ROOT, env=environment, check=False).returncode


if __name__ == "__main__":
    run_cli(main)
