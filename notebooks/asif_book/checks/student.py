"""The process in which a student's function runs, and the line between it and the check.

    check   ["call", 0, arguments and keywords]
    student ["result", value, changed] or ["raised", name, message, …]

The check hands over arguments and gets plain data back (`plain`); what it compares them with never comes here. A
function in an argument or a result is called over the same line, in the other direction. In a notebook this process is
a fork of the kernel; for marks it is a fresh interpreter with cells of a notebook, which finds the library, and nothing
else of the workbook (`sandbox.fresh`).
"""

import ast
import builtins
import contextlib
import ctypes
import dis
import gc
import inspect
import io
import json
import linecache
import logging
import math
import os
import re
import signal
import socket
import struct
import sys
import textwrap
import traceback
import tracemalloc
import types
import weakref
from symtable import Symbol, symtable
from unittest import mock

import torch
from torch.overrides import TorchFunctionMode

from asif_book.checks.plain import MOST_NUMBERS, from_plain, to_plain
from asif_lib.errors import first_line

MEMORY = 4 << 30
"""Bytes that a student's function may take."""
READABLE = 2_000
"""Characters of what it printed that are kept."""
READ_FILE, READ_FOLDER = 1 << 2, 1 << 3
"""Kinds of access, as Landlock counts them."""
TENSOR_KEYS = "Tensors as dictionary keys are never equal; use .tolist()."


class Stopped(BaseException):
    """Raised inside a function that must end; no `Exception`, so that ``except Exception`` lets it pass."""


class Raised(Exception):
    """An error on the other side of a line: its name, message and line of code, and whether it is that of a stub."""

    def __init__(self, name, message, line, stub):
        super().__init__(message)
        self.name, self.message, self.line, self.stub = name, message, line, stub


