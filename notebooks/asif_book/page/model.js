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

/** The sum of the products of two rows from `first` to `last`: four sums, since a processor adds to one while it waits for another. */
function dot(one, other, first = 0, last = one.length) {
  let i = first, a = 0, b = 0, c = 0, d = 0;
  for (; i + 3 < last; i += 4) {
    a += one[i] * other[i];
    b += one[i + 1] * other[i + 1];
    c += one[i + 2] * other[i + 2];
    d += one[i + 3] * other[i + 3];
  }
  for (; i < last; i++) a += one[i] * other[i];
  return a + b + (c + d);
}

/** What the work of a generator returns, at once. It yields often, so that the page can also do it in steps. */
function drained(work) {
  let step = work.next();
  while (!step.done) step = work.next();
  return step.value;
}

/** The columns of L⁻¹, with A = L Lᵀ a positive matrix (n, n) in rows: so that A⁻¹ = L⁻ᵀ L⁻¹. */
function* factor(rows) {
  const n = rows.length, lower = rows.map(() => new Float64Array(n)), columns = rows.map(() => new Float64Array(n));
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < i; j++) lower[i][j] = (rows[i][j] - dot(lower[i], lower[j], 0, j)) / lower[j][j];
    lower[i][i] = Math.sqrt(rows[i][i] - dot(lower[i], lower[i], 0, i));
    yield;
  }
  for (let j = 0; j < n; j++) {
    columns[j][j] = 1 / lower[j][j];
    for (let i = j + 1; i < n; i++) columns[j][i] = -dot(lower[i], columns[j], j, i) / lower[i][i];
    yield;
  }
  return columns;
}

/** Whitening of d dimensions over the `cosines` (n, n) of the anchors, as the library whitens vectors.
 *  With U the rows of length 1, V = U − their mean, c = (1 − shrinkage) / n and f = shrinkage · trace(VᵀV) / (n d), the
 *  shrunk covariance is c VᵀV + f. Its inverse is (1 − c Vᵀ A⁻¹ V) / f, with A = c V Vᵀ + f of n rows. So all whitened
 *  products, here times f, follow from cosines. */
class Whitening {
  static* over(cosines, shrinkage, d) {
    const n = cosines.length, mean = (row) => row.reduce((sum, value) => sum + value, 0) / n;
    const means = cosines.map(mean), all = mean(means), share = (1 - shrinkage) / n;
    const trace = cosines.reduce((sum, row, a) => sum + row[a] - all, 0), floor = Math.max(shrinkage * trace / n / d, 1e-30);
    const columns = yield* factor(cosines.map((row, a) => row.map((value, b) => share * (value - means[a] - means[b] + all) + (a === b ? floor : 0))));
    const made = Object.assign(new Whitening(), { cosines, share, columns });
    const h = means.map((value) => value - all), g = made.solved(h), rest = all - share * dot(h, g);
    const inverse = (a) => dot(columns[a], columns[a], a);
    const length = (a) => rest + floor * ((1 - floor * inverse(a)) / share + 2 * g[a]);
    return Object.assign(made, { scale: cosines.map((_, a) => reciprocal(length(a), 1)) });
  }

  /** A⁻¹ t. */
  solved(t) {
    const half = new Float64Array(t.length);
    this.columns.forEach((column, k) => { for (let i = k; i < t.length; i++) half[i] += column[i] * t[k]; });
    return this.columns.map((column, k) => dot(column, half, k));
  }

  /** The whitened cosines of a question that has these cosines, (n). */
  of(cosines) {
    const mean = cosines.reduce((sum, value) => sum + value, 0) / cosines.length, t = cosines.map((value) => value - mean);
    const y = this.solved(t), size = reciprocal(1 - this.share * dot(t, y), 1);
    return cosines.map((value, a) => (value - this.share * dot(this.cosines[a], y)) * size * this.scale[a]);
  }
}

/** 1 / √value, or 0 for what is 0 but for the rounding of its `parts`: a vector without a direction has no cosine. */
const reciprocal = (value, parts) => (value > 1e-10 * parts ? 1 / Math.sqrt(value) : 0);

/** One side of a bank, pictures or captions: n anchors, known by their inner products. */
class Side {
  /** squares (n): a·a. total (n): a·S, with S the sum of all anchors. column(r) (n): the products with anchor r.
   *  If the model does not centre, m stays 0, and so do `total` and columns. */
  constructor(squares, total, column, centred = true) {
    Object.assign(this, { n: squares.length, squares, total, column, centred, rests: new Map() });
  }

