"""The command ``asif``: look after data and banks, classify, search, evaluate, follow a class."""

import argparse
import json
import os
import sys
import textwrap
import time
import warnings

from asif_lib.errors import AsifError, DataError

CLASS_EXPORT = "class export"


def main(argv=None) -> int:
    """Run the command; return the exit status: 0, 1 on bad input, 2 on wrong usage, 130 after Ctrl-C."""
    argv = sys.argv[1:] if argv is None else argv
    if argv[:2] == CLASS_EXPORT.split():  # beside `class FOLDER`, which argparse can't tell from a command in it
        argv = [CLASS_EXPORT, *argv[2:]]
    arguments = _parser().parse_args(argv)
    warnings.showwarning = lambda message, *_, **__: print(f"asif: {message}", file=sys.stderr)
    try:
        result, text = arguments.run(arguments)
        print(json.dumps(result, ensure_ascii=False) if arguments.json else text, flush=True)
    except BrokenPipeError:  # the reader, head for example, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (AsifError, OSError) as error:
        print(f"asif: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(
            "asif: interrupted; embeddings that were computed are kept, so a second run goes on here",
            file=sys.stderr,
        )
        return 130
    return 1 if isinstance(result, dict) and result.get("ok") is False else 0


# -- the arguments ---------------------------------------------------------------------------------------


