"""The one exception that a user's mistake raises, and the wrapper that turns it into one clear line."""

from __future__ import annotations

import sys
from collections.abc import Callable

EXIT_BAD_INPUT = 2


class FcimError(Exception):
    """A mistake in the input. The message is one line: what is wrong and how to mend it."""


def run_cli(main: Callable[[], int]) -> None:
    """Run a command's ``main`` and exit with its code; an :class:`FcimError` becomes one line and exit code 2."""
    try:
        code = main()
    except FcimError as error:
        print(f"error: {error}", file=sys.stderr)
        code = EXIT_BAD_INPUT
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        code = 130
    sys.exit(code)
