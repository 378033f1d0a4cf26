"""Checks of chapter 03, relative representations."""
