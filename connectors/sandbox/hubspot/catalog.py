"""Property definitions, owners and pipelines."""

from __future__ import annotations

from typing import Any

from connectors.sandbox.core import Response
from connectors.sandbox.hubspot.batch import answer
from connectors.sandbox.hubspot.calls import Call, inputs_of, objects_in, opaque
from connectors.sandbox.hubspot.errors import bad_json, error, not_found
from connectors.sandbox.hubspot.portal import Portal
from connectors.sandbox.hubspot.schema import DEAL_STAGES
from connectors.sandbox.hubspot.schema_types import Option, Property
from connectors.sandbox.hubspot.values import iso

FIRST_OWNER_ID = 700_100_001
OWNER_LIMIT = 500  # docs say 100, 500 works
_EPOCH = 1_640_995_200.0  # when the portal was set up, epoch seconds


# -- properties --------------------------------------------------------------------------------------------


def list_properties(call: Call, type_name: str) -> Response:
    """GET /crm/v3/properties/{type}."""
    archived = call.flag("archived")
    known = call.portal.properties(call.kind(type_name))
    shown = [show_property(prop) for prop in known.values() if prop.archived == archived]
    return Response.json({"results": shown})


def read_property(call: Call, type_name: str, name: str) -> Response:
    """GET /crm/v3/properties/{type}/{name}."""
    prop = call.portal.properties(call.kind(type_name)).get(name)
    if prop is None:
        raise not_found(f'Property "{name}" does not exist')
    return Response.json(show_property(prop))


def read_properties(call: Call, type_name: str) -> Response:
    """POST /crm/v3/properties/{type}/batch/read; names that do not exist are left out."""
    known = call.portal.properties(call.kind(type_name))
    names = [str(item.get("name", "")) for item in inputs_of(call.body(), 100)]
    return answer(call, [show_property(known[name]) for name in names if name in known], [])


def list_groups(call: Call, type_name: str) -> Response:
    """GET /crm/v3/properties/{type}/groups."""
    names = dict.fromkeys(prop.group for prop in call.portal.properties(call.kind(type_name)).values())
    groups = [
        {"name": name, "label": name.title(), "displayOrder": place, "archived": False}
        for place, name in enumerate(names)
    ]
    return Response.json({"results": groups})


def create_property(call: Call, type_name: str) -> Response:
    """POST /crm/v3/properties/{type}: 201; 409 when the name is taken."""
    kind = call.kind(type_name)
    body = call.body()
    name = str(body.get("name") or "")
    if not name or not body.get("type") or not body.get("fieldType"):
        raise bad_json("name, type and fieldType are required")
    if name in kind.properties:
        raise error(409, f"A property named '{name}' already exists.", "OBJECT_ALREADY_EXISTS")
    prop = Property(
        name,
        str(body.get("label") or name),
        str(body["type"]),
        str(body["fieldType"]),
        str(body.get("groupName") or "information"),
        _options(body.get("options")),
        unique=bool(body.get("hasUniqueValue")),
        hidden=bool(body.get("hidden")),
        custom=True,
    )
    kind.properties[name] = prop
    return Response.json(show_property(prop), 201)


def update_property(call: Call, type_name: str, name: str) -> Response:
    """PATCH /crm/v3/properties/{type}/{name}: label, options, hidden."""
    prop = call.kind(type_name).properties.get(name)
    if prop is None:
        raise not_found(f'Property "{name}" does not exist')
    body = call.body()
    prop.label = str(body.get("label") or prop.label)
    prop.hidden = bool(body.get("hidden", prop.hidden))
    if body.get("options") is not None:
        prop.options = _options(body["options"])
    return Response.json(show_property(prop))


def delete_property(call: Call, type_name: str, name: str) -> Response:
    """DELETE /crm/v3/properties/{type}/{name}: archives a custom one."""
    prop = call.kind(type_name).properties.get(name)
    if prop is None:
        raise not_found(f'Property "{name}" does not exist')
    if not prop.custom:
        raise error(400, f"{name} is a HubSpot property and cannot be archived")
    del call.kind(type_name).properties[name]
    return Response(204)


def _options(raw: Any) -> tuple[Option, ...]:
    return tuple(
        Option(
            str(one.get("value", "")), str(one.get("label") or one.get("value", "")), bool(one.get("hidden"))
        )
        for one in objects_in(raw, "options")
    )


def show_property(prop: Property) -> dict[str, Any]:
    """`Property` of the OpenAPI file."""
    locked = not prop.settable
    return {
        "name": prop.name,
        "label": prop.label,
        "type": prop.type,
        "fieldType": prop.field_type,
        "description": "",
        "groupName": prop.group,
        "options": [
            {
                "label": o.label,
                "value": o.value,
                "displayOrder": number,
                "hidden": o.hidden,
                "description": "",
            }
            for number, o in enumerate(prop.options)
        ],
        "displayOrder": -1,
        "calculated": prop.calculated,
        "externalOptions": prop.name == "hubspot_owner_id",
        "hasUniqueValue": prop.unique,
        "hidden": prop.hidden,
        "hubspotDefined": not prop.custom,
        "formField": prop.settable,
        "archived": prop.archived,
        "createdAt": iso(_EPOCH),
        "updatedAt": iso(_EPOCH),
        "modificationMetadata": {
            "archivable": prop.custom,
            "readOnlyDefinition": not prop.custom,
            "readOnlyValue": locked,
            "readOnlyOptions": not prop.custom and prop.name != "hs_lead_status",
        },
    }


