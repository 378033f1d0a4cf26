"""What serves a teacher: the overview of a class, the export of exercises and quiz, and the folder that a class gets.

What a student did stands in a file that `asif_book.checks.progress` writes; `overview` reads those of a class.
"""
