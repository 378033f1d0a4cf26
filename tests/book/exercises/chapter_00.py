"""Right and wrong solutions of chapter 00."""


def cosine(a, b):
    lengths = a.norm() * b.norm()
    return float(a @ b / lengths) if lengths > 0 else 0.0  # a number, not a tensor, is fine too


def cosine_by_parts(a, b):
    a, b = (v / v.norm().clamp_min(1e-12) for v in (a, b))
    return (a * b).sum()


def in_place(a, b):
    result = cosine(a, b)
    a.zero_()
    return result


def shares(image, text):
    contribution = image * text
    return contribution / contribution.sum() if contribution.sum() > 0 else contribution


def shares_or_a_number(image, text):
    score = (image * text).sum()
    return image * text / score if score > 0 else 0


def shares_without_a_test(image, text):
    return image * text / (image @ text).clamp_min(1e-12)


RIGHT = {"00.1": [cosine, cosine_by_parts], "00.2": [shares, shares_without_a_test]}

WRONG = {
    "00.1": [
        (lambda a, b: a @ b, "dot product"),
        (lambda a, b: a @ b / (a @ a) / (b @ b), "squared"),
        (in_place, "changed its input"),
    ],
    "00.2": [
        (lambda image, text: image * text, "divide them by their sum"),
        (shares_or_a_number, "On input 5 (no common anchor, so every share is 0): your function returned an int"),
        (lambda image, text: (image + text) / (image + text).sum(), "added"),
    ],
}
