"""What joins several engines into one accelerator."""
