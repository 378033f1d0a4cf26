"""Review a bank: near-duplicates, doubtful groups and doubtful captions in one table; its decisions are one edit."""

import csv
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from asif_lib.datasets.captions import read_csv
from asif_lib.errors import BankError, DataError, first_line
from asif_lib.files import csv_plain
from asif_lib.relative import unit_rows
from asif_lib.search import top_anchors
from asif_lib.search.rows import BLOCK

from .audit import rank_pairs

NEAREST = 10
"""Nearest other pairs of a pair on each side: they may be its duplicates, and they vote on its group."""
SMALLEST_GROUP = 5
"""Pairs of a group that can be doubted, or proposed."""
COPY = 1e-3
"""A distance between unit vectors that rounding alone can make."""
DECISIONS = ("", "keep", "drop", "relabel")
NEEDED = ("id", "caption", "decision", "caption_new", "version")


def review_bank(bank, *, device="cpu", progress=True) -> pd.DataFrame:
    """List what is doubtful in a bank on disk, each kind of `issue` from the worst on.

    - ``duplicate``: on both sides, the pair and an earlier one (`other`) are nearer than `near_distance`. The score is
      the smaller of both cosines. Copies of one pair name the same earlier one, or each other in a chain.
    - ``group``: the `NEAREST` pictures and captions vote for another group (`other`) than the pair's own. It has more
      votes, and at least as large a share as members of that group have on average: the confident disagreement of
      Northcutt et al., JAIR 2021. The score is the own share minus the other. Groups under `SMALLEST_GROUP` are left
      out, and so are pairs without a group.
    - ``caption``: `rank_pairs` finds an excess below 0, the score: picture and caption agree less than with rivals.

    In a joined bank, duplicates across its parts are listed too. Raises `ParameterError` for a bank of one pair, and
    `BankError` for one in memory: a review names the version of the bank.

    Returns
    -------
    DataFrame
        Columns ``id``, ``caption``, ``picture``, ``group``, ``issue``, ``score``, ``other``, ``decision`` and
        ``caption_new`` (both empty, for `apply_review`), and ``version``. A pair with several issues has several rows.
    """
    version, audit = _version(bank), rank_pairs(bank, device=device)
    near = {side: _nearest(bank.rows(side), device, progress) for side in bank.sides}
    low = audit[audit.excess < 0]
    captions = pd.DataFrame({"anchor": low.anchor, "issue": "caption", "score": low.excess, "other": ""})
    table = pd.concat([_duplicates(bank, near), _groups(bank.pairs["group"], near), captions], ignore_index=True)
    table = table.join(bank.pairs[["id", "caption", "picture", "group"]], on="anchor")
    table = table.assign(decision="", caption_new="", version=version)
    return table[["id", "caption", "picture", "group", "issue", "score", "other", "decision", "caption_new", "version"]]


def near_distance(cosines) -> float:
    """Return the distance of unit vectors below which two pairs are near-duplicates, by the bank's own distances.

    (1) In m dimensions, d^m pairs lie within a distance d, up to a factor. The medians of the distances to the 5th and
    to the 10th neighbour, which few duplicates reach, give m and a rough distance within which n pairs have one.
    (2) The nearest neighbour beyond the rough distance is no duplicate. Its distance is a minimum of many, and follows
    a Weibull law (Fisher and Tippett, 1928): F(d) = 1 - exp(-(d / s)^m). F(median) = 1/2 and F(upper quartile) = 3/4
    give m and s. (3) The threshold has F = 1/n: of n pairs without duplicates, about one is nearer to another.

    The promise holds for one side, and for pairs that are spread evenly at their scale. A series of like things, such
    as coins, is denser. `review_bank` asks both sides. With `NEAREST` pairs or fewer, only copies count.

    Parameters
    ----------
    cosines : ndarray of shape (n, `NEAREST`)
        Of each pair with its nearest others, the nearest first.
    """
    n, distances = len(cosines), _distance(cosines)
    if cosines.shape[1] < NEAREST:
        return COPY
    rough = _where_one(*np.median(distances[:, [4, 9]], axis=0), 5 - 1 / 3, 10 - 1 / 3, 1 / n)  # medians of Gamma(k)
    beyond = np.where(distances > rough, distances, np.inf).min(axis=1)
    beyond = beyond[beyond < np.inf]
    middle = np.quantile(beyond, [0.5, 0.75]) if len(beyond) else (0.0, 0.0)
    return max(COPY, _where_one(*middle, np.log(2), np.log(4), -np.log1p(-1 / n)))


