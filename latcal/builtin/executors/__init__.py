"""How work is spread: one item after another, threads, processes."""
