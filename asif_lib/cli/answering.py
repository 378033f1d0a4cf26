"""Ask the model: ``asif classify``, ``search`` and ``evaluate``.

Folder, bank and settings are checked before PyTorch is imported, which takes seconds.
"""

import os
import time
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from asif_lib.bank.record import bank_dir, read_record
from asif_lib.datasets.providers import names_of
from asif_lib.defaults import BARE_TEMPLATE, DEFAULT_BANK, DEFAULT_TEMPLATE
from asif_lib.errors import BrokenPicturesError, DataError, ParameterError, PictureError
from asif_lib.files import picture_files, sha256_of
from asif_lib.settings import Settings, settings_of
from asif_lib.texts import as_read

from .banks import build_once, must_be_built
from .command import (
    ModelOptions,
    SkipBroken,
    Templates,
    app,
    check_targets,
    command,
    existing_folder,
    say,
    write_csv,
)

ANCHORS_SHOWN = 3


@command(
    app, "classify",
    'asif classify cat.jpg dog.png --labels "a cat,a dog"',
    'asif classify cat.jpg --labels "cat,dog" --template "a photo of a {}" --template "a drawing of a {}"',
)  # fmt: skip
def _classify(
    pictures: Annotated[list[str], Argument(metavar="PICTURE")],
    labels: Annotated[str, Option(metavar="A,B,…", help="separated by commas")],
    asked: ModelOptions,
    templates: Templates = (BARE_TEMPLATE,),
    skip_broken: SkipBroken = False,
):
    """Find the best of your labels for each picture, and name the anchors that decided."""
    missing = [PictureError(f"{file}: there is no such file") for file in pictures if not Path(file).exists()]
    if missing and not skip_broken:
        raise BrokenPicturesError(missing, can_skip=True)
    _check_model(asked)
    labels, prompts = _labels_and_prompts(labels, templates)
    model = _model(asked)
    z, kept = _embed(model, pictures, skip_broken)
    pictures = [pictures[i] for i in kept]
    vectors, texts_of = model.images(z), dict(zip(labels, _by_label(model.texts(prompts), len(labels)), strict=True))
    answer = model.classify(vectors, labels, templates=templates)
    rows, near, own = [], _familiar(model, z), _are_anchors(model, pictures, z)
    for row, (picture, best, scores) in enumerate(zip(pictures, answer.best, answer.scores.tolist(), strict=True)):
        ranking = sorted(zip(labels, scores, strict=True), key=lambda pair: -pair[1])
        anchors = [] if best is None else _deciding_anchors(model, vectors[[row]], texts_of[best])
        about = {"picture": picture, "best": best, "scores": dict(ranking), "anchors": anchors}
        rows.append({**about, "familiarity": near[row], "is_anchor": bool(own[row])})
    return rows, [line for row in rows for line in _verdict(row)]


@command(
    app, "explain",
    'asif explain kangaroo.png --labels "kangaroo,dog,deer" --template "a photo of a {}."',
)  # fmt: skip
def _explain(
    picture: Annotated[str, Argument(metavar="PICTURE")],
    labels: Annotated[str, Option(metavar="A,B,…", help="two or more, separated by commas")],
    asked: ModelOptions,
    templates: Templates = (BARE_TEMPLATE,),
    top: Annotated[int, Option(metavar="N", help="anchors to show for each label")] = 5,
):
    """Say which anchors decided for a label and not for the next one, and which few could turn the answer."""
    if top < 1:
        raise ParameterError(f"--top {top}: show at least one anchor")
    if not Path(picture).exists():
        raise PictureError(f"{picture}: there is no such file")
    _check_model(asked)
    from asif_lib.explain.contribution import contrast
    from asif_lib.explain.counterfactual import smallest_removal

    labels, prompts = _labels_and_prompts(labels, templates)
    if len(labels) < 2:
        raise ParameterError("one label has no rival; name two or more, with commas between")
    model = _model(asked)
    z, _ = _embed(model, [picture])
    vector, texts = model.images(z), _by_label(model.texts(prompts), len(labels))
    (scores,) = model.classify(vector, labels, templates=templates).scores.tolist()
    order = sorted(range(len(labels)), key=lambda i: -scores[i])
    row = {"picture": picture, "scores": {labels[i]: scores[i] for i in order}, "against": labels[order[1]]}
    row["best"] = labels[order[0]] if scores[order[0]] > 0 else None
    if row["best"] is None:
        return row, _verdict({**row, "anchors": []})
    sides = contrast(vector, *(texts[i] for i in order[:2]), reduce="mean")
    ends = {"for": sides[sides.difference > 0].head(top), "other": sides[sides.difference < 0].tail(top)[::-1]}
    for name, side in ends.items():
        pairs = model.bank.pairs_at(side.anchor)[["id", "caption"]]
        row[name] = pairs.assign(**side[["difference", "text", "other"]].to_dict("list")).to_dict("records")
    try:
        found = smallest_removal(model, z, labels, templates=templates)
        removed = model.bank.pairs_at(list(found.anchors))[["id", "caption"]].to_dict("records")
        row["removal"] = {"anchors": removed, "at_least": found.at_least, "after": found.after}
    except ParameterError as error:
        row["removal"] = {"anchors": [], "why_not": str(error)}
    return row, _reasons(row)


