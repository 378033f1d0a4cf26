"""Packages of the full workbook that a browser lacks: each name can be imported, and its use raises one sentence."""

import importlib.machinery
import sys
import types


def _refuse(owner, name):
    raise NotImplementedError(f"`{owner}.{name}` is not in the browser's edition; in the full workbook it is")


class _Absent(type):
    """The kind of a name that is not there; a class of the library may stand on it, and works as far as it goes."""

    def __call__(cls, *arguments, **keywords):
        return (
            _refuse(cls.__module__, cls.__name__) if "absent" in vars(cls) else super().__call__(*arguments, **keywords)
        )

    def __getattr__(cls, name):
        if "absent" in vars(cls) and not name.startswith("__"):
            _refuse(cls.__module__, cls.__name__)
        raise AttributeError(name)


class _Module(types.ModuleType):
    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return _Absent(name, (), {"__module__": self.__name__, "absent": True})


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


if Finder not in sys.meta_path:
    sys.meta_path.append(Finder)
