// Teach it: a picture of the reader's own and its word become an anchor behind the bank's own, and this browser keeps it.
const WHITEN = 0.8;  // a good start for pictures of another kind than the bank's, as the library says
const scales = [bank.scale, bank.textEncoder.scale], [head, tail] = bank.template.split("{}");
let taught = [];  // { id, caption, thumbnail, image, text }: anchors base, base + 1, …, with embeddings as the encoders give them
const discs = new Map(), MOST = 500, SIDES = ["image", "text"];
let kept = new Set(), aside = [];  // the ids of `taught` that the store holds; the keys of its entries that are no pair of this page

/** Changes of `taught` happen one after the other: each sees what the one before has left. */
let turn = Promise.resolve();
const inTurn = (work) => (turn = turn.then(() => work(), () => work()));

/** Whether an embedding may have this largest number: the bounds of the library. Not if it is no number. */
const usable = (largest) => largest >= 2 ** -100 && largest <= 2 ** 20;

/** Whether this is a pair of this page. An entry of the store, of a file or of an address may be anything. */
const sound = (pair) => [["id", LONGEST], ["caption", LONGEST], ["thumbnail", 1e5]].every(([key, most]) => typeof pair?.[key] === "string" && pair[key].trim() && pair[key].length <= most)
  && SIDES.map((side) => pair[side]).every((z, i) => z instanceof Float32Array && z.length === bank.dimensions[i] && usable(Math.max(...z.map(Math.abs))));

/** Call a method of the store in this browser, once for each value, all or nothing. */
async function stored(method, ...calls) {
  const ended = (request, good, bad) => new Promise((done, failed) => {
    Object.assign(request, { [good]: done, [bad]: () => failed(request.error ?? new Error("it refuses")) });
  });
  const opening = indexedDB.open(`walk-the-bank-${bank.digest}`);
  opening.onupgradeneeded = () => opening.result.createObjectStore("pairs", { keyPath: "id" });
  await ended(opening, "onsuccess", "onerror");
  const work = opening.result.transaction("pairs", "readwrite"), requests = calls.map((call) => work.objectStore("pairs")[method](...call));
  await ended(work, "oncomplete", "onabort").finally(() => opening.result.close());
  return requests[0].result;
}

/** Put pairs into the store, or delete keys, and tell the other tabs; a sentence where the browser does not keep it. */
const keep = (method, ...those) => stored(method, ...those.map((one) => [one])).then(() => {
  for (const one of those) kept[method === "put" ? "add" : "delete"](one.id ?? one);
  tabs.postMessage("changed");
  return "";
}, (error) => `This browser cannot keep it (${error.message}): save your anchors as a file before you close the page.`);

/** Learn what the store holds, and unlearn what it held; a change of the state, or null. Here and in all that changes `taught`,
 *  a pair that another tab put meanwhile stays: only keys that were read before are deleted. */
async function reread() {
  const keys = await stored("getAllKeys", []), pairs = (await stored("getAll", [])).filter(sound).slice(0, MOST), ids = new Set(pairs.map(({ id }) => id));
  const gone = taught.filter(({ id }) => kept.has(id) && !ids.has(id)), more = pairs.filter(({ id }) => !taught.some((pair) => pair.id === id));
  [kept, aside] = [ids, keys.filter((key) => !ids.has(key))];
  return gone.length || more.length ? learn(more, gone) : null;
}

const tabs = new BroadcastChannel(`walk-the-bank-${bank.digest}`);  // the tabs of this page
tabs.addEventListener("message", () => inTurn(async () => {
  const change = await reread();
  if (!change) return;
  Object.assign(state, change);
  if (now) await update({}, { again: true });
  tell("Another tab changed your anchors, and this one follows.");
}).catch(() => {}));

/** A thumbnail as a round canvas; one that is no picture stays empty. */
async function disc({ thumbnail }) {
  const { tile } = bank, canvas = element("canvas", { width: tile, height: tile }), pen = canvas.getContext("2d"), picture = new Image();
  pen.arc(tile / 2, tile / 2, tile / 2, 0, 7);
  pen.clip();
  if (/^data:image\/(webp|jpeg|png);base64,/.test(thumbnail)) picture.src = thumbnail;
  await picture.decode().then(() => pen.drawImage(picture, 0, 0, tile, tile), () => {});
  return canvas;
}

