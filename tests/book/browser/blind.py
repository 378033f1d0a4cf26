"""Wrong solutions that were written without a look at the checks, as second-year students err."""

RIGHT, WRONG = {}, {}
