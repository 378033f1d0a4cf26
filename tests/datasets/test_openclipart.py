"""Clip art: which pictures are used, and captions out of the metadata of drawings, in the layout of the packages."""

import struct

import pytest
from conftest import draw

from asif_lib.datasets.selecting import read_metadata, select_clipart
from asif_lib.errors import DataError

SVG = """<?xml version="1.0" encoding="UTF-8"?>
<svg xmlns="http://www.w3.org/2000/svg"><metadata><rdf:RDF xmlns:cc="http://web.resource.org/cc/"
  xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <cc:Work rdf:about=""><dc:title>{title}</dc:title><dc:subject><rdf:Bag>{keywords}</rdf:Bag></dc:subject>
  <dc:creator><cc:Agent><dc:title>Jo Author</dc:title></cc:Agent></dc:creator></cc:Work></rdf:RDF></metadata></svg>"""


@pytest.fixture
def packages(tmp_path):
    """Put pictures with titles and keywords into the folders of the two packages."""
    folder = tmp_path / "openclipart"

    def put(name, title, *keywords):
        for kind in ("png", "svg"):
            (folder / kind / name).parent.mkdir(parents=True, exist_ok=True)
        draw("square", "red").save(folder / "png" / f"{name}.png")
        listed = "".join(f"<rdf:li>{word}</rdf:li>" for word in keywords)
        (folder / "svg" / f"{name}.svg").write_text(SVG.format(title=title, keywords=listed))
        return folder

    put("animals/otter_01", "Otter", "animal", "Jo Author", "hash", "0x8f45c80", "")
    return put


def test_pictures_without_a_caption_or_drawing_near_duplicates_and_too_large_ones_are_left_out(packages, tmp_path):
    for name in ("computer/icons/flat/a", "recreation/games/cards/b", "shapes/jigsaw/c", "shapes/stars/d", "food/egg"):
        packages(name, "A thing")
    folder = packages("tools/m16", "M16")
    (folder / "png" / "alone.png").write_bytes((folder / "png" / "tools" / "m16.png").read_bytes())
    (folder / "png" / "link.png").symlink_to("animals/otter_01.png")
    (folder / "svg" / "link.svg").symlink_to("animals/otter_01.svg")
    egg = folder / "png" / "food" / "egg.png"
    content = egg.read_bytes()
    egg.write_bytes(content[:16] + struct.pack(">II", 16_000, 9) + content[24:])
    select_clipart(folder, tmp_path / "out")
    table = 'file_name,caption,group\nanimals/otter_01.png,"Otter, animal",animals\n'
    assert (tmp_path / "out" / "metadata.csv").read_text() == table
    assert [f.name for f in (tmp_path / "out").rglob("*.png")] == ["otter_01.png"]


def test_the_title_of_a_collection_gives_way_to_the_files_name(packages, tmp_path):
    for name in ("bus_stop", "no_entry", "taxi1", "toll", "yield"):
        folder = packages(f"signs/{name}", "Road Signs")
    for number in range(5):
        packages(f"plants/big_tree_{number}_jo_a", "Big tree")
    select_clipart(folder, tmp_path / "out")
    table = (tmp_path / "out" / "metadata.csv").read_text()
    assert "signs/taxi1.png,taxi,signs" in table and "Road" not in table
    assert "plants/big_tree_0_jo_a.png,Big tree,plants" in table


def test_a_broken_drawing_is_named_and_one_without_metadata_has_no_title(packages, tmp_path):
    (tmp_path / "a.svg").write_text("<svg/>")
    assert read_metadata(tmp_path / "a.svg") == ("", [], set())
    with pytest.raises(DataError, match=r"has no pictures png/PATH\.png with drawings svg/PATH\.svg"):
        select_clipart(tmp_path, tmp_path / "out")
    with pytest.raises(DataError, match=r"saw\.svg: is no drawing in XML"):
        select_clipart(packages("tools/saw", "A saw & more"), tmp_path / "out")
