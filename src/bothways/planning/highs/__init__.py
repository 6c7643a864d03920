"""The reference optimiser: the fleet problem as a sparse linear (or mixed-integer) program, solved by HiGHS."""
