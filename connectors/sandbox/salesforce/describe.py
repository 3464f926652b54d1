"""describe, global and per object, record-type picklists and object info (REST API Developer Guide "sObject
Describe", "Describe Global"; User Interface API Developer Guide "Get Values for a Picklist Field").
"""

from __future__ import annotations

from typing import Any

from connectors.sandbox.core import Response
from connectors.sandbox.salesforce.errors import not_found
from connectors.sandbox.salesforce.ids import MASTER_RECORD_TYPE, to_18
from connectors.sandbox.salesforce.org import Org
from connectors.sandbox.salesforce.schema import Field, ObjectType
from connectors.sandbox.salesforce.soql_run import CHILDREN
from connectors.sandbox.salesforce.values import allowed_values

_SOAP = {
    "id": "tns:ID", "reference": "tns:ID", "boolean": "xsd:boolean", "int": "xsd:int", "double": "xsd:double",
    "currency": "xsd:double", "percent": "xsd:double", "date": "xsd:date", "datetime": "xsd:dateTime",
    "address": "urn:address",
}  # fmt: skip
_NUMBERS = ("double", "currency", "percent")


class Describe:
    def __init__(self, org: Org) -> None:
        self._org = org

    def everything(self, version: str) -> Response:
        """GET /sobjects"""
        kinds = [self._org.need_type(name) for name in self._org.type_names()]
        found = [self._summary(kind, version) for kind in kinds]
        return Response.json({"encoding": "UTF-8", "maxBatchSize": 200, "sobjects": found})

    def basic(self, kind: ObjectType, version: str) -> Response:
        """GET /sobjects/OBJECT"""
        return Response.json({"objectDescribe": self._summary(kind, version), "recentItems": []})

    def one(self, kind: ObjectType, version: str) -> Response:
        """GET /sobjects/OBJECT/describe"""
        body = self._summary(kind, version)
        body["fields"] = [self._field(kind, one) for one in self._org.fields(kind)]
        body["recordTypeInfos"] = self._record_types(kind)
        body["childRelationships"] = [
            {"childSObject": child, "field": lookup, "relationshipName": name, "cascadeDelete": False}
            for (parent, name), (child, lookup) in CHILDREN.items()
            if parent == kind.name
        ]
        body["supportedScopes"] = [{"label": f"All {kind.plural.lower()}", "name": "everything"}]
        return Response.json(body)

    def picklists(self, kind: ObjectType, record_type: str, field_name: str, version: str) -> Response:
        """GET /ui-api/object-info/OBJECT/picklist-values/RECORDTYPE[/FIELD]"""
        full = to_18(record_type)
        if full != MASTER_RECORD_TYPE and self._org.record("RecordType", full) is None:
            raise not_found()
        base = f"/services/data/{version}/ui-api/object-info/{kind.name}/picklist-values/{full}"
        if field_name:
            one = self._org.find_field(kind, field_name)
            if one is None or one.type != "picklist":
                raise not_found()
            process = (kind.name, one.name) == ("Lead", "Status")
            if process and not self._org.switches.sf_status_by_record_type:
                raise not_found()
            return Response.json(self._picklist(kind, one, full, f"{base}/{one.name}"))
        values = {
            one.name: self._picklist(kind, one, full, f"{base}/{one.name}")
            for one in self._org.fields(kind)
            if one.type == "picklist"
        }
        return Response.json({"eTag": "sandbox", "picklistFieldValues": values})

    def object_info(self, kind: ObjectType) -> Response:
        """GET /ui-api/object-info/OBJECT"""
        infos = {
            one["recordTypeId"]: {
                "available": one["available"],
                "defaultRecordTypeMapping": one["defaultRecordTypeMapping"],
                "master": one["master"],
                "name": one["name"],
                "recordTypeId": one["recordTypeId"],
            }
            for one in self._record_types(kind)
        }
        fields = {
            one.name: {
                "apiName": one.name,
                "label": one.label,
                "dataType": one.type.capitalize(),
                "required": one.required,
                "updateable": self._updateable(kind, one),
            }
            for one in self._org.fields(kind)
        }
        return Response.json(
            {
                "apiName": kind.name,
                "label": kind.label,
                "defaultRecordTypeId": MASTER_RECORD_TYPE,
                "fields": fields,
                "recordTypeInfos": infos,
            }
        )

    # -- inner ---------------------------------------------------------------------------------------------

    def _summary(self, kind: ObjectType, version: str) -> dict[str, Any]:
        url = f"/services/data/{version}/sobjects/{kind.name}"
        return {
            "name": kind.name,
            "label": kind.label,
            "labelPlural": kind.plural,
            "keyPrefix": kind.prefix,
            "custom": kind.name.endswith("__c"),
            "customSetting": False,
            "activateable": False,
            "createable": kind.createable and self._org.may_change(kind),
            "updateable": kind.updateable and self._org.may_change(kind),
            "deletable": kind.deletable and self._org.may_change(kind),
            "undeletable": kind.deletable and kind.soft_delete,
            "mergeable": kind.name in ("Lead", "Contact", "Account"),
            "queryable": True,
            "retrieveable": True,
            "replicateable": True,
            "searchable": kind.name in ("Lead", "Contact", "Account", "Opportunity", "User"),
            "triggerable": kind.createable,
            "layoutable": kind.createable,
            "urls": {
                "sobject": url,
                "describe": f"{url}/describe",
                "rowTemplate": f"{url}/{{ID}}",
            },
        }

    def _field(self, kind: ObjectType, one: Field) -> dict[str, Any]:
        text = one.type in ("string", "textarea", "email", "phone", "url", "picklist", "id", "reference")
        long_text = one.type == "textarea" and one.length > 255
        return {
            "name": one.name,
            "label": one.label,
            "type": one.type,
            "soapType": _SOAP.get(one.type, "xsd:string"),
            "length": one.length if text else 0,
            "byteLength": one.length * 3 if text else 0,
            "precision": 18 if one.type in _NUMBERS else 0,
            "scale": 2 if one.type in _NUMBERS else 0,
            "digits": 8 if one.type == "int" else 0,
            "nillable": not one.required and one.type not in ("boolean", "id"),
            "createable": one.writable and kind.createable and self._org.may_change(kind, one),
            "updateable": self._updateable(kind, one),
            "custom": one.custom,
            "calculated": one.calculated,
            "autoNumber": False,
            "unique": False,
            "externalId": one.external_id,
            "idLookup": one.external_id or one.name in ("Id", "Email", "Username"),
            "nameField": one.name == "Name" or (one.name == "Subject" and kind.name in ("Task", "Event")),
            "filterable": one.type != "address" and not long_text,
            "sortable": one.type != "address" and not long_text,
            "groupable": one.type not in ("address", "datetime", *_NUMBERS) and not long_text,
            "aggregatable": one.type not in ("address", "boolean") and not long_text,
            "defaultValue": False if one.type == "boolean" and one.default is None else one.default,
            "defaultedOnCreate": one.default is not None or one.type == "boolean" or one.name == "OwnerId",
            "restrictedPicklist": one.restricted,
            "dependentPicklist": False,
            "picklistValues": self._values(kind, one),
            "referenceTo": list(one.refers_to),
            "relationshipName": one.relationship or None,
            "polymorphicForeignKey": len(one.refers_to) > 1,
            "compoundFieldName": one.compound or None,
            "extraTypeInfo": None,
            "permissionable": one.writable and not one.required,
            "deprecatedAndHidden": False,
            "caseSensitive": False,
            "inlineHelpText": None,
        }

    def _updateable(self, kind: ObjectType, one: Field) -> bool:
        return one.writable and not one.create_only and kind.updateable and self._org.may_change(kind, one)

    def _values(self, kind: ObjectType, one: Field) -> list[dict[str, Any]]:
        if one.type != "picklist":
            return []
        return [
            {
                "active": True,
                "defaultValue": value == one.default,
                "label": value,
                "validFor": None,
                "value": value,
            }
            for value in allowed_values(self._org, kind, one, None)
        ]

    def _picklist(self, kind: ObjectType, one: Field, record_type: str, url: str) -> dict[str, Any]:
        values: list[dict[str, Any]] = [
            {"attributes": None, "label": value, "validFor": [], "value": value}
            for value in allowed_values(self._org, kind, one, record_type)
        ]
        default = next((value for value in values if value["value"] == one.default), None)
        return {
            "controllerValues": {},
            "defaultValue": default,
            "eTag": "sandbox",
            "url": url,
            "values": values,
        }

    def _record_types(self, kind: ObjectType) -> list[dict[str, Any]]:
        own = [row for row in self._org.table("RecordType").alive() if row.get("SobjectType") == kind.name]
        infos = [
            {
                "recordTypeId": row.id,
                "name": row.get("Name"),
                "developerName": row.get("DeveloperName"),
                "active": bool(row.get("IsActive")),
                "available": True,
                "defaultRecordTypeMapping": place == 0,
                "master": False,
            }
            for place, row in enumerate(own)
        ]
        master = {
            "recordTypeId": MASTER_RECORD_TYPE,
            "name": "Master",
            "developerName": "Master",
            "active": True,
            "available": True,
            "defaultRecordTypeMapping": not own,
            "master": True,
        }
        return [*infos, master]
