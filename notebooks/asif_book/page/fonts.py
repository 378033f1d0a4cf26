"""The characters of captions in scripts for which many readers have no font, as a small font within the page."""

import base64
import io
import sys

from fontTools import subset
from fontTools.ttLib import TTFont

from asif_lib.datasets.providers import fetch
from asif_lib.errors import AsifError

FONTS = {
    "hi": ("Lohit-Devanagari.ttf", "हिन्दी"), "ja": ("VL-PGothic-Regular.ttf", "日本語"),
    "ko": ("wqy-microhei.ttc", "한국어"), "zh_CN": ("wqy-microhei.ttc", "中文"),
}  # fmt: skip
"""Language → the file of its font, and the language's own name, which stands in the menu."""


def font_faces(translations) -> str:
    """Return the style of ``:lang(…)`` with a subset of a font for each language of `FONTS`; "" without the fonts."""
    families = {code: f"captions-{code[:2]}" for code in FONTS if code in translations}
    if not families:
        return ""
    try:
        folder = fetch("fonts")
    except (AsifError, OSError) as error:
        print(f"the page goes on without fonts for {', '.join(families)}: {error}", file=sys.stderr)
        return ""
    rules = [f"#language {{ font-family: var(--sans), {', '.join(families.values())} }}"]
    for code, family in families.items():
        file, name = FONTS[code]
        characters = {one for one in name + "".join(translations[code]) if ord(one) > 0x36F}
        font = base64.b64encode(subset_font(folder / file, characters)).decode()
        source = f'url("data:font/woff;base64,{font}") format("woff")'
        rules.append(f"@font-face {{ font-family: {family}; src: {source} }}")
        rules.append(f":lang({code[:2]}) {{ font-family: {family}, var(--sans) }}")
    return "\n".join(rules)


def subset_font(file, characters) -> bytes:
    """Return a font in the format WOFF with these characters alone: their outlines, and how they are joined."""
    options = subset.Options(hinting=False, glyph_names=False, notdef_outline=True, layout_features=["*"], name_IDs=[])
    options.drop_tables += ["FFTM"]  # times, which FontForge wrote
    font, content = TTFont(file, fontNumber=0), io.BytesIO()
    cutter = subset.Subsetter(options)
    cutter.populate(unicodes=map(ord, characters))
    cutter.subset(font)
    font.flavor = "woff"
    font.save(content)
    return content.getvalue()
