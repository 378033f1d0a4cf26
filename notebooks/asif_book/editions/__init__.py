"""Editions of the chapters from one source: the student's, the solved one, a browser's and a teacher's guide.

`building` makes them, `outline` reads their opening cells, and `workspace` hands a student copies.
"""
