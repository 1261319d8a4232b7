"""Sets of options that stand for a recipe; none comes with latcal yet."""
