"""``make mutate``: how many deliberate faults in the RTL the benches notice, see docs/mutation.md."""
