"""What happens in the CRMs, and to the clock, between the commands of a page."""

from __future__ import annotations

from collections.abc import Callable

from tests.acceptance.site import Site

SCENES: dict[str, Callable[..., None]] = {}


def scene(function: Callable[..., None]) -> Callable[..., None]:
    """Something that pages may ask for by its name."""
    SCENES[function.__name__.replace("_", "-")] = function
    return function


@scene
def later(site: Site, number: str, unit: str) -> None:
    """Time passes."""
    seconds = {"minutes": 60, "hours": 3600, "days": 86_400}[unit]
    site.world.advance(int(number) * seconds)


@scene
def demo_request(site: Site, email: str) -> None:
    """Somebody in both CRMs asks for a demo."""
    site.pair(email)


@scene
def rep_sets(site: Site, email: str, field: str, *words: str) -> None:
    """A sales person changes the Lead of that address."""
    site.edit_lead(lead_of(site, email), **{field: " ".join(words)})


@scene
def rule_refuses(site: Site, *words: str) -> None:
    """An administrator's validation rule refuses changes to Leads."""
    site.sandbox.switches.sf_refused["Lead"] = ("FIELD_CUSTOM_VALIDATION_EXCEPTION", " ".join(words))


@scene
def rule_is_gone(site: Site) -> None:
    """The administrator has mended it."""
    del site.sandbox.switches.sf_refused["Lead"]


@scene
def second_lead(site: Site, email: str) -> None:
    """Somebody has typed a person in again."""
    site.lead(email)


@scene
def unasked(site: Site) -> None:
    """The admin has said that the first plan need not wait."""
    site.unasked()


@scene
def secret_files(site: Site, *accounts: str) -> None:
    """Somebody has put the tokens of accounts into files."""
    for account in accounts:
        folder = site.folder / "secrets" / account
        folder.mkdir(parents=True)
        (folder / "MQLSYNC_HUBSPOT__ACCESS_TOKEN").write_text(f"token of {account}", encoding="utf-8")


@scene
def quietly(site: Site, *words: str) -> None:
    """A command whose output the page does not show."""
    ran = site.run(*words)
    assert ran.code in (0, 6), ran.err


def lead_of(site: Site, email: str) -> str:
    """The id of the Lead with that address."""
    for record in site.sandbox.store.table("salesforce", "Lead").alive():
        if record.values.get("Email") == email:
            return record.id
    raise LookupError(email)


def named(site: Site, name: str) -> str:
    """A word in angle brackets of a command: an id that differs from run to run."""
    if name == "run":
        return str(site.json("runs")["runs"][0]["run_id"])
    raise LookupError(name)
