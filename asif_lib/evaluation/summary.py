"""Zero-shot accuracy together with the settings that produced it."""

from .measures import accuracy


def summarise_zero_shot(model, z, labels, classes, templates, reduce):
    """Classify pictures and measure the accuracy.

    Parameters
    ----------
    model : ASIF
    z : Tensor of shape (q, d_image)
        Embeddings of the pictures.
    labels : (q,) int
        True classes, as positions in `classes`.
    classes, templates, reduce : as for `ASIF.classify`

    Returns
    -------
    measure : Measure
    summary : dict
        The accuracy with its 95 % interval, the chance level, the number of undecided pictures and all settings, ready
        for JSON.
    """
    predicted = model.classify(z, classes, templates=templates, reduce=reduce).predicted
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
        "k": model.k,
        "p": model.p,
        "templates": list(templates),
        "reduce": reduce,
        "device": str(model.device),
    }