/** The word of a caption in the template; of another, all of it. */
const wordIn = (text) => (text.startsWith(head) && text.endsWith(tail) ? text.slice(head.length, -tail.length || undefined) : text);

/** Add pairs behind the bank's own anchors, and take others away; those that stay are in or out as they were. */
async function learn(added, gone = []) {
  await Promise.all(added.map(async (pair) => discs.set(pair.id, await disc(pair))));
  const next = [...taught, ...added].filter((pair, i, all) => !gone.includes(pair) && all.findIndex(({ id }) => id === pair.id) === i), sent = await parcelOf(next);
  const name = (a) => taught[a - base]?.id ?? a, out = new Set([...state.gone].map(name)), scaled = (pair, i) => pair[SIDES[i]].map((value) => value * scales[i]);
  [taught, parcel] = [next, sent];
  bank.captions.splice(base, Infinity, ...taught.map(({ caption }) => caption));
  thumbs.added = new Map(taught.map(({ id }, i) => [base + i, discs.get(id)]));
  regrow(taught.map((pair) => [scaled(pair, 0), scaled(pair, 1)]));
  for (const pair of added) if (placeOf(wordIn(pair.caption)) < 0) addWord(wordIn(pair.caption), scaled(pair, 1));
  return { gone: new Set([...bank.captions.keys()].filter((a) => out.has(name(a)))), game: null };
}

const tell = (...sentences) => find("teach-says").replaceChildren(sentenceOf(sentences.filter(Boolean).join(" ")));

/** The own picture that is asked, and the word that is written, become an anchor. */
const teach = () => inTurn(async () => {
  const word = await wordFor(find("teach-word").value, tryTeaching);
  if (word === null) return;
  trouble();
  if (state.question >= 0) throw new Error("choose or draw a picture of your own first");
  const caption = head + bank.words[word] + tail;
  const image = state.own.z.map((value) => value / scales[0]);
  if (taught.some((pair) => pair.caption === caption && pair.image.every((value, i) => value === image[i]))) return;  // Enter was pressed twice
  if (caption.length > LONGEST) throw new Error(`its caption has ${caption.length} characters; write a shorter one`);  // no file could bring it back
  if (taught.length >= MOST) throw new Error(`the page holds ${MOST} anchors of your own; forget one first`);
  await find("picture").decode().catch(() => {});
  const canvas = element("canvas", { width: bank.tile, height: bank.tile }), picture = find("picture"), { naturalWidth: w, naturalHeight: h } = picture;
  const side = Math.min(w, h);
  canvas.getContext("2d").drawImage(picture, (w - side) / 2, (h - side) / 2, side, side, 0, 0, bank.tile, bank.tile);
  const pair = {
    id: `own-${Date.now().toString(36)}-${Math.random().toString(36).slice(2, 8)}`, caption, thumbnail: canvas.toDataURL("image/webp", 0.8),
    image, text: prompts[word].map((value) => value / scales[1]),
  };
  Object.assign(state, await learn([pair]));
  find("scales").scrollIntoView({ block: "nearest", behavior: calm.matches ? "instant" : "smooth" });  // on a phone it is below
  const refused = await keep("put", pair), other = (words) => words.find((each) => each !== word);
  await update({ words: [word, other(state.alone && !lacking() ? await labels(state) : []) ?? other(state.words)] }, { again: true });
  find("own-says").textContent = "";  // it told of the answer before
  const slab = document.querySelector(`.slab[data-anchor="${bank.captions.length - 1}"]`), times = taught.filter((each) => each.caption === caption).length;
  if (!calm.matches) slab?.animate([{ transform: "translateY(-15rem)" }, {}], { duration: 450, easing: "ease-in" });
  tell(`It learned ${quoted(bank.words[word])} from ${pictures(times)}. Nothing was trained: it is anchor ${taught.length} of your own. ${lacking() || "Now draw another."}`, refused);
});

