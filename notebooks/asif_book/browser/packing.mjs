// node packing.mjs CORE PARTS CELL SETTINGS: compile the Python files of every part in Pyodide, run the first cell of a
// chapter and an error, and print the names of the modules that it asked for
import {readFileSync} from "fs";
import {pathToFileURL} from "url";

const [core, parts, cell, settings] = process.argv.slice(2);
const {loadPyodide} = await import(pathToFileURL(`${core}/pyodide.mjs`));
const python = await loadPyodide({
  env: {HOME: "/home/pyodide", PYTHONHASHSEED: "0", MPLCONFIGDIR: "/fonts"}
});
python.mountNodeFS("/parts", parts);
python.globals.set("cell", readFileSync(cell, "utf8"));
try {
  console.log(python.runPython(`
import compileall, json, os, py_compile, sys

for part in os.listdir("/parts"):
    folder, own = f"/parts/{part}", part == "asif_workbook"  # whose readable files stay: errors show their lines
    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
    level = 0 if own or part in ("ipython", "numpy") else 2  # 2: without the texts of functions
    compileall.compile_dir(
        folder, quiet=2, legacy=not own, optimize=level, invalidation_mode=mode, stripdir=folder
    )
    for place, _, files in os.walk(folder):
        for file in files:
            if not own and file.endswith(".py") and os.path.exists(f"{place}/{file}c"):
                os.remove(f"{place}/{file}")
    if part != "python":
        sys.path.append(folder)

class Asked:
    names = {*sys.modules}
    find_spec = lambda name, *_: Asked.names.add(name)

sys.meta_path.insert(0, Asked)
import bz2, encodings.cp437, importlib.metadata, shutil, tarfile, tempfile, zipfile  # to unpack the archives
import piplite.piplite
import pyodide_kernel

pyodide_kernel.ipython_shell.send_comm = lambda *_, **__: None
exec(cell, {})
try:  # what shows an error is needed at once, too
    1 / 0
except ZeroDivisionError:
    pyodide_kernel.ipython_shell.showtraceback()
sys.meta_path.remove(Asked)
import matplotlib.font_manager  # writes the list of fonts
shutil.copytree("/fonts", "/parts/matplotlib/${settings}", dirs_exist_ok=True)

json.dumps([*Asked.names])
`));
} catch (error) {
  console.error(`${error.type || error}`);  // without the line of code, which is all of Pyodide
  process.exit(1);
}
