"""What one chapter of the book uses, a folder for each: its checks, and its figures and helpers where it has some."""
