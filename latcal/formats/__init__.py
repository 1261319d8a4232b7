"""Texts and files to values and back."""
