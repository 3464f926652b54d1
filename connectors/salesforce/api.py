"""Calling Salesforce: token, budget, retries and the clock around each exchange.

    get, post      read: repeated by the read policy; the decoded JSON, or an error family
    query, follow  read once; the caller repeats them together with its decoding, by `retry`
    send           write: never repeated blindly; the reply of any status, or OutcomeUnknown

A 401 renews the token once, single-flight, and repeats the very same request with all of its headers.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import IO, Any, Final, TypeVar
from urllib.parse import quote, urlencode

import msgspec

from config.settings import SalesforceSettings
from config.world import World
from connectors.errors import (
    AuthFailed,
    ConnectorError,
    Fatal,
    NotOffered,
    QuotaSpent,
    RecordRejected,
    Retriable,
    RightMissing,
)
from connectors.records import Identity, Limits
from connectors.retry import NOT_SENT, Retrier, RetryPolicy
from connectors.salesforce.auth import choose_flow, ids_in_identity_url, origin_of
from connectors.salesforce.client import Timeouts, Transport, open_session, secure
from connectors.salesforce.http import (
    CRM,
    Reply,
    api_usage,
    decode,
    error_of,
    says_dead_session,
    server_time,
)
from connectors.salesforce.sign_in import get_token
from connectors.throttle import Budget

T = TypeVar("T")

OF_THE_QUERY: Final = frozenset(
    {"INVALID_FIELD", "INVALID_TYPE", "MALFORMED_QUERY", "MALFORMED_ID", "QUERY_TOO_COMPLICATED"}
    | {"INVALID_QUERY_FILTER_OPERATOR", "OPERATION_TOO_LARGE", "EXTERNAL_OBJECT_EXCEPTION"}
)
"""Error codes that a query has, whatever it is sent to."""

EVERYTHING: Final = "*"
_FROM: Final = re.compile(r"\bFROM (\w+)")

LONGEST_URL: Final = 15_000
"""Bytes. URI and headers together may hold 16,384 (Status Codes and Error Responses: 414, 431)."""


class Api:
    """One signed-in account. Safe in several threads."""

    def __init__(
        self,
        settings: SalesforceSettings,
        world: World,
        budget: Budget,
        timeouts: Timeouts | None = None,
        policy: RetryPolicy | None = None,
    ) -> None:
        self._settings = settings
        self._world = world
        self._budget = budget
        self._retrier = Retrier(world, policy)
        self._transport = Transport(world, settings.ca_file, timeouts or Timeouts())
        self._flow = choose_flow(settings)
        self._lock = threading.Lock()
        self._renewing = threading.Lock()
        self._session: Any = None  # simple-salesforce's object, replaced as a whole by each sign-in
        self._origin = ""
        self._token = ""
        self._user_id = ""
        self._account_id = ""
        self._user_name = ""
        self._skew = timedelta(0)
        self._unreported = 0
        self._limits = Limits()
        self._slash = "/"  # behind `updated` and `deleted`, until a server is found not to know it
        self.calls = 0
        self._without_bin: set[str] = set()  # objects that queryAll was found to be refused for

    def __repr__(self) -> str:
        return f"Api({self._origin or 'not signed in'})"

    @property
    def user_id(self) -> str:
        """Our own user; "" until signed in, or where Salesforce does not say."""
        return self._user_id

    @property
    def limits(self) -> Limits:
        """The daily quota as last heard."""
        return self._limits

    @property
    def version_path(self) -> str:
        """`/services/data/vXX.0`."""
        return f"/services/data/v{self._settings.api_version}"

    def ask_limits(self) -> None:
        """Hear the quota from the limits resource, where no reply has said it yet."""
        body = self.get("limits")
        daily = body.get("DailyApiRequests") if isinstance(body, dict) else None
        most, left = (daily.get("Max"), daily.get("Remaining")) if isinstance(daily, dict) else (None, None)
        if isinstance(most, int) and isinstance(left, int) and self._limits.limit is None:
            self._limits = Limits(most - left, most)

    def server_ms(self) -> int:
        """The server's clock now, whole seconds in milliseconds, never ahead of it."""
        moment = self._world.now() + self._skew
        return int(moment.timestamp() // 1) * 1000

    # Signing in

    def sign_in(self) -> Identity:
        """Who we are, by a token that works: the one we hold, else a fresh one.

        Raises AuthFailed, NotOffered (API version).
        """
        self._retrier.read(self._ensure_session)
        root = self._root()
        if not self._user_name:
            account, user = ids_in_identity_url(root.get("identity") if isinstance(root, dict) else None)
            info = self._user_info()
            self._account_id = self._account_id or account or str(info.get("organization_id") or "")
            self._user_id = self._user_id or user or str(info.get("user_id") or "")
            self._user_name = str(info.get("preferred_username") or self._settings.username or self._user_id)
        skew = self._skew.total_seconds()
        return Identity(CRM, self._account_id, self._user_id, self._user_name, self._origin, skew)

    def _root(self) -> Any:
        """The resources of our API version. Raises NotOffered when the org has other versions only."""
        try:
            return self.get(self.version_path)
        except (NotOffered, RecordRejected) as error:
            try:
                versions = self.get("/services/data")
            except (NotOffered, RecordRejected):
                return {}  # a server that tells nothing of its versions; what is asked of it next will show
            offered = [str(entry.get("version")) for entry in versions if isinstance(entry, dict)]
            if self._settings.api_version in offered:
                return {}
            what = f"API version {self._settings.api_version}"
            newest = f"; the newest is {offered[-1]}" if offered else ""
            message = f"{what} is not offered{newest}"
            raise NotOffered(message, what=what, crm=CRM, status=error.status) from error

    def _user_info(self) -> dict[str, Any]:
        """The OpenID facts about us; empty when the token's scopes do not cover them."""
        try:
            info = self.get("/services/oauth2/userinfo")
        except QuotaSpent:
            raise
        except ConnectorError:
            return {}  # the token works, as the call before has shown
        return info if isinstance(info, dict) else {}

    def _ensure_session(self) -> tuple[Any, str]:
        with self._lock:
            session, token = self._session, self._token
        if session is None:
            self._renew("")
            with self._lock:
                session, token = self._session, self._token
        return session, token

    def _renew(self, stale: str) -> None:
        """Replace `stale`; whoever comes second finds it replaced already. The origin stays."""
        with self._renewing:
            with self._lock:
                if self._session is not None and self._token != stale:
                    return
            try:
                token = get_token(self._transport, self._settings, self._flow)
            except Retriable as error:
                # Whatever waits for this token was not sent.
                raise Retriable(error.message, delay=error.delay, crm=CRM, code=NOT_SENT) from error
            if self._origin and token.origin != self._origin:
                raise AuthFailed("signing in again led to another host", crm=CRM, code="ORIGIN_CHANGED")
            session = open_session(self._transport, token, self._settings.api_version)
            with self._lock:
                self._session, self._token, self._origin = session, token.secret, token.origin
                self._user_id = token.user_id or self._user_id
                self._account_id = token.account_id or self._account_id

    # Calling

    def get(
        self, path: str, params: Mapping[str, str] | None = None, read: Callable[[Any], Any] | None = None
    ) -> Any:
        """The JSON at a path below the version's (or at a path that starts with `/services`).

        `read` turns it into what the caller wants; a BrokenReply that it raises is asked for again.
        """
        query = "?" + urlencode(params, quote_via=quote) if params else ""

        def call() -> Any:
            body = self._success(self._exchange("GET", path + query, "read", {}))
            return read(body) if read is not None else body

        return self._retrier.read(call)

    def replicated(
        self, object_name: str, what: str, span: Mapping[str, str], read: Callable[[Any], Any] | None = None
    ) -> Any:
        """getUpdated or getDeleted: the guide writes a slash before the `?`, servers may know it without."""
        path = f"sobjects/{object_name}/{what}"
        try:
            return self.get(path + self._slash, span, read)
        except NotOffered as error:
            if error.status != 404 or not self._slash:
                raise
            found = self.get(path, span, read)
        self._slash = ""
        return found

    def query(self, soql: str, *, deleted: bool = False) -> bytes:
        """The body of the first page of a query, asked once; `deleted`: what is in the bin as well.

        Where queryAll is refused although `query` is not, it is not asked again: what was deleted is then
        known by getDeleted and the sweep alone (`lacks_bin`).
        """
        asked = urlencode({"q": soql}, quote_via=quote)
        named = _FROM.search(soql)
        object_name = named[1] if named is not None else ""
        if not deleted or self.lacks_bin(object_name):
            return self._body(f"query?{asked}")
        try:
            return self._body(f"queryAll?{asked}")
        except (NotOffered, RightMissing, RecordRejected) as error:
            if error.code in OF_THE_QUERY:
                raise
            body = self._body(f"query?{asked}")
            # a refusal by itself is about this object; a missing right or path is about all of them
            self._without_bin.add(object_name if isinstance(error, RecordRejected) else EVERYTHING)
        return body

    def lacks_bin(self, object_name: str) -> bool:
        """Whether what is in the bin is not to be had of an object, so far as was found."""
        return not self._without_bin.isdisjoint((object_name, EVERYTHING))

    def follow(self, url: str) -> bytes:
        """The body of a further page, asked once; `url` as the last one gave it. Another host is an error."""
        return self._body(self.path_of(url))

    def download(self, path: str, into: IO[bytes]) -> Mapping[str, str]:
        """Write the body at a path into a file, asked once; the reply's headers, names in lower case."""
        reply = self._exchange("GET", path, "read", {"Accept": "text/csv"}, into=into)
        if reply.status != 200:
            raise self._failure(reply)
        return reply.headers

    def _body(self, path: str) -> bytes:
        reply = self._exchange("GET", path, "read", {})
        if reply.status != 200:
            raise self._failure(reply)
        return reply.body

    def path_of(self, url: str) -> str:
        """The path of a URL that a reply gave. Raises Fatal when it leads to another origin."""
        if url.startswith("/") and not url.startswith("//"):
            return url
        try:
            same = origin_of(url) in (self._origin, secure(self._origin))
        except ValueError:
            same = False
        if not same:
            raise Fatal("a reply leads to another host", crm=CRM, code="FOREIGN_URL")
        return "/" + url.split("/", 3)[3]

    def post(self, path: str, body: Mapping[str, Any], read: Callable[[Any], Any] | None = None) -> Any:
        """A POST without effects on records (collections retrieve, a query job); else as `get`."""
        data = msgspec.json.encode(body)

        def call() -> Any:
            found = self._success(self._exchange("POST", path, "read", {}, data))
            return read(found) if read is not None else found

        return self._retrier.read(call)

    def send(
        self, method: str, path: str, body: Mapping[str, Any], headers: Mapping[str, str] | None = None
    ) -> Reply:
        """A write: its reply, whatever the status. Raises OutcomeUnknown, QuotaSpent, AuthFailed, Retriable.

        Retriable means that it surely had no effect.
        """
        data = msgspec.json.encode(body)

        def call() -> Reply:
            reply = self._exchange(method, path, "write", headers or {}, data)
            if reply.status in (401, 403, 408, 429) or reply.status >= 500:
                error = self._failure(reply)
                if isinstance(error, (AuthFailed, QuotaSpent, Retriable)):
                    raise error  # about the account or the way; every other reply is about the records
            return reply

        return self._retrier.write(call)

    def retry(self, call: Callable[[], T]) -> T:
        """`call`, repeated while its reply cannot be believed: it must be free of effects."""
        return self._retrier.read(call)

    def close(self) -> None:
        """Let go of connections."""
        self._transport.close()

    def _success(self, reply: Reply) -> Any:
        if not 200 <= reply.status < 300:
            raise self._failure(reply)
        return decode(reply.body)

    def _failure(self, reply: Reply) -> ConnectorError:
        error = error_of(reply)
        if isinstance(error, QuotaSpent):
            self._budget.spent(error.until)
        return error

    def _exchange(
        self,
        method: str,
        path: str,
        kind: str,
        headers: Mapping[str, str],
        body: bytes | None = None,
        into: IO[bytes] | None = None,
    ) -> Reply:
        """One call, after the token was renewed if need be; a second refusal of it comes back as it is."""
        session, token = self._ensure_session()
        reply = self._once(session, token, method, path, kind, headers, body, into)
        if self._flow.renewable and says_dead_session(reply):
            self._renew(token)
            session, token = self._ensure_session()
            reply = self._once(session, token, method, path, kind, headers, body, into)
        return reply

    def _once(
        self,
        session: Any,
        token: str,
        method: str,
        path: str,
        kind: str,
        headers: Mapping[str, str],
        body: bytes | None,
        into: IO[bytes] | None,
    ) -> Reply:
        wait = self._budget.acquire(kind)
        if wait > 0:
            self._world.sleep(wait)
        url = secure(self._origin) + path if path.startswith("/") else session.base_url + path
        sent = {
            "Accept": "application/json",
            "Authorization": f"Bearer {token}",
            "X-PrettyPrint": "0",
            **({"Content-Type": "application/json"} if body is not None else {}),
            **headers,
        }
        with self._lock:
            self.calls += 1
            self._unreported += 1
        reply = self._transport.send(method, url, sent, body, into)
        self._note(reply)
        return reply

    def _note(self, reply: Reply) -> None:
        """Learn from the headers of any reply: the server's clock and the account's quota."""
        moment = server_time(reply.headers)
        usage = api_usage(reply.headers)
        with self._lock:
            if moment is not None:
                self._skew = moment - self._world.now()
            if usage is None:
                return
            ours, self._unreported = self._unreported, 0
            self._limits = Limits(*usage)
        self._budget.observe(*usage, ours=ours)