def _where_one(near, far, at_near, at_far, wanted):
    """Return the distance d at which a count c · d^m is as `wanted`, if it is `at_near` and `at_far` at two others."""
    if not 0 < near < far:
        return 0.0
    return float(near * (wanted / at_near) ** (np.log(far / near) / np.log(at_far / at_near)))


def _distance(cosines):
    return np.sqrt(np.maximum(0, 2 - 2 * cosines))


def _nearest(rows, device, progress):
    """Return the cosines and the positions of the nearest other rows, (n, `NEAREST`) or (n, n - 1), nearest first."""
    n = len(rows)
    found = top_anchors(rows.gathered(), rows, min(NEAREST + 1, n), device=device, progress=progress)
    values, indices = (each.numpy() for each in found)
    own = indices == np.arange(n)[:, None]
    own[~own.any(axis=1), -1] = True  # its copies, which come before it, have filled the list
    return values[~own].reshape(n, -1), indices[~own].reshape(n, -1)


def _duplicates(bank, near):
    first, second = bank.sides
    limits = {side: near_distance(cosines) for side, (cosines, _) in near.items()}
    cosines, others = near[first]
    row, place = np.nonzero(_distance(cosines) <= limits[first])
    pair = np.stack([row, others[row, place]])  # (2, m)
    score = [np.empty(0, np.float32)]
    for block in np.split(pair, range(BLOCK, pair.shape[1], BLOCK), axis=1):
        one, two = (unit_rows(bank.rows(second).take(rows), dtype=torch.float64) for rows in block)
        score.append((one * two).sum(dim=1).float().numpy())
    score = np.concatenate(score)
    table = pd.DataFrame({"anchor": pair.max(axis=0), "issue": "duplicate", "score": score, "other": pair.min(axis=0)})
    table["score"] = table.score.clip(upper=cosines[row, place])
    table = table[_distance(score) <= limits[second]].sort_values(["score", "other"], ascending=[False, True])
    table = table.drop_duplicates("anchor")
    return table.assign(other=bank.pairs["id"].to_numpy()[table.other])


def _groups(groups, near):
    codes, names = pd.factorize(groups.replace("", None))  # -1: without a group
    votes = np.concatenate([codes[indices] for _, indices in near.values()], axis=1)  # (n, both sides' neighbours)
    table = pd.DataFrame({"anchor": np.repeat(np.arange(len(codes)), votes.shape[1]), "code": votes.ravel()})
    table = table.value_counts().div(votes.shape[1]).rename("share").reset_index()
    own = np.zeros(len(codes))  # share of the own group
    mine = table[table.code == codes[table.anchor]]
    own[mine.anchor] = mine.share
    size = np.bincount(codes + 1, minlength=len(names) + 1)[1:]
    usual = np.bincount(codes + 1, own, minlength=len(names) + 1)[1:] / size
    large = np.append(size >= SMALLEST_GROUP, False)  # the last one is code -1
    table = table[large[table.code] & large[codes[table.anchor]]]
    table = table[(table.share >= usual[table.code]) & (table.share > own[table.anchor])]
    table = table.sort_values(["share", "anchor", "code"], ascending=[False, True, True]).drop_duplicates("anchor")
    table = table.assign(issue="group", score=own[table.anchor] - table.share, other=names[table.code])
    return table.sort_values(["score", "anchor"])[["anchor", "issue", "score", "other"]]


def _version(bank):
    newest = bank.on_disk("has no version that a review could name: save it, and load it").record.newest
    return f"version {newest.version} ({newest.state.removeprefix('state-')[:12]})"


