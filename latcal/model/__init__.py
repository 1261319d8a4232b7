"""Values of latcal: frozen, without input or output."""
