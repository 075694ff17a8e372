"""A plugin for pytest: on SIGTERM, which a job gets at its time-out, the log shows where the tests stood."""

from __future__ import annotations

import faulthandler
import os
import signal

# Copied when the plugin is loaded, before pytest begins to capture.
_ERRORS = os.fdopen(os.dup(2), "w")
faulthandler.register(signal.SIGTERM, file=_ERRORS, all_threads=True, chain=True)