def as_fiftyone(table, name) -> dict:
    """Return a review as the JSON that ``fiftyone.Dataset.from_json(file)`` reads: a sample for each row.

    Its keys are those that FiftyOne's ``Dataset.from_dict`` reads: ``name``, ``media_type``, ``sample_fields`` and
    ``samples``. The id of the pair is the field ``pair``, because a sample has an ``id`` of its own; the issue is a tag
    too. Raises `BankError` if a pair has no picture.
    """
    if (bare := table["picture"] == "").any():
        raise BankError(f"FiftyOne shows pictures, and {bare.sum()} pairs of the review have none: write a CSV only")
    texts = ("caption", "group", "issue", "other", "version")
    kinds = {"filepath": "String", "pair": "String", **dict.fromkeys(texts, "String"), "score": "Float"}
    samples = [
        {"filepath": row.picture, "tags": [row.issue], "pair": row.id, "score": float(row.score)}
        | {column: getattr(row, column) for column in texts}
        for row in table.itertuples()
    ]
    fields = {field: f"fiftyone.core.fields.{kind}Field" for field, kind in kinds.items()}
    return {"name": f"review of {name}", "media_type": "image", "sample_fields": fields, "samples": samples}


def read_review(file) -> pd.DataFrame:
    """Read the CSV of a review; the apostrophes that protect a spreadsheet from formulas are taken off again.

    Raises `DataError` if it cannot be read, or a column that `apply_review` needs is missing.
    """
    try:
        table = read_csv(Path(file))
    except (ValueError, OSError, csv.Error) as error:
        raise DataError(f"{file}: is not a readable CSV ({first_line(error)})") from None
    if missing := [column for column in NEEDED if column not in table]:
        has = ", ".join(map(str, table))
        raise DataError(f"{file}: lacks the columns {', '.join(missing)}, it has: {has}; keep those of the review")
    return table.map(csv_plain)


def apply_review(bank, table, text=None, *, text_encoder=None):
    """Apply the decisions of a review in one edit, which `AnchorBank.undo` takes back; return the bank.

    Raises `BankError` if the review is of another version, or a decision cannot be applied; then nothing is changed.

    Parameters
    ----------
    bank : AnchorBank
        On disk, at its newest version.
    table : DataFrame
        As of `review_bank` or `read_review`. Each ``decision`` is ``drop``, ``relabel`` (with ``caption_new``),
        ``keep`` or empty.
    text : Tensor or array of shape (m, d_text), optional
        Embeddings of the m new captions, in the order in which their pairs first appear.
    text_encoder : TextEncoder, optional
        Else the bank's own, which embeds them.
    """
    if other := set(table["version"]) - {_version(bank)}:
        here = f"bank {bank.name!r} is at {_version(bank)}"
        raise BankError(f"this is a review of {min(other) or 'no version'}, and {here}: review it again")
    captions, chosen = dict(zip(bank.pairs["id"], bank.pairs["caption"], strict=True)), {}
    for number, row in enumerate(table.itertuples(), 1):
        decision, new = row.decision.strip().lower(), row.caption_new.strip()
        fault = None
        if decision not in DECISIONS:
            fault = f"the decision {row.decision!r} is none of drop, relabel and keep"
        elif (decision == "relabel") != bool(new):
            fault = "relabel needs a caption_new" if not new else "a caption_new needs the decision relabel"
        elif captions.get(row.id) != row.caption:
            known = "its caption is not the bank's; write another one into caption_new"
            fault = known if row.id in captions else f"bank {bank.name!r} has no such pair"
        elif decision and chosen.setdefault(row.id, (decision, new)) != (decision, new):
            fault = "an earlier row decides otherwise on this pair; let them agree, or empty one"
        if fault:
            raise BankError(f"row {number} of the review, id {row.id}: {fault}; nothing was changed")
    relabelled = {id: new for id, (decision, new) in chosen.items() if decision == "relabel"}
    dropped = [id for id, (decision, _) in chosen.items() if decision == "drop"]
    return bank.revise(relabelled, dropped, text, text_encoder=text_encoder) if relabelled or dropped else bank
