"""The ways out: one file each, and what they share."""
