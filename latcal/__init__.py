"""latcal: calibrations of CCD cameras from a recipe to a certificate."""

__version__ = "0.1.0"
