"""What FusionCIM's paper claims beside what this project gives: the command behind ``make paper``."""

from __future__ import annotations

from models.errors import run_cli
from scripts.flow.seeds import choose_seed
from scripts.paper.options import USUAL_SEED, parse_args


def main() -> int:
    args = parse_args()
    print("the designs side by side; loading PyTorch ...", flush=True)
    from scripts.paper.run import run  # late: it takes seconds, in which nothing would be said

    return run(args, USUAL_SEED if args.seed is None else choose_seed(args.seed))


if __name__ == "__main__":
    run_cli(main)
