// Before JupyterLite's own service worker: each file of the edition is compared with its SHA-256, and kept, so that a
// second visit needs no network. A file with a packed copy beside it travels packed.
const FILES = {{ files | tojson }};  // path below this folder → [SHA-256, whether FILE.gz is there]
const HOME = new URL("./", self.location).href, KEPT = `asif ${HOME} `, NAME = KEPT + "{{ version }}";
const PATIENCE = 60_000;  // milliseconds without a word of a server or a tab

self.addEventListener("activate", event => event.waitUntil(forgetOthers()));
self.addEventListener("fetch", event => {
  const path = event.request.url.split(/[?#]/)[0].slice(HOME.length).replace(/(^|\/)$/, "$1index.html");
  const answer = event.request.method === "GET" && event.request.url.startsWith(HOME) && path in FILES
    ? verified(path, event.request.mode === "navigate") : event.request.url === `${HOME}api/drive` ? answered(event) : null;
  if (answer) {
    event.stopImmediatePropagation();
    event.respondWith(answer);
  }
});

// Python's questions about the reader's files go to every open tab, and JupyterLite takes the next answer of any tab, which
// may belong to an earlier question. Here a question has a number and its own tab (head.html), and is asked until heard.
const tabs = new BroadcastChannel("/api/drive.v1"), waiting = new Map();  // number → what takes the answer
tabs.onmessage = ({data}) => waiting.get(data?.number)?.(data);

async function answered({clientId, request}) {
  const client = await clients.get(clientId), number = crypto.randomUUID();
  const tab = client && new URL(client.url).searchParams.get("tab");
  const question = {...await request.json(), receiver: "broadcast.ts", number, tab};
  const ask = () => tabs.postMessage(question), again = setInterval(ask, 2000);
  const {answer = null, failed} = await new Promise(resolve => {
    waiting.set(number, resolve);
    ask();
    setTimeout(resolve, PATIENCE, {failed: true});
  });
  clearInterval(again);
  waiting.delete(number);
  return new Response(JSON.stringify(answer), {status: failed ? 500 : 200});  // Python raises an OSError of a 500
}

async function forgetOthers() {
  const names = await caches.keys();
  await Promise.all(names.filter(name => name.startsWith(KEPT) && name !== NAME).map(name => caches.delete(name)));
}

async function spoken(address) {  // a fetch that is over when the server falls silent
  const stop = new AbortController();
  let limit;
  const wait = () => { clearTimeout(limit); limit = setTimeout(() => stop.abort(), PATIENCE); };
  wait();
  const answer = await fetch(address, {cache: "no-cache", signal: stop.signal});
  const heard = new TransformStream({
    transform(bytes, out) { wait(); out.enqueue(bytes); },
    flush() { clearTimeout(limit); }
  });
  return new Response(answer.body.pipeThrough(heard), answer);
}

async function verified(path, opened) {
  const cache = await caches.open(NAME), kept = await cache.match(HOME + path);
  if (kept) return kept;
  const [digest, packed] = FILES[path], answer = await spoken(HOME + path + (packed ? ".gz" : ""));
  let bytes = null;
  try {
    const body = packed ? answer.body.pipeThrough(new DecompressionStream("gzip")) : answer.body;
    bytes = await new Response(body).arrayBuffer();
  } catch (error) { /* cut on its way */ }
  const found = bytes && new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  if (!found || Array.from(found, byte => byte.toString(16).padStart(2, "0")).join("") !== digest) {
    const why = `${HOME}?damaged=${encodeURIComponent(path)}`;  // the first page says why a chapter does not open
    if (opened && path !== "index.html") return Response.redirect(why);
    if (answer.ok && !path.startsWith("static/parts/"))
      for (const client of await clients.matchAll({type: "window"})) client.postMessage({why});
    return new Response(null, {status: 502, statusText: `${path} did not arrive whole`});
  }
  const types = {js: "text/javascript", mjs: "text/javascript", wasm: "application/wasm", json: "application/json",
    html: "text/html", css: "text/css", svg: "image/svg+xml", webmanifest: "application/json"};
  const type = types[path.split(".").pop()] || answer.headers.get("Content-Type") || "application/octet-stream";
  const response = new Response(bytes, {headers: {"Content-Type": type, "Content-Length": bytes.byteLength}});
  await cache.put(HOME + path, response.clone()).catch(() => null);  // a full disk
  return response;
}

