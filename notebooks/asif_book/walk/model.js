// The method over inner products. With m the mean of the anchors that stay, (x − m)·(a − m) = x·a − x·m − a·m + m·m:
// all that a removal changes follows from products with anchors, so that no bank is built again.
"use strict";

/** Bytes of base64. */
function bytesOf(text) {
  const letters = atob(text), bytes = new Uint8Array(letters.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = letters.charCodeAt(i);
  return bytes;
}

/** The numbers of base64 of float16, as a Float32Array. */
function halves(text) {
  halves.table ??= Float32Array.from({ length: 65536 }, (_, bits) => {
    const e = (bits >> 10) & 31, f = bits & 1023, size = e ? (1 + f / 1024) * 2 ** (e - 15) : f * 2 ** -24;
    return bits >> 15 ? -size : size;
  });
  return new Float32Array(new Uint16Array(bytesOf(text).buffer)).map((bits) => halves.table[bits]);
}

/** One side of a bank, pictures or captions: n anchors, known by their inner products. */
class Side {
  /** squares (n): a·a. total (n): a·S, with S the sum of all anchors. column(r) (n): the products with anchor r.
   *  If the model does not centre, m stays 0, and so do `total` and columns. */
  constructor(squares, total, column, centred = true) {
    Object.assign(this, { n: squares.length, squares, total, column, centred });
  }

  /** The side of embeddings, n rows of d numbers. A column is computed when it is first needed. */
  static of(rows, d) {
    const n = rows.length / d, known = new Map(), row = (i) => rows.subarray(i * d, i * d + d);
    const products = (x) => Float64Array.from({ length: n }, (_, i) => {
      let sum = 0;
      for (let j = 0, at = i * d; j < d; j++, at++) sum += x[j] * rows[at];
      return sum;
    });
    const all = new Float64Array(d);
    for (let i = 0; i < n; i++) for (let j = 0; j < d; j++) all[j] += rows[i * d + j];
    const squares = Float64Array.from({ length: n }, (_, i) => row(i).reduce((sum, v) => sum + v * v, 0));
    const column = (r) => known.get(r) ?? known.set(r, products(row(r))).get(r);
    return Object.assign(new Side(squares, products(all), column), { products });
  }

  /** What all questions to the anchors that stay share: a·m for each anchor (n), and m·m. */
  without(gone) {
    const stays = new Uint8Array(this.n).fill(1), means = Float64Array.from(this.total);
    for (const r of gone) {
      stays[r] = 0;
      this.column(r).forEach((product, a) => { means[a] -= product; });
    }
    const left = this.n - gone.size;
    let square = 0;
    for (let a = 0; a < this.n; a++) {
      means[a] /= left || 1;
      if (stays[a]) square += means[a] / (left || 1);
    }
    return { stays, left, means, square };
  }

  /** The sparse vector of a question: its k largest cosines with the anchors that stay, to the power p, of length 1.
   *  `inner` (n): the products of the question with the anchors; `length`: its product with itself. */
  represent(inner, length, rest, k, p) {
    const { stays, left, means, square } = rest, cosines = new Float64Array(this.n), entries = new Float64Array(this.n);
    let own = 0;
    for (let a = 0; a < this.n; a++) if (stays[a] && this.centred) own += inner[a] / left;
    const root = (value) => Math.sqrt(Math.max(value, 1e-300)), size = root(length - 2 * own + square);
    for (let a = 0; a < this.n; a++) {
      cosines[a] = (inner[a] - own - means[a] + square) / size / root(this.squares[a] - 2 * means[a] + square);
    }
    const order = [...cosines.keys()].filter((a) => stays[a]).sort((a, b) => cosines[b] - cosines[a] || a - b);
    const kept = order.slice(0, k), largest = cosines[kept[0]];
    let squares = 0;
    for (const a of kept) {  // negative entries become 0 before the power, which an even p would turn positive
      entries[a] = largest > 0 ? (Math.max(cosines[a], 0) / largest) ** p : 0;
      squares += entries[a] ** 2;
    }
    for (const a of kept) entries[a] /= Math.sqrt(squares) || 1;
    return { cosines, entries, order, threshold: kept.length ? cosines[kept.at(-1)] : 1 };
  }
}

/** Decide between sentences: each question is [inner, length], `picture` one, `sentences` several. */
function decide(sides, picture, sentences, gone, k, p) {
  const [images, texts] = sides.map((side) => side.without(gone)), left = images.left, kept = Math.min(k, left);
  const image = sides[0].represent(...picture, images, kept, p);
  const text = sentences.map((sentence) => sides[1].represent(...sentence, texts, kept, p));
  const products = text.map(({ entries }) => entries.map((entry, a) => entry * image.entries[a]));
  const scores = products.map((each) => each.reduce((sum, product) => sum + product, 0));
  const best = Math.max(...scores);
  return { left, kept, image, text, products, scores, best: best > 0 ? scores.indexOf(best) : -1 };
}
