"""The course around the method: checks of the exercises, editions of the notebooks, progress, report, classroom."""
