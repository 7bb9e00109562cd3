"""Plugins: what they are, how they are found, loaded and listed."""
