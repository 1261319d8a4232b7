"""The sensor behind the simulated camera: its truth, and what an exposure makes of it."""
