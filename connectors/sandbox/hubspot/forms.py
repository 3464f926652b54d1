"""Marketing forms v3 (`/marketing/v3/forms`): definitions, `hubspot` ones unless `formTypes` asks more."""

from __future__ import annotations

import uuid
from typing import Any

from connectors.sandbox.core import Response
from connectors.sandbox.hubspot.calls import Call, opaque
from connectors.sandbox.hubspot.errors import not_found
from connectors.sandbox.hubspot.feeds import Feeds
from connectors.sandbox.hubspot.values import iso

FORM_LIMIT = 500
_NAMESPACE = uuid.UUID("0b9d4a52-6d0c-5a4e-8a55-2f3f6a1c7a10")
_EPOCH = 1_640_995_200.0


class Forms:
    """The forms of one portal, in the order in which they were made."""

    def __init__(self, feeds: Feeds) -> None:
        self._feeds = feeds
        self._forms: dict[str, dict[str, Any]] = {}

    def add(self, name: str, form_type: str = "hubspot", archived: bool = False) -> str:
        """Make a form; returns its guid."""
        form_id = str(uuid.uuid5(_NAMESPACE, f"{len(self._forms)}:{name}"))
        self._forms[form_id] = _definition(form_id, name, form_type, archived)
        self._feeds.add_form(form_id, form_type)
        return form_id

    def by_name(self, name: str) -> str | None:
        """The guid of a form."""
        return next((form_id for form_id, form in self._forms.items() if form["name"] == name), None)

    def list(self, call: Call) -> Response:
        """GET /marketing/v3/forms."""
        types = call.request.params("formTypes") or ["hubspot"]
        archived = call.flag("archived")
        forms = [
            form
            for form in self._forms.values()
            if form["archived"] == archived and ("all" in types or form["formType"] in types)
        ]
        limit = call.limit(FORM_LIMIT, 50)
        start = call.after()
        body: dict[str, Any] = {"results": forms[start : start + limit]}
        if len(forms) > start + limit:
            body["paging"] = call.next_page(opaque(str(start + limit)))
        return Response.json(body)

    def read(self, call: Call, form_id: str) -> Response:
        """GET /marketing/v3/forms/{id}."""
        form = self._forms.get(form_id)
        if form is None or form["archived"] != call.flag("archived"):
            raise not_found()
        return Response.json(form)


def _definition(form_id: str, name: str, form_type: str, archived: bool) -> dict[str, Any]:
    """A form, complete by the OpenAPI schema `HubSpotFormDefinition`."""
    return {
        "id": form_id,
        "name": name,
        "formType": form_type,
        "createdAt": iso(_EPOCH),
        "updatedAt": iso(_EPOCH),
        "archived": archived,
        "fieldGroups": [],  # hubspot-api-client 12 validates one kind of field and refuses others
        "configuration": {
            "language": "en",
            "cloneable": True,
            "editable": True,
            "archivable": True,
            "recaptchaEnabled": False,
            "notifyContactOwner": False,
            "notifyRecipients": [],
            "createNewContactForNewEmail": True,
            "prePopulateKnownValues": True,
            "allowLinkToResetKnownValues": False,
            "lifecycleStages": [],
            "postSubmitAction": {"type": "thank_you", "value": "Thanks for submitting the form."},
        },
        "displayOptions": {
            "renderRawHtml": False,
            "theme": "default_style",
            "submitButtonText": "Submit",
            "style": _style(),
            "cssClass": "",
        },
        "legalConsentOptions": {
            "type": "implicit_consent_to_process",
            "communicationConsentText": "",
            "consentToProcessText": "",
            "privacyText": "",
            "subscriptionTypeIds": [],
            "lawfulBasis": "lead",
            "communicationsCheckboxes": [],
        },
    }


def _style() -> dict[str, str]:
    return {
        "fontFamily": "arial",
        "backgroundWidth": "100%",
        "labelTextColor": "#33475b",
        "labelTextSize": "14px",
        "helpTextColor": "#7C98B6",
        "helpTextSize": "11px",
        "legalConsentTextColor": "#33475b",
        "legalConsentTextSize": "14px",
        "submitColor": "#ff7a59",
        "submitAlignment": "left",
        "submitFontColor": "#ffffff",
        "submitSize": "12px",
    }
