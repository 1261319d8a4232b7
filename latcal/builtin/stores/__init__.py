"""Where frames, products and reports are kept."""