def _parser():
    parser = argparse.ArgumentParser(
        prog="asif",
        description="An image–text model without training: two frozen encoders and a bank of captioned pictures.",
        epilog=_examples(
            "asif check",
            'asif classify otter.jpg --labels "an otter,a beaver"',
            'asif search "a red bird" --in ~/Pictures',
            "asif evaluate FOLDER --json",
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    _command(
        commands,
        "check",
        _check,
        "say whether this machine can run the workbook, and what to do if not",
        "asif check",
    )

    command = _command(
        commands,
        "data",
        _data,
        "list the data sets, or fetch and verify those named",
        "asif data",
        "asif data stamps fashion_mnist",
    )
    command.add_argument("names", nargs="*", metavar="NAME")

    bank = commands.add_parser("bank", help="build a bank of anchors, or describe one")
    bank_commands = bank.add_subparsers(required=True, metavar="COMMAND")
    command = _command(
        bank_commands, "build", _bank_build, "encode captioned pictures into a bank",
        "asif bank build stamps", "asif bank build birds --from FOLDER_WITH_METADATA_CSV",
    )  # fmt: skip
    command.add_argument("name", metavar="NAME")
    command.add_argument(
        "--from",
        dest="source",
        metavar="FOLDER",
        help="a folder with a captions table; default: the data set NAME",
    )
    command.add_argument("--image-encoder", default="efficientnet_lite0", metavar="NAME")
    command.add_argument("--text-encoder", default="all-MiniLM-L6-v2", metavar="NAME")
    command.add_argument(
        "--precision",
        default="float32",
        choices=["float32", "float16", "bfloat16"],
        help="of the stored embeddings (default float32); the others take half the disk and memory",
    )
    _add_device(command)
    _add_skip_broken(command)
    command = _command(bank_commands, "info", _bank_info, "describe a bank", "asif bank info stamps")
    command.add_argument("name", metavar="NAME", nargs="?", default="stamps")
    _add_bank_edits(bank_commands)

    command = _command(
        commands, "classify", _classify, "the best of your labels for each picture, and the anchors that decided",
        'asif classify cat.jpg dog.png --labels "a cat,a dog"',
        'asif classify cat.jpg --labels "cat,dog" --template "a photo of a {}" --template "a drawing of a {}"',
    )  # fmt: skip
    command.add_argument("pictures", nargs="+", metavar="PICTURE")
    command.add_argument("--labels", required=True, metavar="A,B,…", help="separated by commas")
    _add_templates(command, "a photo of {}.")
    _add_model(command)
    _add_skip_broken(command)

    command = _command(
        commands, "search", _search, "the pictures that a text describes best",
        'asif search "a red bird"', 'asif search "a red bird" --in FOLDER --top 3',
    )  # fmt: skip
    command.add_argument("text", metavar="TEXT")
    command.add_argument("--in", dest="folder", metavar="FOLDER", help="pictures to search; default: the bank's own")
    command.add_argument("--top", type=int, default=5, metavar="N", help="how many to show (default 5)")
    _add_model(command)
    _add_skip_broken(command)

    command = _command(
        commands, "evaluate", _evaluate, "zero-shot accuracy on a folder of class folders, whose names are the labels",
        "asif evaluate FOLDER", "asif evaluate FOLDER --json --k 50 --p 4",
    )  # fmt: skip
    command.add_argument("folder", metavar="FOLDER")
    _add_templates(command, "a photo of a {}.")
    _add_model(command)
    _add_skip_broken(command)

    _add_class(commands)
    _add_explore(commands)
    return parser


def _add_bank_edits(commands):
    command = _command(
        commands, "add", _bank_add, "append captioned pictures to a bank; only these are encoded",
        "asif bank add birds FOLDER_WITH_METADATA_CSV", "asif bank add birds FOLDER --skip-broken --json",
    )  # fmt: skip
    command.add_argument("name", metavar="NAME")
    command.add_argument("folder", metavar="FOLDER", help="a folder with a captions table, as for `bank build --from`")
    _add_device(command)
    _add_skip_broken(command)
    command = _command(
        commands, "remove", _bank_remove, "remove pairs from a bank, by a condition or by id",
        """asif bank remove birds --where "group = 'food'\"""",
        """asif bank remove birds --where "caption like '%cat%' and length(caption) < 20\"""",
        "asif bank remove birds --id owl.png --id crow.png",
    )  # fmt: skip
    command.add_argument("name", metavar="NAME")
    which = command.add_mutually_exclusive_group(required=True)
    which.add_argument(
        "--where", metavar="SQL", help="condition over the columns id, caption, picture and group, text in '…'"
    )
    which.add_argument("--id", dest="ids", action="append", metavar="ID", help="may be repeated")
    for name, run, summary in (
        ("compact", _bank_compact, "delete what was removed, and the history, from a bank's files"),
        ("history", _bank_history, "list the versions of a bank since it was built or compacted"),
        ("undo", _bank_undo, "go back to the version of a bank before the last edit"),
        ("prepare", _bank_prepare, "keep a rounded copy beside a bank, from which large searches are faster"),
    ):
        _command(commands, name, run, summary, f"asif bank {name} birds").add_argument("name", metavar="NAME")


def _add_class(commands):
    command = _command(
        commands, "class", _class, "the progress of a class, from the files that the students handed in",
        "asif class FOLDER", "asif class FOLDER --csv progress.csv", "asif class export COURSE --chapters 01,02",
        "asif class ./export     (a folder of that name)",
    )  # fmt: skip
    command.add_argument("folder", metavar="FOLDER", help="holds NAME.json, or NAME/ with a my_progress.json inside")
    command.add_argument("--csv", metavar="FILE", help="write one row for each student and exercise")
    command = _command(
        commands, CLASS_EXPORT, _class_export, "write the chapters as assignments for nbgrader",
        "asif class export COURSE", "asif class export COURSE --chapters 01,02",
    )  # fmt: skip
    command.add_argument("folder", metavar="FOLDER", help="a new folder for the course")
    command.add_argument("--chapters", metavar="NN,…", help="separated by commas (default: all)")


def _add_explore(commands):
    command = _command(
        commands, "explore", _explore, "open a page to ask about pictures, edit a copy of a bank, and export that",
        "asif explore", "asif explore --bank birds --port 8866 --no-browser",
    )  # fmt: skip
    command.add_argument("--bank", default="stamps", metavar="NAME", help="a bank's name or folder (default stamps)")
    command.add_argument("--port", type=int, metavar="N", help="of this machine (default: one that is free)")
    command.add_argument("--no-browser", action="store_true", help="print the page's address, and open no browser")
    _add_device(command)


def _command(commands, name, run, summary, *examples):
    command = commands.add_parser(
        name,
        help=summary,
        description=summary[0].upper() + summary[1:] + ".",
        epilog=_examples(*examples),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("--json", action="store_true", help="print one JSON value")
    command.set_defaults(run=run)
    return command


def _examples(*lines):
    return "examples:\n" + textwrap.indent("\n".join(lines), "  ")


def _add_device(command):
    command.add_argument("--device", default="auto", metavar="NAME", help="auto (default), cpu, cuda or mps")


def _add_model(command):
    command.add_argument("--bank", default="stamps", metavar="NAME", help="a bank's name or folder (default stamps)")
    command.add_argument(
        "--k", type=int, metavar="K", help="entries kept (default: a tenth of the anchors, at most 800)"
    )
    command.add_argument("--p", type=float, default=2.0, metavar="P", help="exponent (default 2)")
    _add_device(command)


def _add_templates(command, default):
    command.add_argument(
        "--template", dest="templates", action="append", metavar="TEXT", default=None,
        help=f"prompt with {{}} for the label; may be repeated (default {default!r})",
    )  # fmt: skip
    command.add_argument("--reduce", choices=["mean", "max"], default="mean", help="over templates (default mean)")
    command.set_defaults(default_template=default)


def _add_skip_broken(command):
    command.add_argument(
        "--skip-broken", action="store_true", help="leave out pictures that cannot be read, naming them"
    )


# -- what the commands do: arguments -> (JSON value, text) -----------------------------------------------


def _check(arguments):
    from .machine_check import check_machine

    rows = check_machine()
    ok = all(row["ok"] for row in rows)
    lines = [
        f"{'OK  ' if row['ok'] else 'FAIL'} {row['what']}: {row['found']}"
        + ("" if row["ok"] else f"\n     → {row['todo']}")
        for row in rows
    ]
    return {"ok": ok, "checks": rows}, "\n".join(lines)


def _data(arguments):
    from asif_lib.datasets.providers import catalogue, dataset_dir, fetch

    for name in arguments.names:
        there = dataset_dir(name).exists()
        fetch(name)
        if there:
            print(f"{name}: already here, verified", file=sys.stderr)
    rows = []
    for name, entry in catalogue().items():
        if not arguments.names or name in arguments.names:
            keys = ("kind", "title", "licence", "size_mb", "homepage")
            folder = str(dataset_dir(name)) if dataset_dir(name).exists() else None
            rows.append({"name": name, **{key: entry[key] for key in keys}, "folder": folder})
    text = "\n".join(
        f"{row['name']}  ({row['kind']}, licence {row['licence']}, {row['size_mb']} MB)\n  {row['title']}\n  "
        + (f"in {row['folder']}" if row["folder"] else f"not fetched; run: asif data {row['name']}")
        for row in rows
    )
    return rows, text


def _bank_build(arguments):
    import torch

    from asif_lib.bank.anchors import AnchorBank, bank_dir
    from asif_lib.datasets.pairs import load_pairs
    from asif_lib.encoders.image import load_image_encoder
    from asif_lib.encoders.text import load_text_encoder

    pairs = load_pairs(arguments.source or arguments.name)
    image_encoder = load_image_encoder(arguments.image_encoder, device=arguments.device)
    text_encoder = load_text_encoder(arguments.text_encoder, device=arguments.device)
    skip = arguments.skip_broken
    bank = AnchorBank.build(pairs, image_encoder, text_encoder, skip_broken=skip, name=arguments.name)
    built = set(bank.pairs["id"])
    for id in pairs.ids:
        if id not in built:
            print(f"left out: {id}", file=sys.stderr)
    folder = bank_dir(arguments.name)
    _say_what_is_replaced(folder)
    bank.to(getattr(torch, arguments.precision)).save(folder)
    return _describe(AnchorBank.load(folder), folder), f"bank {bank.name!r}: {len(bank)} anchors, in {folder}"


def _say_what_is_replaced(folder):
    from asif_lib.bank.anchors import AnchorBank
    from asif_lib.errors import BankError

    try:
        old = AnchorBank.load(folder)
    except BankError:
        return
    if old.version > 1:
        print(f"replacing bank {old.name!r}, which was edited: it was at version {old.version}", file=sys.stderr)


def _bank_info(arguments):
    from asif_lib.bank.anchors import AnchorBank, bank_dir

    bank = AnchorBank.load(arguments.name)
    about = _describe(bank, bank_dir(arguments.name))
    return about, "\n".join(f"{key:36} {value}" for key, value in about.items())


def _bank_add(arguments):
    from asif_lib.bank.anchors import AnchorBank
    from asif_lib.datasets.pairs import load_pairs
    from asif_lib.encoders.loading import load_encoder

    bank, pairs = AnchorBank.load(arguments.name), load_pairs(_existing_folder(arguments.folder))
    bank.check_ids_new(pairs.ids)
    encoders = [
        load_encoder(identity.kind, identity.locator, device=arguments.device)
        for identity in (bank.image_encoder, bank.text_encoder)
    ]
    new = bank.embed(pairs, *encoders, skip_broken=arguments.skip_broken)
    for id in sorted(set(pairs.ids) - set(new.pairs["id"])):
        print(f"left out: {id}", file=sys.stderr)
    return _edited(bank.add(new), arguments, f"added {len(new)} pairs")


def _bank_remove(arguments):
    from asif_lib.bank.anchors import AnchorBank

    bank = AnchorBank.load(arguments.name)
    after = bank.remove(arguments.ids, where=arguments.where)
    return _edited(
        after, arguments, after.history()["change"].iloc[-1],
        f"; the bytes stay in its files until: asif bank compact {arguments.name}",
    )  # fmt: skip


def _bank_compact(arguments):
    from asif_lib.bank.anchors import AnchorBank

    bank = AnchorBank.load(arguments.name)
    after = bank.compact()
    return _edited(after, arguments, "compacted" if after.version > bank.version else "nothing to compact")


def _bank_undo(arguments):
    from asif_lib.bank.anchors import AnchorBank

    bank = AnchorBank.load(arguments.name)
    return _edited(bank.undo(), arguments, f"undone: {bank.history()['change'].iloc[-1]}")


def _bank_prepare(arguments):
    from asif_lib.bank.anchors import AnchorBank

    bank = AnchorBank.load(arguments.name).prepare()
    return _edited(bank, arguments, f"prepared in {bank.index_folder.name}", "; after an edit, prepare it again")


def _edited(bank, arguments, change, remark=""):
    from asif_lib.bank.anchors import bank_dir

    about = {
        "name": bank.name,
        "folder": str(bank_dir(arguments.name)),
        "version": bank.version,
        "anchors": len(bank),
        "change": change,
    }
    return about, f"bank {bank.name!r}: {change}; {len(bank)} anchors, version {bank.version}{remark}"


def _bank_history(arguments):
    from asif_lib.bank.anchors import AnchorBank

    rows = AnchorBank.load(arguments.name).history().to_dict("records")
    lines = [f"{row['version']:>4}  {row['time']}  {row['count']:>9}  {row['change']}" for row in rows]
    return rows, "\n".join(lines)


def _describe(bank, folder):
    return {
        "name": bank.name,
        "folder": str(folder),
        "version": bank.version,
        "anchors": len(bank),
        "groups": int(bank.pairs["group"].nunique()),
        "captions_that_repeat_an_earlier_one": int(bank.pairs["caption"].duplicated().sum()),
        "image_encoder": str(bank.image_encoder),
        "text_encoder": str(bank.text_encoder),
        "dtype": str(bank.dtype).removeprefix("torch."),
        "megabytes": round(bank.megabytes, 1),
        "licence": bank.licence,
    }


def _classify(arguments):
    labels = [label.strip() for label in arguments.labels.split(",")]
    from asif_lib.zeroshot import make_prompts

    templates = arguments.templates or [arguments.default_template]
    prompts = make_prompts(labels, templates)  # refuses bad ones before any slow work
    model = _model(arguments)
    z, kept = _embed(model, arguments.pictures, arguments)
    vectors, texts = model.images(z), model.texts(prompts)
    texts_of = {label: texts[slice(i * len(templates), (i + 1) * len(templates))] for i, label in enumerate(labels)}
    answer = model.classify(vectors, labels, templates=templates, reduce=arguments.reduce)
    rows, lines = [], []
    for row, (position, best, scores) in enumerate(zip(kept, answer.best, answer.scores.tolist(), strict=True)):
        picture = str(arguments.pictures[position])
        ranking = sorted(zip(labels, scores, strict=True), key=lambda pair: -pair[1])
        anchors = _deciding_anchors(model, vectors[[row]], texts_of.get(best), arguments.reduce)
        rows.append({"picture": picture, "best": best, "scores": dict(ranking), "anchors": anchors})
        verdict = best or "undecided: no anchor in common with any label"
        lines.append(f"{picture}: {verdict}")
        lines.append("  " + ", ".join(f"{label} {score:.3f}" for label, score in ranking))
        if anchors:
            lines.append("  decided by " + "; ".join(f"{a['caption']} ({a['share']:.0%})" for a in anchors))
    return rows, "\n".join(lines)


def _deciding_anchors(model, vector, prompts, reduce, top=3):
    """The anchors with the largest shares of the score of a label, whose prompts' vectors these are."""
    import pandas as pd

    from asif_lib.explain.contribution import contributions

    if prompts is None:
        return []
    scores = vector.similarity(prompts)[0]
    rows = [int(scores.argmax())] if reduce == "max" else range(len(prompts))
    table = pd.concat([contributions(vector, prompts[[row]]) for row in rows])
    shares = table.groupby("anchor").contribution.sum().sort_values(ascending=False) / table.contribution.sum()
    pairs = model.bank.pairs.loc[shares.index]
    return [
        {"id": id, "caption": caption, "share": float(share)}
        for id, caption, share in zip(pairs.id[:top], pairs.caption[:top], shares[:top], strict=True)
    ]


def _search(arguments):
    from asif_lib.errors import ParameterError

    if not arguments.text.strip():
        raise ParameterError("the text to search for is empty")
    if arguments.top < 1:
        raise ParameterError(f"--top {arguments.top}: show at least one picture")
    if arguments.folder:
        from asif_lib.datasets.pairs import picture_files

        files = picture_files(arguments.folder)
        model = _model(arguments)
        z, kept = _embed(model, files, arguments)
        names, captions = [str(files[i]) for i in kept], [None] * len(kept)
    else:
        model = _model(arguments)
        z, names, captions = model.bank.image, model.bank.pairs["picture"], model.bank.pairs["caption"]
    positions, scores = model.search_pictures(arguments.text, z, top=arguments.top)
    if not any(scores):
        print("asif: no picture has an anchor in common with this text", file=sys.stderr)
    rows = [
        {"picture": names[i], "score": score, **({"caption": captions[i]} if captions[i] else {})}
        for i, score in zip(positions, scores, strict=True)
    ]
    lines = [
        f"{row['score']:.3f}  {row['picture']}" + (f"  {row['caption']}" if "caption" in row else "") for row in rows
    ]
    return rows, "\n".join(lines)


def _evaluate(arguments):
    from asif_lib.datasets.pairs import load_labelled
    from asif_lib.evaluation.measures import accuracy
    from asif_lib.zeroshot import make_prompts

    start = time.perf_counter()
    data = load_labelled(_existing_folder(arguments.folder))
    templates = arguments.templates or [arguments.default_template]
    make_prompts(data.classes, templates)  # before any slow work
    model = _model(arguments)
    z, kept = _embed(model, data.pictures, arguments)
    predicted = model.classify(z, data.classes, templates=templates, reduce=arguments.reduce).predicted
    measure = accuracy(predicted, data.labels[kept])
    result = {
        "folder": str(arguments.folder),
        "n": measure.n,
        "left_out": len(data) - len(kept),
        "classes": data.classes,
        "accuracy": measure.value,
        "ci95": list(measure.ci),
        "chance": 1 / len(data.classes),
        "undecided": int((predicted < 0).sum()),
        "bank": model.bank.name,
        "anchors": len(model.bank),
        "image_encoder": model.bank.image_encoder.name,
        "text_encoder": model.bank.text_encoder.name,
        "k": model.k,
        "p": model.p,
        "templates": templates,
        "reduce": arguments.reduce,
        "device": str(model.device),
        "seconds": round(time.perf_counter() - start, 2),
    }
    text = (
        f"accuracy {measure} (chance {result['chance']:.1%})\n"
        f"{len(data.classes)} classes: {', '.join(data.classes)}\n"
        f"{model}, {result['image_encoder']} × {result['text_encoder']}, {result['seconds']} s"
    )
    return result, text


def _class(arguments):
    from asif_lib.course.classroom import class_progress

    return class_progress(arguments.folder, arguments.csv)


def _class_export(arguments):
    from asif_lib.course.classroom import export

    chapters = None if arguments.chapters is None else [chapter.strip() for chapter in arguments.chapters.split(",")]
    result = export(arguments.folder, chapters)
    lines = [
        f"{name}: {len(tests)} tests, {sum(tests.values())} points" for name, tests in result["assignments"].items()
    ]
    return result, "\n".join(
        [*lines, f"written to {result['folder']}; go there and run: nbgrader generate_assignment NAME"]
    )


def _explore(arguments):
    from asif_lib.explore import serve

    about = serve(
        arguments.bank, port=arguments.port, browser=not arguments.no_browser, device=arguments.device,
        say=lambda line: print(line, file=sys.stderr, flush=True),
    )  # fmt: skip
    return about, "the explorer has ended"


def _existing_folder(folder):
    from pathlib import Path

    if not Path(folder).is_dir():
        raise DataError(f"{folder}: there is no such folder")
    return Path(folder)


def _model(arguments):
    """The model over the bank that the user named; a bank of the catalogue is built when it is first asked for."""
    from asif_lib.bank.anchors import AnchorBank, bank_dir
    from asif_lib.datasets.providers import catalogue
    from asif_lib.zeroshot import ASIF

    missing = not (bank_dir(arguments.bank) / "bank.json").exists()
    if missing and catalogue().get(arguments.bank, {}).get("kind") == "pairs":
        print(f"bank {arguments.bank!r} is not here yet: building it, once", file=sys.stderr)
        _bank_build(_parser().parse_args(["bank", "build", arguments.bank, "--device", arguments.device]))
    return ASIF(AnchorBank.load(arguments.bank), arguments.k, arguments.p, device=arguments.device)


def _embed(model, pictures, arguments):
    from asif_lib.encoders.embeddings import embed_readable
    from asif_lib.errors import BrokenPicturesError

    z, kept, errors = embed_readable(model.encoder("image"), pictures)
    if errors and not arguments.skip_broken:
        raise BrokenPicturesError(errors)
    for error in errors:
        print(f"left out: {error}", file=sys.stderr)
    if not kept:
        raise DataError("there is no picture left to work on")
    return z, kept


if __name__ == "__main__":
    sys.exit(main())
