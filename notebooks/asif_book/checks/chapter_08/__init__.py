"""Checks of chapter 08, scaling."""
