"""Plugins that come with latcal, registered as a stranger's are."""
