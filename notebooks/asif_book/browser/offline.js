// Before JupyterLite's own service worker: each file of the edition is compared with its SHA-256, and kept, so that a
// second visit needs no network. A file with a packed copy beside it travels packed.
const FILES = {{ files | tojson }};  // path below this folder → [SHA-256, whether FILE.gz is there]
const HOME = new URL("./", self.location).href, KEPT = `asif ${HOME} `, NAME = KEPT + "{{ version }}";

self.addEventListener("activate", event => event.waitUntil(forgetOthers()));
self.addEventListener("fetch", event => {
  const path = event.request.url.split(/[?#]/)[0].slice(HOME.length).replace(/(^|\/)$/, "$1index.html");
  if (event.request.method === "GET" && event.request.url.startsWith(HOME) && path in FILES) {
    event.stopImmediatePropagation();
    event.respondWith(verified(path));
  }
});

async function forgetOthers() {
  const names = await caches.keys();
  await Promise.all(names.filter(name => name.startsWith(KEPT) && name !== NAME).map(name => caches.delete(name)));
}

async function verified(path) {
  const cache = await caches.open(NAME), kept = await cache.match(HOME + path);
  if (kept) return kept;
  const [digest, packed] = FILES[path], answer = await fetch(HOME + path + (packed ? ".gz" : ""), {cache: "no-cache"});
  let bytes = null;
  try {
    const body = packed ? answer.body.pipeThrough(new DecompressionStream("gzip")) : answer.body;
    bytes = await new Response(body).arrayBuffer();
  } catch (error) { /* cut on its way */ }
  const found = bytes && new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  if (!found || Array.from(found, byte => byte.toString(16).padStart(2, "0")).join("") !== digest) {
    if (answer.ok && path.startsWith("static/pyodide/"))  // Python will not start: the first page says why
      for (const client of await clients.matchAll({type: "window"}))
        if (client.url.split(/[?#]/)[0] !== HOME) client.navigate(`${HOME}?damaged=${encodeURIComponent(path)}`);
    return new Response(null, {status: 502, statusText: `${path} did not arrive whole`});
  }
  const types = {js: "text/javascript", mjs: "text/javascript", wasm: "application/wasm", json: "application/json",
    html: "text/html", css: "text/css", svg: "image/svg+xml", webmanifest: "application/json"};
  const type = types[path.split(".").pop()] || answer.headers.get("Content-Type") || "application/octet-stream";
  const response = new Response(bytes, {headers: {"Content-Type": type, "Content-Length": bytes.byteLength}});
  await cache.put(HOME + path, response.clone());
  return response;
}

