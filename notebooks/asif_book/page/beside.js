// Files beside the page, each loaded once, when it is first asked for: ONNX Runtime and the two encoders.
/** An asynchronous function that works once; after a failure it works again. `ready` says that it has. */
function once(work) {
  let coming = null;
  const call = () => (coming ??= work().then((made) => {
    call.ready = true;
    return made;
  }, (error) => {
    coming = null;
    throw error;
  }));
  return Object.assign(call, { ready: false });
}

/** How many MB of these files have come, of how many; who tells it. */
const sizes = bank.encoder.mb ?? {}, coming = { here: 0, all: Object.values(sizes).reduce((sum, mb) => sum + mb, 0), tell: () => {} };

/** What a script beside the page leaves under a global name. */
function script(file, name) {
  return new Promise((done, failed) => {
    const made = element("script", { src: encodeURIComponent(file) });
    const fail = (why) => failed(new Error(`the file ${file} is ${why}make the page again with “asif page”`));
    made.addEventListener("load", () => {
      coming.here += sizes[file] ?? 0;
      coming.tell();
    });
    made.addEventListener("load", () => (globalThis[name] ? done(globalThis[name]) : fail("damaged; ")));
    made.addEventListener("error", () => fail("not beside this page; keep it in the same folder, or "));
    document.head.append(made);
  });
}

const gunzipped = (text) => new Response(new Blob([bytesOf(text)]).stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();

const runtime = once(async () => {
  if (typeof WebAssembly === "undefined") throw new Error("WebAssembly is switched off in this browser");
  if (typeof DecompressionStream === "undefined") throw new Error("this browser is too old to unpack it (it has no DecompressionStream)");
  const { module, wasm } = await script(bank.encoder.runtime ?? bank.textEncoder.runtime, "bankRuntime");
  const mjs = URL.createObjectURL(new Blob([module], { type: "text/javascript" }));
  Object.assign(ort.env.wasm, { numThreads: 1, wasmBinary: await gunzipped(wasm), wasmPaths: { mjs } });
  return ort;
});

/** A model out of its file: from tensors, in the order of its inputs, to its one output. */
async function computing(packed) {
  const ort = await runtime(), session = await ort.InferenceSession.create(new Uint8Array(await gunzipped(packed)), { executionProviders: ["wasm"] });
  return async (...tensors) => {
    const inputs = Object.fromEntries(session.inputNames.map((name, i) => [name, new ort.Tensor(...tensors[i])]));
    return (await session.run(inputs))[session.outputNames[0]].data;
  };
}
