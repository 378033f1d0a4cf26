// Pictures from files or a webcam, each sent as a message of its own: {kind: "picture", name} with the bytes as its
// buffer. {kind: "end", words} closes a batch; the words say what this page left out or changed.
const MOST_FILES = 20;
const MOST_BYTES = 8_000_000; // a notebook server closes the connection at 10 MB
const LONGEST_SIDE = 2048;

function element(tag, text = "", attributes = {}) {
  const made = document.createElement(tag);
  made.textContent = text;
  return Object.assign(made, attributes);
}

async function jpeg(source, width, height) {
  const scale = Math.min(1, LONGEST_SIDE / Math.max(width, height));
  const canvas = element("canvas");
  canvas.width = Math.max(1, Math.round(width * scale));
  canvas.height = Math.max(1, Math.round(height * scale));
  const pen = canvas.getContext("2d");
  pen.fillStyle = "white"; // below transparent pixels, as the library does
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.drawImage(source, 0, 0, canvas.width, canvas.height);
  return new Promise((done) => canvas.toBlob(done, "image/jpeg", 0.92));
}

async function shrunk(file) {
  const bitmap = await createImageBitmap(file); // upright, by the file's EXIF orientation
  const blob = await jpeg(bitmap, bitmap.width, bitmap.height);
  bitmap.close();
  return blob;
}

function render({ model, el }) {
  const label = element("label", "Your pictures ");
  const input = element("input", "", { type: "file", multiple: true, accept: "image/*" });
  const open = element("button", "Open the webcam", { type: "button", hidden: true });
  const video = element("video", "", { muted: true, autoplay: true, playsInline: true, hidden: true });
  const take = element("button", "Take a picture", { type: "button", hidden: true });
  const close = element("button", "Close the webcam", { type: "button", hidden: true });
  const camera = element("p");
  const status = element("div");
  el.classList.add("asif-controls");
  el.dataset.lmSuppressShortcuts = "true";
  video.setAttribute("aria-label", "What the webcam sees");
  status.setAttribute("role", "status");
  label.append(input);
  el.append(label, open, video, take, close, camera, status);

  let stream = null;
  let taken = 0;
  let removed = false;
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

  function showCamera(on) {
    [video, take, close].forEach((part) => (part.hidden = !on));
    open.hidden = on;
  }

  function stop() {
    stream?.getTracks().forEach((track) => track.stop());
    stream = null;
    video.srcObject = null;
  }

  open.addEventListener("click", async () => {
    open.disabled = true; // a second click would start a second stream that nobody stops
    try {
      stream = await navigator.mediaDevices.getUserMedia({ video: true });
    } catch (error) {
      camera.textContent =
        error.name === "NotAllowedError"
          ? "The webcam may not be used: allow it for this page in the browser's settings, or choose a file."
          : `The webcam does not start (${error.message}). Choose a file instead.`;
      return;
    } finally {
      open.disabled = false;
    }
    if (removed) return stop();
    camera.textContent = "";
    video.srcObject = stream;
    showCamera(true);
    take.focus();
  });

  take.addEventListener("click", () => {
    const name = `webcam picture ${++taken}`;
    enqueue(async () => {
      const words = [];
      if (!video.videoWidth) words.push("✘ The webcam shows no picture yet; wait a moment and try again.");
      else await send(name, await jpeg(video, video.videoWidth, video.videoHeight));
      model.send({ kind: "end", words });
    });
  });

  close.addEventListener("click", () => {
    stop();
    showCamera(false);
    open.focus();
  });

  async function lookForCamera() {
    const devices = (await navigator.mediaDevices?.enumerateDevices?.().catch(() => [])) ?? [];
    const found = navigator.mediaDevices?.getUserMedia && devices.some((device) => device.kind === "videoinput");
    open.hidden = !found;
    camera.textContent = found ? "" : "This browser offers no webcam to this page. Choose files instead.";
  }

  model.on("change:words", sayModel);
  sayModel();
  lookForCamera();
  return () => {
    removed = true;
    stop();
    model.off("change:words", sayModel);
  };
}

export default { render };