def _labels_and_prompts(labels, templates):
    """Cut a text at its commas into labels, and make the prompts: bad labels are refused before any slow work."""
    from asif_lib.zeroshot import make_prompts

    labels = [label.strip() for label in labels.split(",")]
    return labels, make_prompts(labels, templates)


def _by_label(texts, count):
    """Cut the vectors of all prompts, which come label by label, into those of each of `count` labels."""
    each = len(texts) // count
    return [texts[slice(i * each, (i + 1) * each)] for i in range(count)]


def _reasons(row):
    """Write an explanation as lines: scores, both sides of the contrast, and a small removal."""
    best, against, removal = row["best"], row["against"], row["removal"]
    lines = _verdict({**row, "anchors": []})
    for side, label, other in (("for", best, against), ("other", against, best)):
        lines.append(f"  for {label} and against {other}:" if row[side] else f"  no anchor speaks more for {label}")
        lines += [f"    {a['difference']:+.3f} = {a['text']:.3f} - {a['other']:.3f}  {a['caption']}" for a in row[side]]
    if "why_not" in removal or not removal["anchors"]:
        return [*lines, f"  no removal that turns the answer: {removal.get('why_not', 'none was found')}"]
    taken, size = "; ".join(a["caption"] for a in removal["anchors"]), len(removal["anchors"])
    fewest = "no smaller set can" if removal["at_least"] == size else f"at least {removal['at_least']} are needed"
    after = removal["after"] or "undecided"
    return [*lines, f"  without {size} of the anchors the answer is {after} ({fewest}): {taken}"]


def _deciding_anchors(model, vector, prompts):
    """The anchors with the largest shares of the score of a label, `prompts` being the vectors of its prompts."""
    from asif_lib.explain.contribution import contributions

    table = contributions(vector, prompts, reduce="mean")
    top = table.contribution[:ANCHORS_SHOWN] / table.contribution.sum()
    pairs = model.bank.pairs_at(table.anchor[:ANCHORS_SHOWN])[["id", "caption"]]
    return pairs.assign(share=top.tolist()).to_dict("records")


def _verdict(row):
    lines = [f"{row['picture']}: {row['best'] or 'undecided: no anchor in common with any label'}"]
    lines.append("  " + ", ".join(f"{label} {score:.3f}" for label, score in row["scores"].items()))
    if row["anchors"]:
        lines.append("  decided by " + "; ".join(f"{a['caption']} ({a['share']:.0%})" for a in row["anchors"]))
    own = "is an anchor of this bank" if row.get("is_anchor") else None
    if near := row.get("familiarity"):
        verdict = own or ("unlike anything in the bank" if near["unlike"] else "familiar")
        below = f"at most {near['false_alarm']:.0%} of {near['n']} own pictures are below {near['threshold']:.2f}"
        lines.append(f"  {verdict}: cosine {near['cosine']:.2f} with the most similar anchor; {below}")
    return lines


