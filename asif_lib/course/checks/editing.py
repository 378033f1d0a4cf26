"""Checks of chapter 07, editing a model: add, bring the mean up to date, forget."""

import torch

from .judging import Verdict, compare, exercise, random_tensor


@exercise("07.1", "Teach it something")
def check_add(function) -> Verdict:
    """Append pairs to both matrices, and bring the mean and k up to date."""

    def tenth(n):
        return max(1, round(n / 10))

    def added(image, text, new_image, new_text, partner):
        return torch.cat([image, new_image]), torch.cat([text, new_text[partner]])

    def reference(image, text, new_image, new_text, partner):
        image, text = added(image, text, new_image, new_text, partner)
        return image, text, image.mean(dim=0), tenth(len(image))

    def with_text(make):
        """The right answer but for the text matrix."""

        def mistake(image, text, new_image, new_text, partner):
            image, _, mean, k = reference(image, text, new_image, new_text, partner)
            return image, make(text, new_text, partner), mean, k

        return mistake

    def with_mean_or_k(mean=None, k=None):
        def mistake(image, text, *new):
            result = reference(image, text, *new)
            return (
                *result[:2],
                mean(image, *new) if mean else result[2],
                k(len(image), len(new[0])) if k else result[3],
            )

        return mistake

    def moved(order):
        """The pictures in another order, and the captions as they came."""

        def mistake(image, text, new_image, new_text, partner):
            return reference(image, text, new_image[order(partner)], new_text, torch.arange(len(new_text)))

        return mistake

    def in_front(image, text, new_image, new_text, partner):
        return reference(new_image, new_text[partner], image, text, torch.arange(len(text)))

    def case(n, m, seed, partner):
        sides = [random_tensor(rows, d, seed=seed + i) for i, (rows, d) in enumerate([(n, 6), (n, 4), (m, 6), (m, 4)])]
        sides[2] += 2.0  # the new pictures are of another kind, so the mean moves
        return *sides, torch.tensor(partner)

    cases = [
        case(40, 12, 73, [5, 2, 0, 7, 1, 3, 9, 4, 11, 6, 8, 10]),  # 5.2, so that rounding up shows
        case(44, 14, 70, [3, 0, 4, 1, 8, 2, 5, 7, 6, 13, 9, 10, 12, 11]),
        case(20, 30, 71, list(range(29, -1, -1))),
        case(3, 1, 72, [0]),
    ]
    mistakes = [
        (
            "Only the pictures' matrix grew. Row i of both matrices is pair i: a picture without its caption is no "
            "anchor.",
            with_text(lambda text, new, partner: text),
        ),
        (
            "Only the captions' matrix grew. Row i of both matrices is pair i: a caption without its picture is no "
            "anchor.",
            lambda image, text, new_image, new_text, partner: (
                image, torch.cat([text, new_text[partner]]), image.mean(dim=0), tenth(len(image))
            ),
        ),
        (
            "The new captions stand in the order in which they came, so that new pictures got each other's captions. "
            "`partner` says where the caption of each picture is.",
            with_text(lambda text, new, partner: torch.cat([text, new])),
        ),
        (
            "You used `partner` the wrong way round: entry i is the row of `new_text` that belongs to new picture i.",
            with_text(lambda text, new, partner: torch.cat([text, new[partner.argsort()]])),
        ),
        (
            "You moved the new pictures to where `partner` points. Each caption has some picture now, and not its own: "
            "leave the pictures as they came, and fetch the captions.",
            moved(lambda partner: partner),
        ),
        (
            "Every new picture has its own caption, but the pairs stand in the order of the captions. The new pictures "
            "keep their order, and the captions follow them.",
            moved(lambda partner: partner.argsort()),
        ),
        (
            "The new rows stand before the old ones. Append them, so that anchor i stays anchor i.",
            in_front,
        ),
        (
            "The mean is still that of the old bank. It is taken off every picture, so it must be the mean of all rows "
            "that are there now.",
            with_mean_or_k(mean=lambda image, *new: image.mean(dim=0)),
        ),
        (
            "You averaged the old mean and the mean of the new rows. The old bank has more rows, so it weighs more.",
            with_mean_or_k(mean=lambda image, new, *_: (image.mean(dim=0) + new.mean(dim=0)) / 2),
        ),
        (
            "The mean is that of the new rows alone; take it over all rows.",
            with_mean_or_k(mean=lambda image, new, *_: new.mean(dim=0)),
        ),
        (
            "k is still a tenth of the old bank. The bank has grown, and k is a share of it.",
            with_mean_or_k(k=lambda n, m: tenth(n)),
        ),
        ("k is a tenth of the new pairs alone; take a tenth of all.", with_mean_or_k(k=lambda n, m: tenth(m))),
        (
            "You rounded up. A tenth of 52 is 5.2, and rounded 5.",
            with_mean_or_k(k=lambda n, m: -(-(n + m) // 10)),
        ),
        (
            "You cut the tenth off instead of rounding it, or forgot that k is at least 1.",
            with_mean_or_k(k=lambda n, m: (n + m) // 10),
        ),
        (
            "Both the mean and k are still those of the old bank.",
            with_mean_or_k(mean=lambda image, *new: image.mean(dim=0), k=lambda n, m: tenth(n)),
        ),
    ]  # fmt: skip
    return compare(function, reference, cases, mistakes)


@exercise("07.2", "A mean without a second look")
def check_running_mean(function) -> Verdict:
    """The mean after an edit, from the mean before it."""

    def reference(mean, n, added, removed):
        return (n * mean + added.sum(dim=0) - removed.sum(dim=0)) / (n + len(added) - len(removed))

    def case(n, m, r, seed):
        rows = random_tensor(n, 5, seed=seed) + 1.0
        return rows.mean(dim=0), n, random_tensor(m, 5, seed=seed + 10) - 2.0, rows[:r]

    nothing = [case(30, 0, 4, 75), case(30, 6, 0, 76)]
    cases = [case(40, 8, 4, 73), case(7, 20, 5, 74), *nothing]
    mistakes = [
        (
            "Where nothing is added, or nothing removed, your result is NaN: the mean of no rows is 0/0. The sum of no "
            "rows is 0.",
            lambda mean, n, added, removed: (
                (n * mean + len(added) * added.mean(dim=0) - len(removed) * removed.mean(dim=0))
                / (n + len(added) - len(removed))
            ),
        ),
        (
            "You averaged the two means as if both stood for equally many rows. Turn a mean into a sum first: the "
            "sum of n rows is n times their mean.",
            lambda mean, n, added, removed: (mean + added.mean(dim=0)) / 2,
        ),
        (
            "You added and took off the means of the new and the removed rows. Means do not add up; sums do.",
            lambda mean, n, added, removed: mean + added.mean(dim=0) - removed.mean(dim=0),
        ),
        (
            "You divide by the old number of rows; there are n + m - r now.",
            lambda mean, n, added, removed: (n * mean + added.sum(dim=0) - removed.sum(dim=0)) / n,
        ),
        (
            "The rows that were removed still count.",
            lambda mean, n, added, removed: (n * mean + added.sum(dim=0)) / (n + len(added)),
        ),
        (
            "The sum is right but for the number of rows: the removed ones are no longer there.",
            lambda mean, n, added, removed: (n * mean + added.sum(dim=0) - removed.sum(dim=0)) / (n + len(added)),
        ),
        (
            "The removed rows were added once more; take their sum off.",
            lambda mean, n, added, removed: (
                (n * mean + added.sum(dim=0) + removed.sum(dim=0)) / (n + len(added) - len(removed))
            ),
        ),
        (
            "The new rows do not count.",
            lambda mean, n, added, removed: (n * mean - removed.sum(dim=0)) / (n - len(removed)),
        ),
        (
            "You forgot to multiply the old mean by n: as it is, it counts like a single row.",
            lambda mean, n, added, removed: (
                (mean + added.sum(dim=0) - removed.sum(dim=0)) / (n + len(added) - len(removed))
            ),
        ),
        (
            "That is the new sum, not the new mean; divide by the number of rows that are there now.",
            lambda mean, n, added, removed: n * mean + added.sum(dim=0) - removed.sum(dim=0),
        ),
    ]
    return compare(function, reference, cases, mistakes, atol=1e-4)


@exercise("07.4", "Forget a group")
def check_forget(function) -> Verdict:
    """Remove a group and its subgroups from both matrices, and say which rows are left."""

    def kept(groups, fits):
        return torch.tensor([i for i, g in enumerate(groups) if not fits(g)], dtype=torch.int64)

    def belongs(group):
        return lambda g: g == group or g.startswith(group + "/")

    def taken(image, text, rows):
        return image[rows], text[rows], rows

    def reference(image, text, groups, group):
        return taken(image, text, kept(groups, belongs(group)))

    def fitting(make):
        return lambda image, text, groups, group: taken(image, text, kept(groups, make(group)))

    def only(image, text, groups, group):
        return taken(image, text, kept(groups, lambda g: not belongs(group)(g)))

    def half(which):
        def mistake(image, text, groups, group):
            result = reference(image, text, groups, group)
            return (result[0], text, result[2]) if which == "image" else (image, *result[1:])

        return mistake

    def zeroed(image, text, groups, group):
        rows = kept(groups, belongs(group))
        blank = [torch.zeros_like(m).index_copy(0, rows, m[rows]) for m in (image, text)]
        return *blank, torch.arange(len(groups))

    def last_into_the_hole(image, text, groups, group):
        rows, last = list(range(len(groups))), len(groups)
        for i in range(len(groups) - 1, -1, -1):
            if belongs(group)(groups[i]):
                last -= 1
                rows[i] = rows[last]
        return taken(image, text, torch.tensor(rows[:last], dtype=torch.int64))

    def removed_while_counting(image, text, groups, group):
        """Deletes row after row by positions of the whole bank."""
        rows = list(range(len(groups)))
        for i in [i for i, g in enumerate(groups) if belongs(group)(g)]:
            if i < len(rows):
                del rows[i]
        return taken(image, text, torch.tensor(rows, dtype=torch.int64))

    def renumbered(image, text, groups, group):
        result = reference(image, text, groups, group)
        return *result[:2], torch.arange(len(result[2]))

    def mask(image, text, groups, group):
        result = reference(image, text, groups, group)
        return *result[:2], torch.tensor([not belongs(group)(g) for g in groups])

    def removed_rows(image, text, groups, group):
        result = reference(image, text, groups, group)
        return *result[:2], kept(groups, lambda g: not belongs(group)(g))

    names = ["sea/food", "food", "animals", "food/fruit", "foodstuff", "tools", "food", "plants/food", "animals/birds"]
    other = ["b", "a", "b", "a/x", "b", "c", "a", "ab", "c"]
    sides = random_tensor(9, 5, seed=77), random_tensor(9, 3, seed=78)
    cases = [(*sides, names, "food"), (*sides, other, "a"), (*sides, names, "animals/birds"), (*sides, other, "none")]
    mistakes = [
        ("You kept the group and forgot everything else; turn the mask round.", only),
        (
            "Rows were removed from the pictures only: from the first of them on, every picture has a wrong caption.",
            half("image"),
        ),
        (
            "Rows were removed from the captions only: from the first of them on, every caption has a wrong picture.",
            half("text"),
        ),
        (
            "You set the rows to zero, and they are still there: they count in the mean and in n. Leave them out.",
            zeroed,
        ),
        (
            "The subgroups are still there: who asks to forget a group means what stands below it, too.",
            fitting(lambda group: lambda g: g == group),
        ),
        (
            "The subgroups are gone, and the group itself is still there: `food` does not begin with `food/`.",
            fitting(lambda group: lambda g: g.startswith(group + "/")),
        ),
        (
            "You also forgot a group whose name only begins with the same letters. A subgroup begins with the group "
            "and a slash.",
            fitting(lambda group: lambda g: g.startswith(group)),
        ),
        (
            "You also forgot groups that hold the name somewhere else. Compare from the beginning of the path.",
            fitting(lambda group: lambda g: group in g),
        ),
        (
            "You also forgot a group of that name further down in another branch; compare from the beginning of the "
            "path.",
            fitting(lambda group: lambda g: group in g.split("/")),
        ),
        (
            "The last rows were moved into the holes, so that the anchors stand in another order. Keep the order.",
            last_into_the_hole,
        ),
        (
            "You deleted row by row, and after each deletion the positions of all later rows had moved. Make a mask of "
            "all rows first, and apply it once.",
            removed_while_counting,
        ),
        (
            "The matrices are right, and the third result counts 0, 1, 2, …: it should say which row of the old bank "
            "each row was, for that is how other tables follow.",
            renumbered,
        ),
        ("The third result is the mask; the positions of the rows that are left are wanted.", mask),
        ("The third result lists the rows that went; those that are left are wanted.", removed_rows),
    ]  # fmt: skip
    return compare(function, reference, cases, mistakes)