const tryTeaching = () => teach().catch((error) => tell(`It is not taught: ${error.message}.`));

/** Forget these pairs, here and in the store, and delete entries of other keys. */
const forget = (pairs, others = []) => inTurn(async () => {
  aside = aside.filter((key) => !others.includes(key));
  const change = await learn([], pairs);
  if (!taught.length) state.send = false;  // who agreed to send these did not agree to send the next
  if (others.length) trouble();
  await update(change, { again: true });
  if (state.question < 0) await askOwn(state.own);  // its best words are others now
  find("teach-word").focus({ preventScroll: true });
  tell(taught.length ? "It is forgotten." : "All your anchors are forgotten.", await keep("delete", ...pairs.map(({ id }) => id), ...others));
});

const digest = async (...parts) => [...new Uint8Array(await crypto.subtle.digest("SHA-256", await new Blob(parts).arrayBuffer()))].map((byte) => byte.toString(16).padStart(2, "0")).join("");

/** All pairs in one file, as `asif bank import` reads it: safetensors. */
async function exported() {
  const column = (key) => taught.map((pair) => pair[key]), matrices = SIDES.map((side) => Float32Array.from(column(side).flatMap((z) => [...z])));
  const content = JSON.stringify({ image_encoder: bank.encoders[0], text_encoder: bank.encoders[1], ids: column("id"), captions: column("caption"), thumbnails: column("thumbnail") });
  const ends = [0, matrices[0].byteLength, matrices[0].byteLength + matrices[1].byteLength];
  const about = { __metadata__: { taught: content, sha256: await digest(content, ...matrices) } };
  SIDES.forEach((side, i) => { about[side] = { dtype: "F32", shape: [taught.length, bank.dimensions[i]], data_offsets: [ends[i], ends[i + 1]] }; });
  const header = new TextEncoder().encode(JSON.stringify(about)), pad = " ".repeat(-header.length & 7);
  return new Blob([BigUint64Array.of(BigInt(header.length + pad.length)), header, pad, ...matrices]);
}

/** The pairs of such a file; throws in words. */
async function imported(file) {
  if (file.size > 2 ** 27) throw new Error("it is larger than 128 MB");
  const bytes = await file.arrayBuffer(), length = bytes.byteLength > 8 ? Number(new DataView(bytes).getBigUint64(0, true)) : Infinity;
  let about, content, ids;
  try {
    about = JSON.parse(new TextDecoder().decode(bytes.slice(8, 8 + length))).__metadata__;
    content = JSON.parse(about.taught);
    ids = [...new Set(content.ids)];
  } catch { throw new Error("it is no file that a page exported, or it is cut off"); }
  const body = bytes.slice(8 + length), { captions, thumbnails } = content;
  if (about.sha256 !== await digest(about.taught, body)) throw new Error("it is damaged: its checksum differs");
  const same = ({ kind, checksum, preprocessing, dim } = {}) => JSON.stringify([kind, checksum, preprocessing, dim]);
  if (SIDES.some((side, i) => same(content[`${side}_encoder`]) !== same(bank.encoders[i]))) throw new Error("other encoders made its embeddings");
  const [d, e] = bank.dimensions, n = ids.length, numbers = new Float32Array(body), row = (at, size) => numbers.slice(at, at + size);
  const pairs = ids.map((id, i) => ({ id, caption: captions?.[i], thumbnail: thumbnails?.[i], image: row(i * d, d), text: row(n * d + i * e, e) }));
  if ([content.ids, captions, thumbnails].some((column) => column?.length !== n) || numbers.length !== n * (d + e) || !pairs.every(sound)) throw new Error("its counts or numbers are wrong");
  return pairs;
}

