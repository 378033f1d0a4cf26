"""Packages of the full workbook that a browser lacks: each name can be imported, and its use raises one sentence."""

import importlib.machinery
import sys
import types


class Absent(type):
    """The kind of a name that is not there; a class of the library may stand on it."""

    def __call__(cls, *_, **__):
        raise NotImplementedError(cls.words)

    def __getattr__(cls, name):
        raise AttributeError(name) if name.startswith("__") else NotImplementedError(cls.words)


class _Module(types.ModuleType):
    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return Absent(name, (), {"words": f"`{self.__name__}.{name}` is only in the full workbook, not in a browser"})


class Finder:
    """Finds a module that no file holds, below a package of which this edition has only a part."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        if name.startswith(("scipy.", "sklearn.")):
            return importlib.machinery.ModuleSpec(name, Finder, is_package=True)

    @staticmethod
    def create_module(spec):
        return _Module(spec.name)

    @staticmethod
    def exec_module(module):
        pass


sys.meta_path.append(Finder)
