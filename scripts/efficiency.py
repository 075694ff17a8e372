"""Share of the ideal cycles, by block size and group size, from the cycle model (which the RTL equals cycle by cycle)."""

from __future__ import annotations

from models.errors import run_cli
from models.hardware.config import load_config
from scripts.flow.arguments import Parser
from scripts.studies.speed import share_table


def main() -> int:
    args = Parser("efficiency", "Share of the ideal cycles, by block and group size.", config="default", tokens=1024).parse_args()
    share_table(load_config(args.config), args.tokens).show()
    return 0


if __name__ == "__main__":
    run_cli(main)
