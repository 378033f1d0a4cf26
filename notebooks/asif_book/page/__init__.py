"""A page that answers: take an anchor out of a real model, and see the answer turn. One file, opened from disk."""
