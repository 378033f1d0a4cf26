// Before JupyterLite's worker, in which Python runs: the page learns that Python cannot start (head.html). Pyodide itself
// waits for ever after a fetch that failed.
const fetched = self.fetch, stopped = error => { postMessage({stopped: `${error}`}); throw error; };
self.fetch = (...asked) => fetched(...asked).catch(stopped);
addEventListener("unhandledrejection", ({reason}) => postMessage({stopped: `${reason}`}));
