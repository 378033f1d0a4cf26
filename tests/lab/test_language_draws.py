"""The stored draws between languages say what chapter 10 says of them."""

from asif_book.chapters.measuring import stored_table

RIDGE = "kernel ridge, both ways"


def verdicts(encoders, method):
    """Return the verdicts of a method by language, with the fewest pairs and with all."""
    table = stored_table("languages").query("measure == 'R@1, English → language'")
    rows = table[(table["encoders"] == encoders) & (table["method"] == method)]
    sizes = rows.groupby("language")["size"]
    ends = [rows[rows["size"] == sizes.transform(end)] for end in ("min", "max")]
    return [end.set_index("language")["verdict"].to_dict() for end in ends]


def test_pairs_add_to_an_aligned_encoder_and_replace_it_in_one_language_only():
    for part in ("ASIF", RIDGE):
        fewest, every = verdicts("E5 on both sides", f"own means + {part}")
        assert set(fewest.values()) == {"undecided"}
        assert set(every.values()) == {"better"} and len(every) == 4
    _, alone = verdicts("E5 on both sides", "ASIF")
    assert alone == {"Arabic": "undecided", "German": "worse", "Hindi": "worse", "Japanese": "better"}


def test_kernel_ridge_is_ahead_of_asif_between_strangers_in_three_of_four_languages():
    _, every = verdicts("MiniLM and E5", RIDGE)
    assert every == dict.fromkeys(("Arabic", "German", "Hindi"), "better") | {"Japanese": "undecided"}
    _, switched = verdicts("MiniLM and E5", "ASIF, whitened and hub-corrected")
    assert set(switched.values()) == {"better"} and len(switched) == 4
