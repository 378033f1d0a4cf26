"""Checks of chapter 07, editing a model."""
