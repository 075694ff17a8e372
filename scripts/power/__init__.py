"""Energy per operation from gates: slices of the blocks run on real operands, and their toggles in joules."""