/** A file becomes anchors, besides those that are here; or a sentence. */
const readBack = (file) => inTurn(async () => {
  try {
    const pairs = await imported(file), here = new Set(taught.map(({ id }) => id)), more = pairs.filter(({ id }) => !here.has(id)), lost = pairs.filter(({ id }) => !kept.has(id));
    if (taught.length + more.length > MOST) throw new Error(`with it there would be ${taught.length + more.length} anchors of your own, and the page holds ${MOST}`);
    await update(await learn(more), { again: true });
    tell(`${quoted(file.name)} brought ${more.length} anchors that were not here.`, lost.length && await keep("put", ...lost));
  } catch (error) {
    tell(`${quoted(file.name)} is not read: ${error.message}. Nothing is changed.`);
  }
});

/** At the start: the pairs that this browser keeps. Return a sentence if it holds anything else. */
async function restore() {
  try {
    await inTurn(reread);
  } catch (error) {
    return `This browser’s store cannot be read (${error.message}), so the page begins without the anchors that you taught it here.`;
  }
  const one = aside.length === 1;
  return aside.length ? `This browser’s store holds ${aside.length} ${one ? "entry that is" : "entries that are"} damaged, or from elsewhere: ${one ? "it is" : "they are"} set aside, and “Forget all” deletes ${one ? "it" : "them"}.` : "";
}

/** What the address holds of the reader's own anchors, before it is sent. */
function shared() {
  const inside = parcel.pairs.length, left = taught.length - inside, are = (n) => (n === 1 ? "1 taught anchor is" : `${n} taught anchors are`);
  if (parcel.full) return `None of ${taught.length} taught anchors is in the address, which holds ${SENT} of them and ${ROOM.toLocaleString("en")} characters at most.`;
  const held = inside && `${are(inside)} in the address, with small pictures, in ${Math.ceil(parcel.text.length / 1000)},000 characters`;
  return [held, left && `${are(left)} not in the address`].filter(Boolean).join("; ") + (taught.length ? "." : "");
}

showAt("verdict", ({ again }) => {
  find("share-says").textContent = shared();
  find("copy").textContent = "Copy the address";
  if (!again) return;
  find("teach-it").disabled = state.question >= 0;
  for (const [id, there] of [["export", taught.length], ["shown", taught.length], ["forget", taught.length + aside.length]]) find(id).hidden = !there;
  [find("alone").checked, find("whiten").checked, find("send").checked] = [state.alone, state.whiten < 1, state.send];
  find("taught").replaceChildren(...taught.map((pair, i) => {
    const button = element("button", { type: "button", "aria-label": `Forget ${pair.caption}` }, "Forget it");
    button.addEventListener("click", () => forget([pair]));
    return element("li", {}, tile(base + i, 32), element("span", { dir: "auto" }, wordIn(pair.caption)), button);
  }));
});
find("teach-form").addEventListener("submit", (event) => {
  event.preventDefault();
  tryTeaching();
});
find("alone").addEventListener("change", ({ target }) => {
  state.alone = target.checked;
  if (state.question < 0) askOwn(state.own);
  else update({ game: null }, { again: true });
});
find("send").addEventListener("change", ({ target }) => inTurn(async () => {
  state.send = target.checked;
  parcel = await parcelOf(taught);
  update({});
}).catch((error) => trouble(`The address cannot hold your anchors: ${error.message}.`)));
find("copy").addEventListener("click", async ({ target }) => {
  const copied = await navigator.clipboard?.writeText(location.href).then(() => true, () => false);
  target.textContent = copied ? "Copied" : "Copy it out of the browser’s own line";
});
find("whiten").addEventListener("change", ({ target }) => update({ whiten: target.checked ? WHITEN : 1, game: null }, { again: true }));
find("export").addEventListener("click", async () => {
  element("a", { href: URL.createObjectURL(await exported()), download: "taught.safetensors" }).click();
  tell(`Read it here again, or in Python: asif bank import mine taught.safetensors.`);
});
find("import").addEventListener("change", ({ target }) => { if (target.files[0]) readBack(target.files[0]); });
find("forget").addEventListener("click", () => { if (confirm(`Forget all ${taught.length} anchors of your own${aside.length ? `, and ${aside.length} entries that were set aside` : ""}?`)) forget(taught, aside); });
find("teach").hidden = Boolean(bank.encoder.why);
