"""What became of regressions and coverage runs, run after run: the file that keeps it, what changed, and the page."""
