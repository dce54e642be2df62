"""The declarations of what is kept of a user, as the table of docs/personal-data.md."""

from collections.abc import Iterable, Mapping

from resolvers.fields import Field, PersonalData, coordinate

COLUMNS = (
    *("kept as", "in", "class", "seen as", "by default by", "users choose"),
    *("written by", "sealed", "exported", "kept for", "at erasure"),
)


def personal_data_page(fields: Mapping[str, Field], bookkeeping: Mapping[str, str]) -> str:
    """The declarations as Markdown, and what is kept besides."""
    lines = [_row(COLUMNS), _row("---" for _ in COLUMNS)]
    lines += [_row(_cells(name, field)) for name, field in fields.items()]
    lines += ["", "## Bookkeeping", "", _row(("kept as", "what for")), _row(("---", "---"))]
    lines += [_row((f"`{name}`", reason)) for name, reason in bookkeeping.items()]
    return "\n".join(lines) + "\n"


def _cells(name: str, field: Field) -> tuple[str, ...]:
    return (
        f"`{name}`",
        f"`{field.kept_in}`",
        "" if field.personal is PersonalData.NONE else field.personal,
        f"`{coordinate(name)}`",
        field.audience,
        f"`{field.choice}`" if field.choice else "",
        ", ".join(sorted(field.writers)),
        field.sealing,
        "yes" if field.is_exported else "",
        field.kept_for,
        field.erasure,
    )


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
