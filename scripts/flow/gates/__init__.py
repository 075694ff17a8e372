"""Gates: Liberty libraries, yosys, and the timing of mapped netlists."""
