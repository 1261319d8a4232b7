"""Frames that exist already: what their headers say, and which of them fits a request."""
