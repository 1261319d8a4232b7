"""Read, plan, run: the four lines from a text to a report."""
