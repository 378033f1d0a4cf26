"""Right and wrong solutions of chapter 00."""


def cosine(a, b):
    lengths = a.norm() * b.norm()
    return float(a @ b / lengths) if lengths > 0 else 0.0  # a number, not a tensor, is fine too


def shares_or_a_number(image, text):
    score = (image * text).sum()
    return image * text / score if score > 0 else 0


def shares_without_a_test(image, text):
    return image * text / (image @ text).clamp_min(1e-12)


RIGHT = {"00.1": [cosine], "00.2": [shares_without_a_test]}

WRONG = {
    "00.2": [(shares_or_a_number, "On input 5 (no common anchor, so every share is 0): your function returned an int")]
}
