"""Lessons with less to do: their constants made smaller."""

from typing import Any


def smaller(value: Any) -> Any:
    """Return a lesson's constant, less of it where it is much or long."""
    if isinstance(value, tuple):
        return tuple(map(smaller, value))
    if type(value) is float:
        return value / 10
    return value // 100 if type(value) is int and value >= 1000 else value


def constants_of(lesson: Any) -> dict[str, Any]:
    """Return the constants of a lesson's module, made smaller."""
    return {name: smaller(value) for name, value in vars(lesson).items()
            if name.isupper()}
