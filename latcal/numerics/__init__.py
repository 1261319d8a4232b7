"""Array code: it knows no frame, recipe or plugin."""
