"""A chaos run: faults drawn at random from a seed, on made-up sources, and what must hold whatever fails."""
