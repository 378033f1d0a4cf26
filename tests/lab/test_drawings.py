"""The drawings of the benchmark of a taught word, and a small run of its script."""

import runpy
import sys

import numpy as np
import pytest

from asif_lib.files import ROOT


@pytest.fixture(scope="module")
def script():
    return runpy.run_path(str(ROOT / "benchmarks" / "accuracy" / "drawings.py"))


def test_each_drawing_of_a_thing_is_another_one_on_white_and_the_same_each_time(script):
    things = script["drawn"](3)
    assert [thing.style for thing in things[:3]] == [f"monsters, {style}" for style in script["STYLES"]]
    assert len(things) == 3 + len(script["EVERYDAY"])
    for thing in things:
        pixels = np.array([np.asarray(picture, dtype=int) for picture in thing.pictures])
        assert len({each.tobytes() for each in pixels}) == script["DRAWINGS"]
        assert all(0.3 < (each == 255).all(axis=2).mean() < 0.995 for each in pixels)
        assert np.ptp(pixels, axis=3).max() < 20 or thing.style != "monsters, outline"
    again = script["sketch"](script["monster"](1, 4), "filled", (1, 4))
    assert again.tobytes() == things[1].pictures[4].tobytes()


@pytest.mark.complete
def test_after_one_drawing_the_others_are_found(script, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["drawings.py", "--quick"])
    script["main"]()
    row = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("| all, one taught"))
    _, things, _, _, before, after, *_ = (cell.split()[0] for cell in row.strip("| ").split(" | "))
    assert (things, before) == ("9", "0%") and int(after.strip("%")) >= 80
