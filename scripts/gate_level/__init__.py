"""Gate-level truth: the netlists of the blocks pass the blocks' own benches, and a solver compares them with the RTL."""
