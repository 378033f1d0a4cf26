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
    wanted = FONTS.keys() & translations.keys()
    try:
        folder = fetch("fonts") if wanted else None
    except (AsifError, OSError) as error:
        print(f"the page goes on without fonts for {', '.join(sorted(wanted))}: {error}", file=sys.stderr)
        return ""
    rules = [f"#language {{ font-family: var(--sans), {', '.join(map(_family, sorted(wanted)))} }}"] if wanted else []
    for code in sorted(wanted):
        file, name = FONTS[code]
        characters = {*name, *"".join(translations[code])}
        source = base64.b64encode(subset_font(folder / file, {one for one in characters if ord(one) > 0x36F})).decode()
        family = _family(code)
        rules.append(
            f'@font-face {{ font-family: {family}; src: url("data:font/woff;base64,{source}") format("woff") }}'
        )
        rules.append(f":lang({code.partition('_')[0]}) {{ font-family: var(--sans), {family} }}")
    return "\n".join(rules)


def _family(code):
    return f"captions-{code.partition('_')[0]}"


def subset_font(file, characters) -> bytes:
    """Return a font in the format WOFF with these characters alone: their outlines, and how they are joined."""
    options = subset.Options(hinting=False, glyph_names=False, notdef_outline=True, layout_features=["*"], name_IDs=[])
    options.drop_tables += ["FFTM"]  # times, which FontForge wrote
    font, content = TTFont(file, fontNumber=0), io.BytesIO()
    cutter = subset.Subsetter(options)
    cutter.populate(unicodes=[ord(each) for each in characters])
    cutter.subset(font)
    font.flavor = "woff"
    font.save(content)
    return content.getvalue()
