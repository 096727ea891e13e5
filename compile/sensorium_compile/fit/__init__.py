"""Scripts that fitted the numbers and the small heads that ship: run again, each gives the same."""
