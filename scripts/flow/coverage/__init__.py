"""Code coverage: reads what Verilator counted in all runs, merges it, and writes a site, an lcov file and a JSON summary."""
