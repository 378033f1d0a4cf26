"""Checks of chapter 06, interpretability."""
