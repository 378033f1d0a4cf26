"""Damage: what bit rot, a broken transfer, a slip of the hand or a bored attacker does to what the library reads.

Each case damages a valid input, and reads it in a process of its own under limits of time and memory. Right is the
answer of the undamaged input, or one sentence: an `AsifError`. A case has the same damage in each run, and
``FUZZ_CASES=1000 FUZZ_SEED=7 pytest -m complete tests/fuzz`` tries more and other ones.
"""

import os
import random
import sys

import pytest
import targets as t

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs the processes and limits of Linux")
CASES, SEED = int(os.environ.get("FUZZ_CASES", 20)), os.environ.get("FUZZ_SEED", "1")
NASTY = [
    "", "0", "-1", "1e999", "NaN", "null", '"', "'", "{}", "[" * 5_000, "a.b=" * 2_000, "\0", "\ufeff", "\r", "\x1b[2J",
    "\u202e", "\ud800", "é" * 300, "9" * 400, "../../etc/passwd", "/dev/zero", "%s%n{0.__class__}",
]  # fmt: skip
WHOLE = {  # what happens to a whole file
    "exchanged": lambda file, other: [file.rename(f"{file}-"), other.rename(file), os.rename(f"{file}-", other)],
    "emptied": lambda file, _: file.write_bytes(b""),
    "deleted": lambda file, _: file.unlink(),
    "a folder": lambda file, _: [file.unlink(), file.mkdir()],
    "a device": lambda file, _: [file.unlink(), file.symlink_to("/dev/zero")],
    "a pipe": lambda file, _: [file.unlink(), os.mkfifo(file)],
}


def mutate(content, rng):
    """Return bytes after one or two flips, cuts, insertions, replacements or exchanges."""
    for _ in range(rng.choice([1, 1, 1, 2])):
        i, j = sorted(rng.randrange(len(content) + 1) for _ in range(2))
        flipped = bytes(byte ^ 1 << rng.randrange(8) for byte in content[i : i + 1])
        nasty = rng.choice(NASTY).encode(errors="surrogatepass")
        piece = rng.choice([flipped, flipped, nasty, rng.randbytes(rng.randint(1, 64)), bytes(64), b"", content[j:]])
        end = rng.choice([i, i + len(piece), i + len(piece), i + len(piece), j, len(content)])
        content = content[:i] + piece + content[end:]
    return content


def mutate_file(files, rng):
    """Damage one of some files: its bytes, or the file as a whole. Return which, and how."""
    file, other = rng.choice(files), rng.choice(files)
    if rng.random() < 0.12 and file != other:
        how = rng.choice(list(WHOLE))
        WHOLE[how](file, other)
        return f"{file.name} {how} ({other.name})"
    file.write_bytes(mutate(file.read_bytes(), rng))
    return f"{file.name} changed"


TARGETS = {  # how a valid input is made, the operations that read it, and whether a checksum forbids another answer
    "bank": (t.make_bank, t.BANK | {"open": lambda folder: t.content(t.toy(folder))}, True),
    "large bank": (t.make_bank, {name: t.as_large(read) for name, read in t.BANK.items()}, True),
    "cache": (t.make_cache, {kind: t.cached(kind) for kind in ("image", "text")}, True),
    "unfinished build": (t.make_staging, {"bank.building": t.stream}, True),
    "files": (t.make_files, t.FILES, False),
}


@pytest.fixture(scope="module", params=TARGETS)
def bench(request, tmp_path_factory, tiny):
    """The name of a target, the folder with its valid input, and the right answers as they become known."""
    t.ENCODERS |= dict(zip(("image", "text"), tiny, strict=True))
    folder = tmp_path_factory.mktemp("fuzz")
    t.made(folder, TARGETS[request.param][0])
    return request.param, folder, {}


@pytest.mark.parametrize("number", range(CASES))
def test_damaged_input_is_refused_or_gives_the_same_answer(bench, number):
    name, folder, right = bench
    _, reads, sealed = TARGETS[name]
    rng = random.Random(f"{SEED} {name} {number}")
    operation = rng.choice(list(reads))
    if operation not in right:
        right[operation], fault = t.in_child(reads[operation], t.fresh(folder), outcome=folder / "outcome")
        assert fault is None and right[operation] != "refused", f"{operation}, undamaged: {fault}"
    case = t.fresh(folder)
    within = case / operation if (case / operation).is_dir() else case
    how = mutate_file(sorted(f for f in within.rglob("*") if f.is_file() and f.suffix != ".lock"), rng)
    answer, fault = t.in_child(reads[operation], case, outcome=folder / "outcome")
    assert fault is None, f"{operation}, {how}: {fault}"
    same = answer == "refused" or not sealed or repr(answer) == repr(right[operation])
    assert same, f"{operation}, {how}: another answer"