def told(error, function=None) -> list:
    """Describe an error as `Raised` takes it; a student's own error may fail even at that."""
    try:
        whole, message = str(error), first_line(error)[:300]
    except BaseException:
        whole = message = "no message"
    if isinstance(error, KeyError) and any(isinstance(key, torch.Tensor) for key in error.args):
        message = f"{message}. {TENSOR_KEYS}"
    file = getattr(getattr(function, "__code__", None), "co_filename", None)
    own = [frame.line for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    # torch raises NotImplementedError as well, with an explanation
    stub = isinstance(error, NotImplementedError) and whole in ("", "your turn")
    return [type(error).__name__, message, (own[-1] or "").strip() if own else "", stub]


class StandIn:
    """Calls a function on the other side of a line; a check may look at what `named` tells of it."""

    def __init__(self, line, place, module="", names=(), parameters=(), doc="", loops=False, hasty=False):
        self.line, self.place = line, place
        self.__module__, self.__doc__, self.loops, self.hasty = module, doc, loops, hasty
        self.__code__ = types.SimpleNamespace(co_names=names, co_varnames=parameters)

    def __call__(self, *arguments, **keywords):
        return self.line.call(self.place, arguments, keywords)

    def peak(self, *arguments):
        """Call the student's function, and return how many bytes it held at most: see `peak_of`."""
        return self.line.call(self.place + 1, arguments, {})


class Line:
    """One end of the line between a check and a student's function: here the student's."""

    caught, most = BaseException, MOST_NUMBERS
    """Of what is called from the other side: the errors that are sent, and how many numbers."""

    def __init__(self, connection=None):
        self.connection, self.lent, self._rest = connection, [], b""

    def send(self, *message):
        self.connection.sendall(json.dumps(message).encode() + b"\n")

    def receive(self) -> list:
        """Wait for the next message."""
        parts = [self._rest]
        while b"\n" not in parts[-1]:
            parts.append(self.read())
        line, _, self._rest = b"".join(parts).partition(b"\n")
        return json.loads(line)

    def read(self) -> bytes:
        """Wait for a part of a message; EOFError if the other side has ended."""
        if part := self.connection.recv(1 << 15):
            return part
        raise EOFError

    def call(self, place, arguments, keywords):
        """Call what the other side lent at this place, and answer its own calls meanwhile."""
        self.send("call", place, self.coded(arguments, keywords))
        while (message := self.receive())[0] == "call":
            self.send(*self.answer(*message[1:]))
        return self.outcome(*message)

    def answer(self, place, coded) -> list:
        """Call a function that was lent, and return the reply."""
        function = self.lent[place]
        try:
            arguments, keywords = from_plain(coded, self.borrowed)
            result = to_plain(function(*arguments, **keywords), self.lent, self.most)
            _, (_, *given), _ = coded
            return ["result", result, any(map(self._changed, arguments, given))]
        except Stopped:
            raise
        except self.caught as error:
            return ["raised", *told(error, function)]

    def outcome(self, kind, *rest):
        """Return the result of a call, or raise its error."""
        if kind == "raised":
            known = {e.__name__: e for e in (ValueError, TypeError, KeyError, IndexError)}
            raise known.get(rest[0], RuntimeError)(rest[1])
        return from_plain(rest[0], self.stand_in)

    def coded(self, *call):
        return to_plain(call, self.lent, math.inf, whole=True)

    def stand_in(self, place):
        return StandIn(self, place)

    borrowed = stand_in
    """What an argument's function is here."""

    def _changed(self, argument, given):
        """Whether a function changed its argument; that it asked for gradients is no change."""
        if not isinstance(given, list) or given[0] not in ("tensor", "array", "list", "dict", "image"):
            return False
        return to_plain(argument.detach() if given[0] == "tensor" else argument, [], math.inf) != given


class Printed(io.TextIOBase):
    """A file that keeps the beginning of what is written to it, and counts the rest; what it keeps it passes on."""

    def __init__(self, pass_on=lambda *state: None):
        self.kept, self.length, self.lines, self._pass_on = "", 0, 0, pass_on

    def write(self, text):
        more = text[: READABLE - len(self.kept)]
        self.become(self.kept + more, self.length + len(text), self.lines + text.count("\n"))
        if more:
            self.pass_on()
        return len(text)

    def become(self, kept, length, lines):
        self.kept, self.length, self.lines = str(kept)[:READABLE], int(length), int(lines)

    def pass_on(self):
        self._pass_on("print", self.kept, self.length, self.lines)

    def __str__(self):
        if self.length <= READABLE:
            return self.kept
        return f"{self.kept}\n… and so on: {self.lines:,} lines, {self.length:,} characters in all."


# How much a function holds at one moment: exercise 04.5

SMALL = 100
"""Entries of a tensor that is not watched, so that a solution which reads entry by entry is not slowed down."""


class Watch(TorchFunctionMode):
    """Notes the most bytes that tensors made inside held at one moment; views of one storage count once."""

    def __init__(self):
        super().__init__()
        self.alive, self.peak = weakref.WeakValueDictionary(), 0

    def __torch_function__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        if isinstance(result, torch.Tensor) and result.numel() < SMALL:
            return result
        made = result if isinstance(result, tuple | list) else [result]
        self.alive.update({id(tensor): tensor for tensor in made if isinstance(tensor, torch.Tensor)})
        storages = [tensor.untyped_storage() for tensor in self.alive.values()]
        self.peak = max(self.peak, sum({storage.data_ptr(): storage.nbytes() for storage in storages}.values()))
        return result


def peak_of(function):
    """Make a function that returns how many bytes another one held at most, in tensors or in arrays and lists."""

    def run(*arguments):
        tracemalloc.start()
        try:
            with Watch() as watch:
                function(*arguments)
            return max(watch.peak, tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()

    return run


# The process


def kernel_stays():
    """In a notebook, `exit` raises nothing and ends the kernel after the cell; inside, let it raise as elsewhere."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if not shell:
        return contextlib.nullcontext()
    return mock.patch.object(shell, "ask_exit", side_effect=SystemExit, create=True)  # a browser's shell has none


def keep_apart():
    """Leave the terminal, the parent's group and its signals, and take at most `MEMORY` more than there is."""
    os.setsid()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the check is interrupted, and ends this process
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)
    logging.disable()  # the kernel's log says that a fork shows no figures
    builtins.input = _nobody
    gc.freeze()  # what was inherited is not this process's to finish
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    torch.set_num_threads(1)  # the threads of the parent are not here
    if not {"sklearn", "faiss"}.isdisjoint(sys.modules):
        from threadpoolctl import threadpool_limits

        threadpool_limits(1)
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        with open("/proc/self/statm") as file:
            now = int(file.read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (now + MEMORY, resource.getrlimit(resource.RLIMIT_AS)[1]))


def landlock() -> int:
    """Return the version of Landlock, by which Linux hides files from a process; without it, 0."""
    return max(_system_call(444, None, 0, 1), 0) if sys.platform == "linux" else 0


def see_only(readable, own):
    """From now on, let this process open no file but those below `readable`, and in the folder `own`.

    It can reach no server, no other process, and start no program. Where there is no `landlock`, nothing is hidden.
    """
    if not (version := landlock()):
        return
    everything = (1 << (13, 14, 15, 15, 16)[min(version, 5) - 1]) - 1  # each version knows more kinds of access
    network, other_processes = 3 * (version >= 4), 3 * (version >= 6)
    rules = _system_call(444, struct.pack("QQQ", everything, network, other_processes), 24, 0)
    for path in filter(os.path.exists, [*readable, own]):
        access = everything if path == own else READ_FILE | READ_FOLDER * os.path.isdir(path)
        place = os.open(path, os.O_PATH)
        _system_call(445, rules, 1, struct.pack("=Qi", access, place), 0)
        os.close(place)
    ctypes.CDLL(None).prctl(38, 1, 0, 0, 0)  # no program may get more rights, as the rules demand
    if _system_call(446, rules, 0):
        raise OSError("the files of this computer cannot be hidden")


def _system_call(*arguments):
    return ctypes.CDLL(None, use_errno=True).syscall(*arguments)


def _nobody(*_):
    raise EOFError("nobody answers here; use the arguments")


def named(function) -> list:
    """Describe a function: module, names in its code, parameters, docstring, if it loops, and if it `returns_early`."""
    code = getattr(function, "__code__", None)
    names, own = (list(getattr(code, what, ())) for what in ("co_names", "co_varnames"))
    parameters = own[: getattr(code, "co_argcount", 0)]
    doc = str(getattr(function, "__doc__", ""))[:2_000]
    return [str(getattr(function, "__module__", "")), names, parameters, doc, _loops(code), returns_early(function)]


def _loops(code) -> bool:
    """Whether code has a loop, or a list made by one."""
    if not isinstance(code, types.CodeType):
        return False
    backwards = any(step.opname.startswith("JUMP_BACKWARD") for step in dis.get_instructions(code))
    return backwards or any(map(_loops, code.co_consts))


def returns_early(function) -> bool:
    """Whether the first round of a loop ends the function: a `return` is a step of the loop, under no condition."""
    with contextlib.suppress(Exception):  # of code that nobody finds, or that is no statement
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
        loops = (node for node in ast.walk(tree) if isinstance(node, ast.For | ast.While))
        return any(isinstance(step, ast.Return) for loop in loops for step in loop.body)
    return False


def answer_calls(line, function):
    """Answer the calls of a check until it closes the line."""
    line.lent += [function, peak_of(function)]
    printed = Printed(line.send)
    line.send("ready", *named(function))
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed), kernel_stays():
        while True:
            reply = line.answer(*line.receive()[1:])
            printed.pass_on()
            line.send(*reply)


