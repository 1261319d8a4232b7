"""What takes exposures."""
