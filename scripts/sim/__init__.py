"""Parts of the simulation report: figures, page, files."""