def _are_anchors(model, pictures, z):
    """Which of q pictures are anchors, (q,) bools: by the bytes of their files, or by their embeddings (q, d)."""
    import torch

    from asif_lib.bank.building import path_of
    from asif_lib.evaluation.measures import are_copies
    from asif_lib.sparse import SideAnchors

    rows, files = model.bank.rows(model.bank.sides[0]), list(map(path_of, pictures))
    nearest = SideAnchors(rows, device=model.device).cosines(torch.as_tensor(z), 1).values[:, 0]  # (q,)
    own = are_copies(nearest, rows.dtype).numpy()
    sizes = {file: os.path.getsize(file) for file in files if os.path.isfile(file)}
    asked, paths = {*sizes.values()}, model.bank.pairs["picture"] if sizes else ()
    anchors = [path for path in paths if os.path.isfile(path) and os.path.getsize(path) in asked]
    known = {sha256_of(path) for path in anchors if os.access(path, os.R_OK)}
    return own | [bool(known) and file in sizes and sha256_of(file) in known for file in files]


def _familiar(model, z):
    """How near each picture is to the bank, by the rule of chapter 06; a None for each if the bank is too small."""
    from asif_lib.explain.out_of_distribution import own_coverage

    try:
        rule, near = own_coverage(model, z)
    except ParameterError:
        return [None] * len(z)
    return [{"cosine": one, "unlike": one < rule.threshold, **asdict(rule)} for one in near.tolist()]


@command(app, "search", 'asif search "a red bird"', 'asif search "a red bird" --in FOLDER --top 3')
def _search(
    text: Annotated[str, Argument(metavar="TEXT")],
    asked: ModelOptions,
    folder: Annotated[str | None, Option("--in", metavar="FOLDER", help="of pictures; default: the bank's own")] = None,
    language: Annotated[str | None, Option(metavar="CODE", help="of the text and the stamps' captions: de, …")] = None,
    top: Annotated[int, Option(metavar="N", help="how many to show")] = 5,
    skip_broken: SkipBroken = False,
):
    """Find the pictures that a text describes best."""
    if not as_read(text):
        raise ParameterError("the text to search for is empty")
    if top < 1:
        raise ParameterError(f"--top {top}: show at least one picture")
    files = picture_files(folder) if folder else None
    if language not in (None, "en"):
        if asked.bank != DEFAULT_BANK:
            raise ParameterError(f"--language {language}: is for the stamps; name another bank by --bank alone")
        asked = replace(asked, bank=f"{asked.bank}-{language}")
        build_once(asked.bank, source=DEFAULT_BANK, language=language, device=asked.device)
    _check_model(asked)
    model = _model(asked)
    if folder:
        z, kept = _embed(model, files, skip_broken)
        found = [{"picture": str(files[i])} for i in kept]
    else:
        z, found = model.bank.image, model.bank.pairs[["picture", "caption"]].to_dict("records")
    positions, scores = model.search_pictures(text, z, top=top)
    if not any(scores):
        say("asif: no picture has an anchor in common with this text")
    found = [found[position] for position in positions]
    lines = [f"{score:.3f}  " + "  ".join(row.values()) for row, score in zip(found, scores, strict=True)]
    return [{**row, "score": score} for row, score in zip(found, scores, strict=True)], lines


