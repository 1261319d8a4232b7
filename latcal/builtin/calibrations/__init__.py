"""What is made of exposures, measured and judged."""
