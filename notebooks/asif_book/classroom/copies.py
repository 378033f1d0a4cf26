"""Find solutions of a class that are alike but for names."""

import ast
from collections import defaultdict

SHORT = 40
"""Solutions with fewer nodes in their syntax tree often agree by themselves."""


def alike(solutions: dict, own: dict) -> dict:
    """Return students whose functions are the same but for names and comments: a tuple of students → their functions.

    Functions of fewer than `SHORT` nodes do not count, nor those that are the course's `own`.

    Parameters
    ----------
    solutions : dict
        Student → name → `ast.FunctionDef`, of one assignment.
    own : dict
        Name → `ast.FunctionDef`, of the course.
    """
    groups = defaultdict(list)
    for name, reference in own.items():
        shapes = defaultdict(list)
        for student, functions in solutions.items():
            if name in functions and sum(1 for _ in ast.walk(functions[name])) >= SHORT:
                shapes[_shape(functions[name])].append(student)
        shapes.pop(_shape(reference), None)
        for students in shapes.values():
            if len(students) > 1:
                groups[tuple(students)].append(name)
    return dict(groups)


class _Plain(ast.NodeTransformer):
    """Number the names in their order, and drop annotations and docstrings."""

    def __init__(self):
        self.names = {}

    def visit_Name(self, node):
        node.id = self.names.setdefault(node.id, f"v{len(self.names)}")
        return node

    def visit_arg(self, node):
        node.arg, node.annotation = self.names.setdefault(node.arg, f"v{len(self.names)}"), None
        return node

    def visit_FunctionDef(self, node):
        node.returns, node.name = None, self.names.setdefault(node.name, f"v{len(self.names)}")
        if ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
        return self.generic_visit(node)


def _shape(function):
    return ast.unparse(_Plain().visit(ast.parse(ast.unparse(function)).body[0]))
