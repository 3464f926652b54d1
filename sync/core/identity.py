"""Who is who: addresses as keys, the ids of people, and what becomes of people when records move.

Pure: components of records (found in SQL by their shared keys) and the people that existed before come
in, people with their ids come out. Used only where SQL alone cannot say it: several records of one CRM,
people who join, people who split.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

LARGEST_COMPONENT: Final = 1000
"""Records; a larger component (a shared mailbox, a broken import) is ambiguous without a closer look."""

NAMED_CANDIDATES: Final = 20
"""An ambiguous person names at most so many of its records."""


_BASE32: Final = "abcdefghijklmnopqrstuvwxyz234567"
_IS_KEY: Final = re.compile(r"[0-9a-z!#$%&'*+/=?^_`{|}~.-]+@[0-9a-z](?:[0-9a-z.-]*[0-9a-z-])?")
"""Most addresses: what `email_key` would only give back."""

_PAIRS: Final = tuple(first + second for first in _BASE32 for second in _BASE32)


def email_key(address: str | None) -> str | None:
    """The address as a key: trimmed, case-folded, its domain in ASCII (IDNA); None when it is none.

    Plus-tags and dots stay: at most providers they mean another mailbox.
    """
    if not address:
        return None
    if _IS_KEY.fullmatch(address):
        return address
    text = address.strip().casefold()
    local, at, domain = text.rpartition("@")
    domain = domain.rstrip(".")
    if not (at and local and domain) or len(text.split(None, 1)) > 1:  # white space inside
        return None
    if not domain.isascii():
        try:
            domain = domain.encode("idna").decode("ascii").rstrip(".")
        except UnicodeError:
            return None
        if not domain or "@" in domain or any(character.isspace() for character in domain):
            return None  # characters that only look like others become those
    return f"{local}@{domain}"


def founder_id(crm: str, object_name: str, record_id: str, attempt: int = 0) -> str:
    """The id of a person that this record founds; `attempt` > 0 only when that id is already taken."""
    text = f"{crm}|{object_name}|{record_id}" + (f"|{attempt}" if attempt else "")
    bits = int.from_bytes(hashlib.sha256(text.encode()).digest()[:10], "big")
    two = _PAIRS  # written out because every record that is stored needs one
    return (
        f"p_{two[bits >> 70]}{two[bits >> 60 & 1023]}{two[bits >> 50 & 1023]}{two[bits >> 40 & 1023]}"
        f"{two[bits >> 30 & 1023]}{two[bits >> 20 & 1023]}{two[bits >> 10 & 1023]}{two[bits & 1023]}"
    )


class Member(NamedTuple):
    """A live record of a component. Sorts by age: the first one founds."""

    created_ms: int
    crm: str
    object: str
    id: str

    @property
    def ref(self) -> tuple[str, str, str]:
        """(crm, object, id)."""
        return self.crm, self.object, self.id


class Claim(NamedTuple):
    """A person that existed before has (what became of) one of its records in a component."""

    person_id: str
    component: int
    founding: bool  # it is the record that founded the person


class Known(NamedTuple):
    """What is known of a person that existed before. `spell_at`: when its open spell began."""

    founding: Member
    spell_at: int | None


@dataclass(frozen=True, slots=True)
class Resolved:
    """One person after matching: a component and its id; `absorbed` ids become aliases of it."""

    component: int
    person_id: str
    founding: Member
    is_new: bool
    ambiguous: bool
    candidates: tuple[tuple[str, str, str], ...] = ()
    absorbed: tuple[str, ...] = field(default=())


def is_ambiguous(members: Collection[Member]) -> bool:
    """Two live records of one CRM cannot both be the one to write to."""
    return len(members) > LARGEST_COMPONENT or len({member.crm for member in members}) < len(members)


def resolve(
    components: Mapping[int, Sequence[Member]],
    claims: Iterable[Claim],
    known: Mapping[str, Known],
    taken: Collection[str] = (),
) -> list[Resolved]:
    """Give every component its person. `taken` are ids of people outside of these components.

    A person stays with its founding record, else with the component of its oldest remaining record. Where
    several people meet, the one with the older open spell keeps its id, else the older founding.
    """
    kept = _homes(components, claims, known)
    living: dict[int, list[str]] = {component: [] for component in components}
    for person_id, home in kept.items():
        living[home].append(person_id)
    used = set(taken) | set(kept)
    out: list[Resolved] = []
    for component in sorted(components, key=lambda number: min(components[number])):
        members = sorted(components[component])
        here = sorted(living[component], key=lambda pid: _standing(pid, known[pid]))
        if here:
            person_id, founding = here[0], known[here[0]].founding
        else:
            founding = members[0]
            person_id = _fresh(founding, used)
            used.add(person_id)
        ambiguous = is_ambiguous(members)
        candidates = tuple(member.ref for member in members[:NAMED_CANDIDATES]) if ambiguous else ()
        out.append(Resolved(component, person_id, founding, not here, ambiguous, candidates, tuple(here[1:])))
    return out


def _homes(
    components: Mapping[int, Sequence[Member]], claims: Iterable[Claim], known: Mapping[str, Known]
) -> dict[str, int]:
    """Person id → the one component that it stays with."""
    best: dict[str, tuple[bool, Member, int]] = {}
    for claim in claims:
        if claim.person_id not in known:
            continue
        bid = (not claim.founding, min(components[claim.component]), claim.component)
        if claim.person_id not in best or bid < best[claim.person_id]:
            best[claim.person_id] = bid
    return {person_id: component for person_id, (_, _, component) in best.items()}


def _standing(person_id: str, known: Known) -> tuple[bool, int, Member, str]:
    """Sorts people who meet: the first one keeps its id."""
    return known.spell_at is None, known.spell_at or 0, known.founding, person_id


def _fresh(founding: Member, used: Collection[str]) -> str:
    attempt = 0
    while (person_id := founder_id(*founding.ref, attempt)) in used:
        attempt += 1
    return person_id