# The cells of a notebook that a name rests on


def run(cells, name):
    """Run the statements of notebook cells that `name` rests on; return its value and the last error, or None."""
    namespace, failed = {"__name__": "__main__"}, None
    for file, statement in definitions(cells, name):
        try:
            exec(compile(ast.Module([statement], []), file, "exec"), namespace)
        except Exception as error:
            failed = error
    return namespace.get(name), failed


def definitions(cells, name) -> list:
    """Return the statements of notebook cells that `name` rests on, in order, each after the name of its file.

    A statement counts if it binds or changes a name that the others use. A cell that is no Python counts for nothing.
    """
    statements = [parts for number, cell in enumerate(cells, 1) for parts in parsed(cell, f"<cell {number}>")]
    bound = [_bound(statement, scope) for _, statement, scope in statements]
    needed, kept = {name, "*"}, set()
    while more := {i for i, names in enumerate(bound) if i not in kept and names & needed}:
        kept |= more
        needed = needed.union(*(_used(statements[i][2]) for i in more))
    return [statements[i][:2] for i in sorted(kept)]


def parsed(cell, file) -> list:
    """Return the statements of a cell: the name of the file, the statement, and the table of its names."""
    linecache.cache[file] = len(cell), None, cell.splitlines(keepends=True), file  # errors quote their line
    for source in (cell, re.sub(r"(?m)^[ \t]*[%!].*$", "", cell)):  # with and without magic commands
        with contextlib.suppress(Exception):
            return [(file, one, symtable(ast.unparse(one), file, "exec")) for one in ast.parse(source).body]
    return []


def _used(scope) -> set:
    """Names of the notebook that the code of a scope reads; those of its own functions are theirs."""
    is_outer = Symbol.is_referenced if scope.get_type() == "module" else Symbol.is_global
    own = {symbol.get_name() for symbol in scope.get_symbols() if is_outer(symbol)}
    return own.union(*map(_used, scope.get_children()))


def _bound(statement, scope) -> set:
    """Names that a statement binds or changes: ``names = …``, ``names[0] = …``, ``names.append(…)``."""
    names = {symbol.get_name() for symbol in scope.get_symbols() if symbol.is_assigned() or symbol.is_imported()}
    if isinstance(statement, ast.ImportFrom) and statement.names[0].name == "*":
        names.add("*")
    for node in ast.walk(statement):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            node = node.value.func
        elif not isinstance(getattr(node, "ctx", None), ast.Store | ast.Del):
            continue
        changes = isinstance(node, ast.Attribute | ast.Subscript)
        while isinstance(node, ast.Attribute | ast.Subscript | ast.Call):
            node = node.func if isinstance(node, ast.Call) else node.value
        if changes and isinstance(node, ast.Name):
            names.add(node.id)
    return names


def main(descriptor, own, *readable):
    line = Line(socket.socket(fileno=int(descriptor)))
    keep_apart()
    see_only(readable, own)
    line.send("started")
    sys.modules["asif_book.checks"] = mock.MagicMock()  # solutions need its names for annotations, and no more
    cells, name = line.receive()
    function, failed = run(cells, name)

    def undefined(*arguments):
        raise failed or NameError(f"name {name!r} is not defined")

    answer_calls(line, undefined if function is None else function)
