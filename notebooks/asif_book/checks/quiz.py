"""The test before and after the core path: its questions, and what a class gained."""

import tomllib
from pathlib import Path

import numpy as np
import scipy  # scipy.stats takes a second, and loads itself when it is first used

from asif_lib.evaluation.measures import RESAMPLES, resampled_counts

LETTERS, WHICH = "abcd", ("before", "after")
ENOUGH = 10
"""Students from whom an interval is computed; of fewer, resamples hardly differ."""


_table = tomllib.loads(Path(__file__).with_name("quiz.toml").read_text(encoding="utf-8"))
EDITION, QUESTIONS = _table["edition"], _table["question"]
"""Each question has an id, a title, a text, answers "a" to "d", the letter of the right one, why, and where."""


def gain(before, after) -> tuple:
    """Return a class's normalised gain (Hake 1998) and its 95 % interval: value, low, high, each a float or None.

    `before` and `after` (n, m), bool, say whether each of n students answered each of m questions right. With the mean
    shares of the class, the gain is g = (after − before) / (1 − before).

    A percentile bootstrap over students makes the interval, with wider percentiles for few students (Hesterberg, What
    teachers should know about the bootstrap, 2015, section 3.3). It is missing for fewer than `ENOUGH` students, and
    where the resamples cannot tell: all have the same gain, or in one of them everything was right before.
    """
    n = len(before)
    counts = np.vstack([np.ones(n), resampled_counts((RESAMPLES, n))])  # (1 + draws, n); first the class itself
    pre, post = (counts @ flags.mean(axis=1) / n for flags in (before, after))  # (1 + draws,)
    if pre[0] == 1:
        return None, None, None
    value = float((post[0] - pre[0]) / (1 - pre[0]))
    if n < ENOUGH or pre.max() == 1:
        return value, None, None
    tail = scipy.stats.norm.cdf((n / (n - 1)) ** 0.5 * scipy.stats.t.ppf(0.025, n - 1))  # 0.025 for a large class
    low, high = map(float, np.quantile((post - pre) / (1 - pre), [tail, 1 - tail]))
    return (value, low, high) if low < high else (value, None, None)


def class_gain(tests) -> tuple[dict, list[str]]:
    """Summarise the tests of a class: as a JSON value, and as lines of text; no line if nobody took a test.

    `tests` has for each student the `Answers` "before" and "after", or one of them. Students with both count.
    """
    tried = [test for test in tests.values() if test]
    both = [test for test in tried if len(test) == 2 and all(attempt.handed_in for attempt in test.values())]
    counted = [test for test in both if {attempt.edition for attempt in test.values()} == {EDITION}]
    n, alone = len(counted), len(tried) - len(both)
    result = {"n": n, "without_both": alone, "other_questions": len(both) - n, "rows": []}
    if not tried:
        return result, []
    lines = [f"{n} with both tests; left out: {alone} without both, {len(both) - n} with other questions"]
    right = [[[t[which].answers.get(q["id"]) == q["right"] for q in QUESTIONS] for t in counted] for which in WHICH]
    before, after = np.array(right).reshape(2, n, len(QUESTIONS))  # bool
    asked = [(question["title"], [i]) for i, question in enumerate(QUESTIONS)] + [("all", slice(None))]
    for title, places in asked if n else ():
        pre, post = before[:, places], after[:, places]
        value, low, high = gain(pre, post)
        row = {"question": title, "before": pre.mean(), "after": post.mean(), "gain": value, "low": low, "high": high}
        result["rows"].append(row)
        told = "no gain: all were right before" if value is None else f"gain {value:.2f}"
        told += "" if low is None else f" [{low:.2f}, {high:.2f}]"
        lines.append(f"{title:<20} {pre.mean():>4.0%} before, {post.mean():>4.0%} after, {told}")
    if 0 < n < ENOUGH:
        lines.append(f"{n} of {ENOUGH} students that an interval needs: one moves each share by {100 / n:.0f} points.")
    lines.append("The gain is (after − before) / (1 − before), with its 95 % interval over students.")
    lines.append("Nobody has been measured with this test before: there is no gain to compare this one with.")
    return result, lines
