"""Right and wrong solutions of chapter 11."""

import torch


def by_hand(image, text, like):
    scores = []
    for new_image, new_text in (([], []), ([like], [1.0])):
        x, y = (torch.cat([old, torch.tensor(new)]) for old, new in ((image, new_image), (text, new_text)))
        lengths = x.square().sum().sqrt() * y.square().sum().sqrt()
        scores.append((x * y).sum() / lengths if lengths > 0 else torch.tensor(0.0))
    return torch.stack(scores)


RIGHT = {"11.1": [by_hand]}


def with_old_lengths(image, text, like):
    lengths = (image.norm() * text.norm()).clamp_min(1e-12)
    return torch.stack([image @ text / lengths, (image @ text + like) / lengths])


WRONG = {
    "11.1": [
        (lambda image, text, like: by_hand(image, text, 1.0), "new entry is `like`"),
        (with_old_lengths, "kept the old lengths"),
    ]
}
