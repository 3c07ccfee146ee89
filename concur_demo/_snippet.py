"""A lesson as one standalone file, cut out of the package's own source.

The lesson's example() is followed to all that it needs, in its own module
and in those that this one imports from. What is found is printed as it
stands there, in that order; docstrings are cut to their first paragraph.
"""

import ast
import functools
import pathlib
import symtable
import textwrap
from collections.abc import Iterable, Iterator

COLUMNS = 79
BLOCK = (ast.FunctionDef, ast.ClassDef)
END = 'if __name__ == "__main__":\n    example()\n'


def snippet(lesson: str) -> str:
    """Return the lesson as the text of a file that runs its example."""
    found: set[ast.stmt] = set()
    imports: set[tuple[str, str]] = set()
    follow(lesson, "example", found, imports)
    body = "".join(spaced(reading_order(lesson), found))
    head = "\n".join(import_lines(imports, body))
    return f'"""{title(lesson)}"""\n\n{head}{body}\n\n\n{END}'


def title(lesson: str) -> str:
    """Return the first line of the lesson's docstring."""
    return module(lesson).doc.partition("\n")[0]


def notice(lesson: str) -> str:
    """Return the rest of it, what the lesson shows, in one line."""
    return " ".join(module(lesson).doc.split("\n")[1:]).strip()


class Module:
    """The source of a module of the package, by the names in it."""

    def __init__(self, name: str) -> None:
        path = pathlib.Path(__file__).with_name(f"{name}.py")
        source = path.read_text(encoding="utf-8")
        self.lines = source.splitlines()
        self.tree = ast.parse(source)
        self.doc = ast.get_docstring(self.tree) or ""
        self.origins: dict[str, str] = {}   # name -> module of the package
        self.imports: dict[str, list[tuple[str, str]]] = {}
        self.statements: dict[str, list[ast.stmt]] = {}
        for statement in self.tree.body:
            if isinstance(statement, ast.Import):
                for one in statement.names:
                    self.imports.setdefault(
                        one.name.partition(".")[0], []).append((one.name, ""))
            elif isinstance(statement, ast.ImportFrom):
                origin = statement.module or ""
                for one in statement.names:
                    if not statement.level:
                        self.imports[one.name] = [(origin, one.name)]
                    elif origin and not origin.startswith("_"):
                        self.origins[one.name] = origin
            else:
                for name in names(statement)[0]:
                    self.statements.setdefault(name, []).append(statement)

    def first(self, statement: ast.stmt) -> int:
        """Return the line where a statement begins, or its comment."""
        line = statement.lineno
        if isinstance(statement, BLOCK) and statement.decorator_list:
            line = statement.decorator_list[0].lineno
        while self.lines[line - 2].startswith("#"):
            line -= 1
        return line

    def text(self, statement: ast.stmt) -> str:
        """Return the text of a statement, and of the comment above it,
        with short docstrings."""
        first = self.first(statement)
        lines = self.lines[first - 1:statement.end_lineno]
        docs = [node.body[0] for node in ast.walk(statement)
                if isinstance(node, BLOCK) and ast.get_docstring(node)]
        for doc in sorted(docs, key=lambda doc: -doc.lineno):
            here = slice(doc.lineno - first, (doc.end_lineno or 0) - first + 1)
            lines[here] = first_paragraph(lines[here])
        return "\n".join(lines)


module = functools.cache(Module)


def names(statement: ast.stmt) -> tuple[set[str], set[str]]:
    """Return the names of its module that a statement binds, and those
    that it uses; names in quotes excepted."""
    top = symtable.symtable(ast.unparse(statement), "", "exec")
    bound = {symbol.get_name() for symbol in top.get_symbols()
             if symbol.is_assigned()}
    # From 3.14 on, symtable leaves out the annotations of local variables.
    used = {name.id for node in ast.walk(statement)
            if isinstance(node, ast.AnnAssign)
            for name in ast.walk(node.annotation)
            if isinstance(name, ast.Name)}
    tables = [top]
    for table in tables:   # which grows meanwhile
        tables += table.get_children()
        used |= {symbol.get_name() for symbol in table.get_symbols()
                 if symbol.is_referenced()
                 and (table is top or symbol.is_global())}
    return bound, used


def follow(
    home: str, name: str, found: set[ast.stmt],
    imports: set[tuple[str, str]],
) -> None:
    """Add what stands behind a name of a module, and all that it needs."""
    source = module(home)
    if name in source.origins:
        follow(source.origins[name], name, found, imports)
    imports.update(source.imports.get(name, []))
    for statement in source.statements.get(name, []):
        if statement not in found:
            found.add(statement)
            for needed in names(statement)[1]:
                follow(home, needed, found, imports)


def reading_order(lesson: str) -> list[Module]:
    """Return the lesson's module after all that it imports from, each of
    them after what that imports from."""
    before = [one for origin in module(lesson).origins.values()
              for one in reading_order(origin)]
    return list(dict.fromkeys([*before, module(lesson)]))


def spaced(
    modules: Iterable[Module], found: set[ast.stmt]
) -> Iterator[str]:
    """Yield the text of each statement found, after its line ends."""
    after_block, last = True, 0
    for one in modules:
        for statement in one.tree.body:
            if statement not in found:
                continue
            block = isinstance(statement, BLOCK)
            if block or after_block:
                yield "\n\n\n"
            else:
                yield "\n" if one.first(statement) == last + 1 else "\n\n"
            yield one.text(statement)
            after_block, last = block, statement.end_lineno or 0


def first_paragraph(lines: list[str]) -> list[str]:
    """Return the lines of a docstring without its later paragraphs."""
    if "" not in lines:
        return lines
    *before, last = lines[:lines.index("")]
    if len(last) + 3 <= COLUMNS:
        return [*before, f'{last}"""']
    return [*before, last, last[:-len(last.lstrip())] + '"""']


def import_lines(
    imports: Iterable[tuple[str, str]], body: str
) -> Iterator[str]:
    """Yield import statements for so many (module, name); of submodules
    without a name, such as ("html.parser", ""), those that the body uses."""
    groups: dict[str, list[str]] = {}
    for origin, name in sorted(imports):
        groups.setdefault(origin, []).append(name)
    for origin, wanted in groups.items():
        if wanted[0] == "" and ("." not in origin or origin in body):
            yield f"import {origin}"
    for origin, wanted in groups.items():
        if any(wanted):
            listed = ", ".join(filter(None, wanted))
            line = f"from {origin} import {listed}"
            if len(line) > COLUMNS:
                line = f"from {origin} import (\n" + textwrap.indent(
                    textwrap.fill(f"{listed})", COLUMNS - 4), "    ")
            yield line
