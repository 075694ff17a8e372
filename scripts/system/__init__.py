"""``make system``: a layer's attention through the accelerator, from tensors in memory to O in memory."""
