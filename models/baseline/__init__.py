"""Prior designs of compute-in-memory attention, built from the same blocks: what they compute, and when."""
