"""The page of an explanation, as a reader opens it: no barriers, no wider than the window, and it says what lacks."""

from drawn_pages import check_views

from asif_book.report.explain_page import explain_page
from asif_lib.explain.counterfactual import smallest_removal
from asif_lib.zeroshot import ASIF


def test_the_page_of_an_explanation_has_no_barriers(browser, tmp_path, stamps_bank, image_encoder, text_encoder):
    asked, labels = stamps_bank.pairs["caption"].tolist().index("A red kangaroo."), ["deer", "kangaroo"]
    z, picture, page = stamps_bank.image[[asked]], stamps_bank.pairs["picture"].iloc[asked], tmp_path / "why.html"
    bank = stamps_bank.subset([i for i in range(len(stamps_bank)) if i != asked])
    for shown in (bank, bank.replace(pairs=bank.pairs.assign(picture=""))):
        model = ASIF(shown, device="cpu", image_encoder=image_encoder, text_encoder=text_encoder)
        row = {
            "picture": picture,
            "scores": dict(zip(labels, model.classify(z, labels).scores[0].tolist(), strict=True)),
        }
        about = (
            (z, labels, model.prompts(labels)),
            int(model.images(z).indices[0, 0]),
            smallest_removal(model, z, labels),
        )
        page.write_text(explain_page(row, model, *about))
        check_views(browser, page, "main")
    assert "its picture is not here (no file)" in page.read_text()
