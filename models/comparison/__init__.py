"""What FusionCIM's paper claims, how its figures can come about, and what the designs of this project give in its place."""
