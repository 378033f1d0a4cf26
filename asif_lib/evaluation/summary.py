"""Zero-shot accuracy together with the settings that produced it."""

from dataclasses import asdict

import numpy as np
import pandas as pd

from .measures import accuracy, share_with_interval


def summarise_zero_shot(model, answer, labels, templates, reduce):
    """Measure the accuracy of an answer of the model, over all classes and for each.

    The true `labels` are q positions in the classes of the `Classification`; templates and reduce are as for
    `ASIF.classify`. Returns the `Measure`, and a dictionary for JSON: the accuracy with its 95 % interval, the chance
    level, the number of undecided pictures, all settings, `per_class` as rows, and `confusion_of` as lists.
    """
    predicted, classes = answer.predicted, answer.labels
    measure = accuracy(predicted, labels)
    return measure, {
        "n": measure.n,
        "classes": classes,
        "accuracy": measure.value,
        "ci95": list(measure.ci),
        "chance": 1 / len(classes),
        "undecided": int((predicted < 0).sum()),
        "bank": model.bank.name,
        "anchors": len(model.bank),
        "image_encoder": model.bank.image_encoder.name,
        "text_encoder": model.bank.text_encoder.name,
        **asdict(model.settings),
        "transductive": answer.transductive,
        "templates": list(templates),
        "reduce": reduce,
        "device": str(model.device),
        "per_class": per_class(answer, labels).to_dict("records"),
        "confusion": confusion_of(answer, labels).to_numpy().tolist(),
    }


def per_class(answer, labels) -> pd.DataFrame:
    """Return ``class``, ``n`` and the share of right answers, ``accuracy``, with its 95 % interval ``low``, ``high``.

    The true `labels` are q positions in the classes of the `Classification`. A class without pictures has no row. A
    last column, ``transductive``, names the correction over all pictures, if there is one.
    """
    predicted, labels = answer.predicted.numpy(), np.asarray(labels)
    rows = []
    for position, name in enumerate(answer.labels):
        if (labels == position).any():
            share = share_with_interval(predicted[labels == position] == position)
            rows.append({"class": name, "n": share.n, "accuracy": share.value, "low": share.low, "high": share.high})
    table = pd.DataFrame(rows)
    return table if answer.transductive is None else table.assign(transductive=answer.transductive)


def confusion_of(answer, labels) -> pd.DataFrame:
    """Return the counts of pictures, (c, c + 1): a row for each true class, a column for each answer.

    The last column, ``undecided``, counts pictures that share no anchor with any label.
    """
    c, labels = len(answer.labels), np.asarray(labels)
    counts = np.zeros((c, c + 1), int)
    np.add.at(counts, (labels, answer.predicted.numpy()), 1)  # -1, undecided, is the last column
    return pd.DataFrame(counts, index=answer.labels, columns=[*answer.labels, "undecided"])