@command(
    app, "evaluate",
    "asif evaluate FOLDER", "asif evaluate FOLDER --json --k 50 --p 4",
    "asif evaluate FOLDER --predictions each.csv",
)  # fmt: skip
def _evaluate(
    asked: ModelOptions,
    folder: Annotated[str, Argument(metavar="FOLDER")],
    templates: Templates = (DEFAULT_TEMPLATE,),
    skip_broken: SkipBroken = False,
    predictions: Annotated[str | None, Option(metavar="FILE", help="a CSV with one row a picture")] = None,
):
    """Measure zero-shot accuracy on a folder of class folders, whose names are the labels."""
    start, path = time.perf_counter(), existing_folder(folder)
    check_targets(bank_dir(asked.bank), *filter(Path.is_dir, path.iterdir()), predictions=predictions)
    _check_model(asked)
    import pandas as pd

    from asif_lib.datasets.labelled import load_labelled
    from asif_lib.evaluation.measures import accuracy
    from asif_lib.zeroshot import make_prompts

    found = load_labelled(path)
    found.check_classes()
    make_prompts(found.classes, templates)  # refuses bad templates before any slow work
    model = _model(asked)
    z, kept = _embed(model, found.pictures, skip_broken)
    data = found.subset(kept)
    data.check_classes()
    answer = model.classify(z, data.classes, templates=templates)
    note, of_each = "", {}
    if any(near := _familiar(model, z)):
        unlike, promised = sum(one["unlike"] for one in near) / len(near), near[0]["false_alarm"]
        of_each = {"unlike": unlike, "unlike_promised": promised}
        promise = f"promised: at most {promised:.0%} of pictures of its kind, on average over banks"
        promise += f"; by {near[0]['n']} own pictures"
        note = f"unlike anything in the bank: {unlike:.0%} of the pictures ({promise})\n"
    measure = accuracy(answer.predicted, data.labels)
    if any(own := _are_anchors(model, data.pictures, z)):
        rest = None if all(own) else accuracy(answer.predicted[~own], data.labels[~own])
        without = f"without them: accuracy {rest}" if rest else "this accuracy says nothing about new pictures"
        note += f"{sum(own)} of the {len(own)} pictures are anchors of this bank; {without}\n"
        of_each["accuracy_without_anchors"] = rest and {"n": rest.n, "accuracy": rest.value, "ci95": list(rest.ci)}
    of_each["anchors_asked"] = int(sum(own))
    result = _summary(model, answer, data.labels, measure) | {"templates": list(templates)}
    each = pd.DataFrame(answer.scores.numpy(), columns=[f"score {label}" for label in answer.labels])
    each.insert(0, "predicted", answer.best)
    each.insert(0, "true", [data.classes[label] for label in data.labels])
    each.insert(0, "picture", list(map(str, data.pictures)))
    each["familiarity"] = [one and one["cosine"] for one in near]
    write_csv(predictions, each)
    own = model.bank.settings and settings_of(len(model.bank), model.bank.settings)
    kept = " (settings kept with the bank)" if model.settings == own else ""
    seconds = round(time.perf_counter() - start, 2)
    result = {"folder": folder, "left_out": len(found) - len(data), **result, **of_each, "seconds": seconds}
    text = (
        f"accuracy {measure} (chance {result['chance']:.1%})\n{note}"
        f"{len(data.classes)} classes: {', '.join(data.classes)}\n"
        f"{model}{kept}, {result['image_encoder']} × {result['text_encoder']}, {seconds} s"
    )
    return result, text


def _summary(model, answer, labels, measure):
    """The accuracy over all classes and for each, and the settings of the model, for JSON."""
    from asif_lib.evaluation.measures import confusion_of, per_class

    return {
        "n": measure.n,
        "classes": answer.labels,
        "accuracy": measure.value,
        "ci95": list(measure.ci),
        "chance": 1 / len(answer.labels),
        "undecided": int((answer.predicted < 0).sum()),
        "bank": model.bank.name,
        "anchors": len(model.bank),
        "image_encoder": model.bank.image_encoder.name,
        "text_encoder": model.bank.text_encoder.name,
        **asdict(model.settings),
        "device": str(model.device),
        "per_class": per_class(answer, labels).to_dict("records"),
        "confusion": confusion_of(answer, labels).to_numpy().tolist(),
    }


def _must_be_built(asked):
    """Whether the bank is one of the catalogue's, so that it can be built, and `must_be_built`."""
    return asked.bank in names_of("pairs") and must_be_built(asked.bank)


def _check_model(asked):
    """Raise an `AsifError` if there is no such bank, or a setting is out of range; without PyTorch."""
    if not _must_be_built(asked):
        record = read_record(bank_dir(asked.bank), asked.bank)
        settings_of(record.newest.count, record.settings, **_given(asked))


def _given(asked):
    """The settings that the user named, as keywords."""
    return {each.name: value for each in fields(Settings) if (value := getattr(asked, each.name)) is not None}


def _model(asked):
    """The model over the bank that the user named; a bank of the catalogue is built when it is first asked for."""
    from asif_lib.bank.anchors import AnchorBank
    from asif_lib.zeroshot import ASIF

    if _must_be_built(asked):
        build_once(asked.bank, device=asked.device)
    return ASIF(AnchorBank.load(asked.bank), **_given(asked), device=asked.device)


def _embed(model, pictures, skip_broken=None):
    """The embeddings of the pictures that can be read, and their positions; None if the command cannot skip any."""
    from asif_lib.encoders.embeddings import embed_readable

    z, kept, errors = embed_readable(model.encoder("image"), pictures)
    if errors and not skip_broken:
        raise BrokenPicturesError(errors, can_skip=skip_broken is not None)
    for error in errors:
        say(f"left out: {error}")
    if not kept:
        raise DataError("there is no picture left to work on")
    return z, kept
