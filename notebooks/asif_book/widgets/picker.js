// Pictures from files, each sent as a message of its own: {kind: "picture", name} with the bytes as its
// buffer. {kind: "end", words} closes a batch; the words say what this page left out or changed.
const MOST_FILES = 20;
const MOST_BYTES = 8_000_000; // a notebook server closes the connection at 10 MB
const LONGEST_SIDE = 2048;

function element(tag, text = "", attributes = {}) {
  const made = document.createElement(tag);
  made.textContent = text;
  return Object.assign(made, attributes);
}

async function shrunk(file) {
  const bitmap = await createImageBitmap(file); // upright, by the file's EXIF orientation
  const scale = Math.min(1, LONGEST_SIDE / Math.max(bitmap.width, bitmap.height));
  const canvas = element("canvas");
  canvas.width = Math.max(1, Math.round(bitmap.width * scale));
  canvas.height = Math.max(1, Math.round(bitmap.height * scale));
  const pen = canvas.getContext("2d");
  pen.fillStyle = "white"; // below transparent pixels, as the library does
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  return new Promise((done) => canvas.toBlob(done, "image/jpeg", 0.92));
}

function render({ model, el }) {
  const label = element("label", "Your pictures ");
  const input = element("input", "", { type: "file", multiple: true, accept: "image/*" });
  const status = element("div");
  el.classList.add("asif-controls");
  el.dataset.lmSuppressShortcuts = "true";
  status.setAttribute("role", "status");
  label.append(input);
  el.append(label, status);

  let queue = Promise.resolve(); // one batch after another

  const say = (words) => status.replaceChildren(...words.map((sentence) => element("p", sentence)));
  const sayModel = () => say(model.get("words"));

  const enqueue = (batch) => {
    queue = queue.then(batch).catch((error) => say([`✘ The picture cannot be sent (${error.message}).`]));
  };

  async function send(name, blob) {
    model.send({ kind: "picture", name }, undefined, [await blob.arrayBuffer()]);
  }

  async function sendFile(file, words) {
    if (file.size <= MOST_BYTES) return send(file.name, file);
    let blob;
    try {
      blob = await shrunk(file);
    } catch {
      words.push(`✘ ${file.name}: is over 8 MB and is no picture that this browser can read; save a smaller copy.`);
      return;
    }
    words.push(`${file.name} is over 8 MB, so it was shrunk to at most ${LONGEST_SIDE} pixels a side.`);
    return send(file.name, blob);
  }

  async function sendFiles(files) {
    const some = files.slice(0, MOST_FILES);
    const words = [];
    say([`Sending ${some.length === 1 ? "1 picture" : `${some.length} files`} …`]);
    if (files.length > some.length) {
      const left = files.length - some.length;
      words.push(`✘ ${MOST_FILES} files are taken at a time. ${left} of ${files.length} were left out: choose them next.`);
    }
    for (const file of some) {
      try {
        await sendFile(file, words);
      } catch (error) {
        words.push(`✘ ${file.name}: cannot be sent (${error.message}).`);
      }
    }
    model.send({ kind: "end", words });
  }

  input.addEventListener("change", () => {
    const files = [...input.files];
    input.value = ""; // so that the same file can be chosen again
    if (files.length) enqueue(() => sendFiles(files));
  });

  model.on("change:words", sayModel);
  sayModel();
  return () => model.off("change:words", sayModel);
}

export default { render };
