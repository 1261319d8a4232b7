"""Who hears of a run: people at a console, programs that read JSON."""
