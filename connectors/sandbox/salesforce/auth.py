"""Signing in: OAuth token endpoint, SOAP login, identity.

Source: Salesforce Help "OAuth 2.0 Client Credentials Flow", "… JWT Bearer Flow", "… Username-Password Flow",
"… Refresh Token Flow", "OpenID Connect UserInfo Endpoint"; SOAP API Developer Guide "login()" (gone from
version 65 on). A JWT's claims are checked, its signature is not: the sandbox holds no certificate.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from typing import Any
from xml.sax.saxutils import escape, unescape

from connectors.sandbox.core import Answer, Request, Response
from connectors.sandbox.salesforce.errors import fail
from connectors.sandbox.salesforce.org import Org
from connectors.sandbox.tokens import Tokens

JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
LAST_SOAP_VERSION = 64
_AUDIENCE = re.compile(r"https://[A-Za-z0-9.-]+\.(?:salesforce|force)\.com")
"""login, test or a My Domain; the address the caller used is accepted as well."""
JWT_LIFE = 300.0  # seconds; the documentation asks for at most 3 minutes, 5 are let pass


class Auth:
    def __init__(self, org: Org) -> None:
        self._org = org
        self.tokens = Tokens(
            org.core.clock, lambda: org.switches.sf_token_lifetime, prefix=f"{org.org_id[:15]}!", sliding=True
        )
        self.refresh_tokens = Tokens(org.core.clock, lambda: float("inf"), prefix="5Aep861")
        self.credentials = {
            "client_id": "3MVG9sandbox.client.id",
            "client_secret": "sandbox-client-secret",
            "username": "integration@sandbox.example",
            "password": "sandbox-password",
            "security_token": "sandboxtoken",
            "refresh_token": self.refresh_tokens.issue(org.worker_id, forever=True),
        }

    # -- checking ------------------------------------------------------------------------------------------

    def user(self, request: Request) -> str:
        """Whose session a REST request carries; raises 401 INVALID_SESSION_ID."""
        owner = self.tokens.owner(request.bearer)
        if owner is None:
            raise fail(401, "INVALID_SESSION_ID", "Session expired or invalid")
        return owner

    # -- OAuth ---------------------------------------------------------------------------------------------

    def token(self, request: Request) -> Response:
        """POST /services/oauth2/token"""
        form = {**{name: values[0] for name, values in request.query.items()}, **request.form()}
        basic = _basic(request.header("authorization"))
        if basic is not None:
            form["client_id"], form["client_secret"] = basic
        grant = form.get("grant_type", "")
        checks = {
            "client_credentials": self._client,
            "password": self._password,
            "refresh_token": self._refresh,
            JWT_BEARER: self._jwt,
        }
        if grant not in checks:
            raise _refused("unsupported_grant_type", "grant type not supported")
        extra = checks[grant](form, request)
        body = {
            "access_token": self.tokens.issue(self._org.worker_id),
            "signature": "c2FuZGJveCBzaWduYXR1cmU=",
            "scope": "api refresh_token",
            "instance_url": request.base_url,
            "id": f"{request.base_url}/id/{self._org.org_id}/{self._org.worker_id}",
            "token_type": "Bearer",
            "issued_at": str(int(self._org.now() * 1000)),
            **extra,
        }
        return Response.json(body)

    def revoke(self, request: Request) -> Response:
        """POST /services/oauth2/revoke"""
        token = request.form().get("token") or request.param("token")
        self.tokens.revoke(token)
        self.refresh_tokens.revoke(token)
        return Response(200)

    def _client(self, form: dict[str, str], _request: Request) -> dict[str, str]:
        if form.get("client_id") != self.credentials["client_id"]:
            raise _refused("invalid_client_id", "client identifier invalid")
        if form.get("client_secret") != self.credentials["client_secret"]:
            raise _refused("invalid_client", "invalid client credentials")
        return {}

    def _password(self, form: dict[str, str], request: Request) -> dict[str, str]:
        self._client(form, request)
        if not self._knows(form.get("username", ""), form.get("password", "")):
            raise _refused("invalid_grant", "authentication failure")
        return {}

    def _refresh(self, form: dict[str, str], _request: Request) -> dict[str, str]:
        if form.get("client_id") != self.credentials["client_id"]:
            raise _refused("invalid_client_id", "client identifier invalid")
        old = form.get("refresh_token", "")
        if self.refresh_tokens.owner(old) is None:
            raise _refused("invalid_grant", "expired access/refresh token")
        if not self._org.switches.sf_rotate_refresh_tokens:
            return {}
        self.refresh_tokens.revoke(old)
        self.credentials["refresh_token"] = self.refresh_tokens.issue(self._org.worker_id, forever=True)
        return {"refresh_token": self.credentials["refresh_token"]}

    def _jwt(self, form: dict[str, str], request: Request) -> dict[str, str]:
        header, claims = _decode_jwt(form.get("assertion", ""))
        if header.get("alg") != "RS256":
            raise _refused("invalid_grant", "invalid assertion")
        if claims.get("iss") != self.credentials["client_id"]:
            raise _refused("invalid_client_id", "client identifier invalid")
        if claims.get("sub", claims.get("prn")) != self.credentials["username"]:
            raise _refused("invalid_grant", "user hasn't approved this consumer")
        audience = str(claims.get("aud")).rstrip("/")
        if not _AUDIENCE.fullmatch(audience) and audience.split("://")[-1] != request.base_url[7:]:
            raise _refused("invalid_grant", "audience is invalid")
        try:
            left = float(claims["exp"]) - self._org.now()  # simple-salesforce sends it as text
        except (KeyError, TypeError, ValueError):
            raise _refused("invalid_grant", "invalid assertion") from None
        if not 0 < left <= JWT_LIFE:
            raise _refused("invalid_grant", "expired authorization code")
        return {}

    def _knows(self, username: str, password: str) -> bool:
        known = self.credentials
        return username == known["username"] and password == known["password"] + known["security_token"]

    # -- SOAP ----------------------------------------------------------------------------------------------

    def soap_login(self, request: Request, version: str) -> Response:
        """POST /services/Soap/u/59.0"""
        if float(version) > LAST_SOAP_VERSION:
            return _soap_fault("UNSUPPORTED_API_VERSION", "login() is not available in this API version")
        text = request.body.decode("utf-8", "replace")
        username, password = _element(text, "username"), _element(text, "password")
        if not self._knows(username, password):
            return _soap_fault(
                "INVALID_LOGIN", "Invalid username, password, security token; or user locked out."
            )
        url = f"{request.base_url}/services/Soap/u/{version}/{self._org.org_id[:15]}"
        body = (
            "<loginResponse><result>"
            f"<metadataServerUrl>{escape(url.replace('/u/', '/m/'))}</metadataServerUrl>"
            f"<passwordExpired>false</passwordExpired><sandbox>false</sandbox><serverUrl>{escape(url)}</serverUrl>"
            f"<sessionId>{self.tokens.issue(self._org.worker_id)}</sessionId>"
            f"<userId>{self._org.worker_id}</userId><userInfo>"
            f"<organizationId>{self._org.org_id}</organizationId>"
            f"<sessionSecondsValid>{int(self._org.switches.sf_token_lifetime)}</sessionSecondsValid>"
            f"<userName>{escape(username)}</userName></userInfo></result></loginResponse>"
        )
        return _soap(body, 200)

    # -- identity ------------------------------------------------------------------------------------------

    def userinfo(self, request: Request) -> Response:
        """GET /services/oauth2/userinfo, and the identity URL /id/ORG/USER"""
        owner = self.tokens.owner(request.bearer)
        if owner is None:
            return Response.text("Bad_OAuth_Token", 403, "text/html;charset=UTF-8")
        user = self._org.record("User", owner)
        values: dict[str, Any] = user.values if user is not None else {}
        rest = f"{request.base_url}/services/data/v{{version}}/"
        return Response.json(
            {
                "sub": f"{request.base_url}/id/{self._org.org_id}/{owner}",
                "id": f"{request.base_url}/id/{self._org.org_id}/{owner}",
                "user_id": owner,
                "organization_id": self._org.org_id,
                "preferred_username": values.get("Username"),
                "username": values.get("Username"),
                "nickname": values.get("Alias"),
                "name": values.get("Name"),
                "display_name": values.get("Name"),
                "email": values.get("Email"),
                "email_verified": True,
                "given_name": values.get("FirstName"),
                "family_name": values.get("LastName"),
                "zoneinfo": values.get("TimeZoneSidKey"),
                "active": bool(values.get("IsActive")),
                "user_type": str(values.get("UserType", "")).upper(),
                "urls": {"rest": rest, "query": rest + "query/", "sobjects": rest + "sobjects/"},
            }
        )


def _refused(error: str, description: str) -> Answer:
    return Answer(Response.json({"error": error, "error_description": description}, 400))


def _basic(header: str) -> tuple[str, str] | None:
    scheme, _, rest = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, _, secret = base64.b64decode(rest, validate=True).decode("utf-8").partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return name, secret


def _decode_jwt(assertion: str) -> tuple[dict[str, Any], dict[str, Any]]:
    parts = assertion.split(".")
    try:
        if len(parts) != 3 or not parts[2]:
            raise ValueError(assertion)
        header, claims = (
            json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))) for part in parts[:2]
        )
    except ValueError:
        raise _refused("invalid_grant", "invalid assertion") from None
    return header, claims


def _element(xml: str, name: str) -> str:
    match = re.search(rf"<(?:\w+:)?{name}>(.*?)</(?:\w+:)?{name}>", xml, re.DOTALL)
    return unescape(match.group(1), {"&quot;": '"', "&apos;": "'", "&#39;": "'"}) if match else ""


def _soap(body: str, status: int) -> Response:
    envelope = (
        '<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope '
        'xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns="urn:partner.soap.sforce.com" '
        'xmlns:sf="urn:fault.partner.soap.sforce.com" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
        f"<soapenv:Body>{body}</soapenv:Body></soapenv:Envelope>"
    )
    return Response.text(envelope, status, "text/xml;charset=UTF-8")


def _soap_fault(code: str, message: str) -> Response:
    fault = (
        f"<soapenv:Fault><faultcode>sf:{code}</faultcode><faultstring>{code}: {escape(message)}</faultstring>"
        f"<detail><sf:LoginFault><sf:exceptionCode>{code}</sf:exceptionCode>"
        f"<sf:exceptionMessage>{escape(message)}</sf:exceptionMessage></sf:LoginFault></detail></soapenv:Fault>"
    )
    return _soap(fault, 500)
