"""The facts of a person that a model may read, and the lists that need no file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

TEXT: Final = "text"
NUMBER: Final = "number"


@dataclass(frozen=True, slots=True)
class FieldKind:
    """A column of the person selectable, what it holds, and its name in a sentence."""

    column: str
    kind: str
    words: str


FIELDS: Final = {
    "email": FieldKind("email", TEXT, "e-mail address"),
    "email_domain": FieldKind("email_domain", TEXT, "e-mail domain"),
    "first_name": FieldKind("first_name", TEXT, "first name"),
    "last_name": FieldKind("last_name", TEXT, "last name"),
    "company": FieldKind("company", TEXT, "company"),
    "company_size": FieldKind("company_size", NUMBER, "company size"),
    "industry": FieldKind("industry", TEXT, "industry"),
    "country": FieldKind("country", TEXT, "country"),
    "state": FieldKind("state", TEXT, "state"),
    "city": FieldKind("city", TEXT, "city"),
    "lead_source": FieldKind("lead_source", TEXT, "lead source"),
    "job_title": FieldKind("job_title", TEXT, "job title"),
    "stage": FieldKind("stage_read", TEXT, "stage"),
}
"""Name in a model → what it is. `stage` is the CRMs' evidence plus the open spell before this scoring."""

CUSTOM: Final = "fields"
"""`fields.NAME` reads a mapped custom fact; it is text."""

DOMAIN_LISTS: Final = {
    "student_domains": "student_domain",
    "free_mail_domains": "free_mail",
    "disposable_domains": "disposable",
}
"""Lists that `scoring.domains` answers when a person is stored → the column with the answer."""

OPTIONAL_LISTS: Final = ("competitors", "partners", "employees", "customers")
"""Lists that are empty as long as there is no file."""


def describe(name: str) -> FieldKind:
    """What a field of a model is; custom facts are text."""
    return FIELDS.get(name) or FieldKind(name, TEXT, name.removeprefix(f"{CUSTOM}."))
