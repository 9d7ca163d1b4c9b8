"""The words and the rules: no I/O, no clock, standard library only."""