  /** The side of embeddings, n rows of d numbers. A column is computed when it is first needed. */
  static of(numbers, d) {
    const known = new Map(), side = new Side([], []), base = Array.from({ length: numbers.length / d }, (_, i) => numbers.subarray(i * d, i * d + d));
    side.products = (x) => Float64Array.from(side.rows, (row) => dot(row, x));
    side.column = (r) => {
      if (!known.has(r)) known.set(r, Float64Array.from(side.rows, (row, i) => known.get(i)?.[r] ?? dot(row, side.rows[r])));
      return known.get(r);
    };
    /** Let these rows, and no earlier ones but the bank's own, be the anchors n, n + 1, … */
    side.extend = (added) => {
      side.rows = [...base, ...added];
      side.n = side.rows.length;
      side.squares = Float64Array.from(side.rows, (row) => dot(row, row));
      const sum = new Float64Array(d);
      for (const row of side.rows) for (let j = 0; j < d; j++) sum[j] += row[j];
      side.total = side.products(sum);
      for (const [r, column] of [...known]) {
        known.delete(r);
        if (r < base.length) known.set(r, Float64Array.of(...column.subarray(0, base.length), ...added.map((row) => dot(row, base[r]))));
      }
      side.rests.clear();
    };
    side.extend([]);
    return Object.assign(side, { d });
  }

  /** What all questions to the anchors that stay share: a·m for each anchor (n), m·m, 1 / |a − m|, and where it is on, whitening. */
  * without(gone, whiten = 1) {
    const key = [whiten, ...[...gone].sort((a, b) => a - b)].join();
    if (this.rests.has(key)) return this.rests.get(key);
    const here = [...this.total.keys()].filter((a) => !gone.has(a)), left = here.length, few = this.rows && left < gone.size;
    let means = few ? new Float64Array(this.n) : Float64Array.from(this.total);  // from the columns of the fewer anchors
    for (const r of few ? here : gone) {
      this.column(r).forEach((product, a) => { means[a] += few ? product : -product; });
      yield;
    }
    means = means.map((mean) => mean / (left || 1));
    const square = here.reduce((sum, a) => sum + means[a] / left, 0);
    const scale = means.map((mean, a) => reciprocal(this.squares[a] - 2 * mean + square, this.squares[a] + square));
    const rest = { here, left, means, square, scale };
    if (whiten < 1 && left) {  // whitening with 1 changes no cosine
      const cosines = [];
      for (const a of here) {
        const column = this.column(a);
        cosines.push(Float64Array.from(here, (b) => (column[b] - means[a] - means[b] + square) * scale[a] * scale[b]));
        yield;
      }
      rest.whitening = yield* Whitening.over(cosines, whiten, this.d);
    }
    if (this.rests.size > 7) this.rests.delete(this.rests.keys().next().value);
    this.rests.set(key, rest);
    return rest;
  }

  /** The sparse vector of a question: its k largest cosines with the anchors that stay, to the power p, of length 1.
   *  `inner` (n): the products of the question with the anchors; `length`: its product with itself. */
  represent(inner, length, { here, left, means, square, scale, whitening }, k, p) {
    const cosines = new Float64Array(this.n), entries = new Float64Array(this.n);
    const own = this.centred ? here.reduce((sum, a) => sum + inner[a] / left, 0) : 0;
    const size = reciprocal(length - 2 * own + square, length + square);
    const plain = here.map((a) => (inner[a] - own - means[a] + square) * size * scale[a]);
    (whitening ? whitening.of(plain) : plain).forEach((cosine, i) => { cosines[here[i]] = Math.fround(cosine); });
    const order = [...here].sort((a, b) => cosines[b] - cosines[a] || a - b), kept = order.slice(0, k);
    const largest = cosines[kept[0]];
    let squares = 0;
    for (const a of kept) {  // negative entries become 0 before the power, which an even p would turn positive
      entries[a] = largest > 0 ? (Math.max(cosines[a], 0) / largest) ** p : 0;
      squares += entries[a] ** 2;
    }
    for (const a of kept) entries[a] /= Math.sqrt(squares) || 1;
    return { cosines, entries, order, threshold: kept.length ? cosines[kept.at(-1)] : 1 };
  }
}

/** Decide between sentences: each question is [inner, length], `picture` one, `sentences` several. `whiten`: the
 *  library's shrinkage, of the pictures, 0 to 1. The page has no switch for the library's `hubs`. */
function* deciding(sides, picture, sentences, gone, k, p, whiten = 1) {
  const images = yield* sides[0].without(gone, whiten), texts = yield* sides[1].without(gone);
  const { left } = images, kept = Math.min(k, left);
  const image = sides[0].represent(...picture, images, kept, p);
  const text = [];
  for (const sentence of sentences) {
    text.push(sides[1].represent(...sentence, texts, kept, p));
    yield;
  }
  const products = text.map(({ entries }) => entries.map((entry, a) => entry * image.entries[a]));
  const scores = products.map((each) => each.reduce((sum, product) => sum + product, 0));
  const best = Math.max(...scores);
  return { left, kept, image, text, products, scores, best: best > 0 ? scores.indexOf(best) : -1 };
}

const decide = (...asked) => drained(deciding(...asked));
