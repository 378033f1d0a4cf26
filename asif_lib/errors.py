"""The errors that this library raises for bad input: one sentence that says what, where and what to do."""


class AsifError(ValueError):
    """Base of all errors about the user's input; the command prints its text and no stack trace."""


def first_line(error) -> str:
    """The first line of what another library's error says, or its kind where it says nothing."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


class PictureError(AsifError):
    """A picture that is missing, broken, too small or too large."""


class BrokenPicturesError(AsifError):
    """Several pictures could not be read; nothing that was already computed is lost.

    Attributes
    ----------
    errors : list of PictureError
        One for each broken picture, in the order of the pictures.
    """

    def __init__(self, errors):
        self.errors = list(errors)
        lines = "\n".join(f"  {error}" for error in self.errors)
        super().__init__(
            f"{len(self.errors)} of the pictures cannot be read; mend or remove them, or leave them out "
            f"with --skip-broken (skip_broken=True):\n{lines}"
        )


class EncoderError(AsifError):
    """An encoder that cannot be found, verified or loaded."""


class IdentityError(AsifError):
    """Embeddings of one encoder were to be compared with those of another."""


class DataError(AsifError):
    """A data set, folder or captions table that cannot be used as it is."""


class ChecksumError(DataError):
    """A file that is not the one that the catalogue names."""


class BankError(AsifError):
    """A bank that is missing, incomplete or of another format."""


class ParameterError(AsifError):
    """A parameter outside its range: k, p, a template, a label."""
