"""The designs that FusionCIM is compared with: what they compute, and when."""
