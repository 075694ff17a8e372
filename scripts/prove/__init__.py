"""``make prove``: properties of blocks for every input, not only for those that a test thinks of."""
