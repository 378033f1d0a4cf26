"""Damage: what bit rot, a broken transfer, a slip of the hand or a bored attacker does to a file or a text."""

import json
import os
import shutil
import unicodedata

from made_banks import seal_again

NASTY = [
    "", "0", "-1", "1e999", "NaN", "null", '"', "'", "{}", "[" * 5_000, "a.b=" * 2_000, "\0", "\ufeff", "\r", "\x1b[2J",
    "\u202e", "\ud800", "é" * 300, "9" * 400, "../../etc/passwd", "/dev/zero", "file:///etc/passwd", "=HYPERLINK(1)",
    "<img src=x onerror=alert(1)>", "%s%n{0.__class__}", "'; DROP TABLE pairs; --",
]  # fmt: skip
VALUES = [None, True, -1, 0, 10**30, 1.5, float("nan"), "", "\0", "/dev/zero", "../x", [], {}, [[]] * 50, "a" * 10_000]
TEXTS = (".json", ".jsonl", ".csv", ".toml", ".txt")
WHOLE = {  # what happens to a whole file
    "exchanged": lambda file, other: [file.rename(f"{file}-"), other.rename(file), os.rename(f"{file}-", other)],
    "copied": lambda file, other: shutil.copy(other, file),
    "emptied": lambda file, _: file.write_bytes(b""),
    "deleted": lambda file, _: file.unlink(),
    "a folder": lambda file, _: [file.unlink(), file.mkdir()],
    "a device": lambda file, _: [file.unlink(), file.symlink_to("/dev/zero")],
    "a pipe": lambda file, _: [file.unlink(), os.mkfifo(file)],
}


def mutate(content, rng):
    """Return a text, or bytes, after one or two flips, cuts, insertions, replacements or exchanges."""
    for _ in range(rng.choice([1, 1, 1, 2])):
        i, j = sorted(rng.randrange(len(content) + 1) for _ in range(2))
        if isinstance(content, str):
            pieces = rng.choice(NASTY), chr(rng.randrange(128)), chr(rng.randrange(0xD000)), content[j : j + 9]
            piece = rng.choice(pieces)
        else:
            flipped = bytes(byte ^ 1 << rng.randrange(8) for byte in content[i : i + 1])
            piece = rng.choice([flipped, flipped, rng.randbytes(rng.randint(1, 64)), bytes(64), b"", content[j:]])
        end = rng.choice([i, i + len(piece), i + len(piece), i + len(piece), j, len(content)])
        content = content[:i] + piece + content[end:]
    return content


LOOKALIKES = [
    lambda word, at: unicodedata.normalize("NFD", word), lambda word, at: unicodedata.normalize("NFC", word),
    lambda word, at: word.swapcase(), lambda word, at: word.casefold(), lambda word, at: word.title(),
    lambda word, at: word[:at] + "\u200b" + word[at:], lambda word, at: word[:at] + "\u00ad" + word[at:],
    lambda word, at: f"\u2067{word}\u2069", lambda word, at: word.replace(" ", "\u3000 "),
    lambda word, at: "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in word),
]  # fmt: skip


def add_lookalike(files, rng):
    """Add to a list of words a word that reads as one of them, or damage the file."""
    if rng.random() < 0.3:
        return mutate_file(files, rng)
    file = rng.choice(files)
    words = file.read_text(encoding="utf-8").split(", ")
    word = rng.choice(words)
    for _ in range(rng.choice([1, 1, 2])):
        word = rng.choice(LOOKALIKES)(word, rng.randint(0, len(word)))
    words.insert(rng.randint(0, len(words)), word)
    file.write_text(", ".join(words), encoding="utf-8")
    return file, f"gets {word!a}"


def mutate_json(value, rng):
    """Return a value of JSON in which one value is another, is missing, or has another name."""
    if not isinstance(value, dict | list) or not value or rng.random() < 0.1:
        return rng.choice(VALUES)
    key, other = (rng.choice(list(value) if isinstance(value, dict) else range(len(value))) for _ in range(2))
    changed, how = value.copy(), rng.random()
    if how < 0.1:
        del changed[key]
    elif how < 0.2 and isinstance(value, dict):
        changed[rng.choice(NASTY[:5]) + key] = changed.pop(key)
    else:
        changed[key] = value[other] if how < 0.3 else mutate_json(value[key], rng)
    return changed


def mutate_file(files, rng):
    """Damage one of some files: its bytes, its text, its JSON, or the file as a whole. Return which, and how."""
    file, other, how = rng.choice(files), rng.choice(files), rng.random()
    if how < 0.12 and file != other:
        name = rng.choice(list(WHOLE))
        WHOLE[name](file, other)
        return file, f"{name} ({other.name})" if name in ("exchanged", "copied") else name
    if how < 0.4 and file.suffix == ".json":
        file.write_text(json.dumps(mutate_json(json.loads(file.read_text()), rng)))
    elif how < 0.7 and file.suffix in TEXTS:
        file.write_bytes(mutate(file.read_text(), rng).encode(errors="surrogatepass"))
    else:
        file.write_bytes(mutate(file.read_bytes(), rng))
    return file, "changed"


def forge(files, rng):
    """Change the content of a sealed JSON file, and give it the right checksum, as an adversary would."""
    file = rng.choice([file for file in files if file.suffix == ".json"])

    def change(content):
        changed = mutate_json(content, rng)
        if isinstance(changed, dict):
            content.clear(), content.update(changed)

    seal_again(file, change)
    return file, "forged"