# -- owners ------------------------------------------------------------------------------------------------


class Owners:
    """Who may own records: people and queues; deactivated ones are `archived`."""

    def __init__(self, portal: Portal) -> None:
        self._portal = portal
        self._owners: dict[str, dict[str, Any]] = {}

    def add(self, email: str, first: str, last: str, *, kind: str = "PERSON", active: bool = True) -> str:
        """Make an owner; returns the id that `hubspot_owner_id` takes (not the user id)."""
        number = FIRST_OWNER_ID + len(self._owners)
        user = number - 699_000_000
        self._owners[str(number)] = {
            "id": str(number),
            "email": email or None,
            "type": kind,
            "firstName": first,
            "lastName": last,
            "userId": user if active and kind == "PERSON" else None,
            "userIdIncludingInactive": user if kind == "PERSON" else None,
            "createdAt": iso(_EPOCH),
            "updatedAt": iso(_EPOCH),
            "archived": not active,
            "teams": [{"id": "178588", "name": "Sales", "primary": True}] if kind == "PERSON" else [],
        }
        self._portal.owner_ids[str(number)] = active
        return str(number)

    def set_active(self, owner_id: str, active: bool) -> None:
        """Deactivate somebody (OpenAPI, Owners: `userId` becomes null), or bring them back."""
        owner = self._owners[owner_id]
        owner["archived"] = not active
        owner["userId"] = owner["userIdIncludingInactive"] if active else None
        self._portal.owner_ids[owner_id] = active

    def by_email(self, email: str) -> str | None:
        """The owner id of an address."""
        wanted = email.lower()
        return next((o["id"] for o in self._owners.values() if (o["email"] or "").lower() == wanted), None)

    def user_of(self, owner_id: str) -> str:
        """The user id behind an owner."""
        return str(self._owners[owner_id]["userIdIncludingInactive"])

    def __iter__(self) -> Any:
        return iter(self._owners.values())

    def list(self, call: Call) -> Response:
        """GET /crm/v3/owners."""
        archived, email = call.flag("archived"), call.request.param("email").lower()
        limit = call.limit(OWNER_LIMIT, 100)
        after = call.after()
        found = [
            owner
            for owner in self._owners.values()
            if owner["archived"] == archived
            and int(owner["id"]) > after
            and (not email or (owner["email"] or "").lower() == email)
        ]
        body: dict[str, Any] = {"results": found[:limit]}
        if len(found) > limit:
            body["paging"] = call.next_page(opaque(found[limit - 1]["id"]))
        return Response.json(body)

    def read(self, call: Call, owner_id: str) -> Response:
        """GET /crm/v3/owners/{id}, also by `idProperty=userId`."""
        by_user = call.request.param("idProperty") == "userId"
        name = "userIdIncludingInactive" if by_user else "id"
        found = next((owner for owner in self._owners.values() if str(owner[name]) == owner_id), None)
        if found is None or found["archived"] != call.flag("archived"):
            raise not_found()
        return Response.json(found)


# -- pipelines ---------------------------------------------------------------------------------------------


def list_pipelines(call: Call, type_name: str) -> Response:
    """GET /crm/v3/pipelines/{type}: one for deals, none for others."""
    kind = call.kind(type_name)
    return Response.json({"results": [_sales_pipeline()] if kind.plural == "deals" else []})


def read_pipeline(call: Call, type_name: str, pipeline_id: str) -> Response:
    """GET /crm/v3/pipelines/{type}/{id}."""
    if call.kind(type_name).plural != "deals" or pipeline_id != "default":
        raise not_found()
    return Response.json(_sales_pipeline())


def list_stages(call: Call, type_name: str, pipeline_id: str) -> Response:
    """GET /crm/v3/pipelines/{type}/{id}/stages."""
    if call.kind(type_name).plural != "deals" or pipeline_id != "default":
        raise not_found()
    return Response.json({"results": _sales_pipeline()["stages"]})


def _sales_pipeline() -> dict[str, Any]:
    stamps = {"createdAt": iso(_EPOCH), "updatedAt": iso(_EPOCH), "archived": False}
    stages = [
        {
            "id": value,
            "label": label,
            "displayOrder": number,
            "metadata": {
                "isClosed": str(value.startswith("closed")).lower(),
                "probability": {"closedwon": "1.0", "closedlost": "0.0"}.get(value, "0.4"),
            },
            "writePermissions": "CRM_PERMISSIONS_ENFORCEMENT",
            **stamps,
        }
        for number, (value, label) in enumerate(DEAL_STAGES)
    ]
    return {"id": "default", "label": "Sales Pipeline", "displayOrder": 0, "stages": stages, **stamps}
