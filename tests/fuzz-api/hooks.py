"""What schemathesis cannot know of the interface by its description.

Each request gets one credential, of a kind that its call takes. Fixed ones, as
schemathesis.toml could name them, would not do: the calls that are tested log users out,
suspend and erase them, and revoke keys. And a call that takes several kinds is to meet
each of them.

Half of the bookings and logins are completed so that they can succeed.
"""

import os
import zlib

import requests
import schemathesis
from schemathesis import GenerationMode

SERVER = os.environ["FUZZ_SERVER"]
ADMIN_KEY = os.environ["FUZZ_ADMIN_KEY"]
SCOPES = [
    "admin:audit", "admin:events", "admin:users", "bookings:read",
    "bookings:write", "events:read", "users:read", "users:write",
]  # fmt: skip
SECONDS_MAX = 20


def ask(method, path, headers=None, json=None):
    return requests.request(method, SERVER + path, headers=headers, json=json, timeout=SECONDS_MAX)


def expect(status, response):
    if response.status_code != status:
        raise RuntimeError(f"{response.request.url}: {response.status_code} {response.text}")
    return response.json()


class AdminKey:
    """The admin's key is good for ever."""

    def header(self):
        return {"X-Admin-Key": ADMIN_KEY}


class ApiKey:
    """A service with all scopes; another one when somebody revoked it."""

    def __init__(self):
        self.key = None

    def header(self):
        if self.key is None or ask("GET", "/events", {"X-API-Key": self.key}).status_code == 401:
            body = {"name": "Fuzz", "scopes": SCOPES}
            made = expect(201, ask("POST", "/admin/api-keys", {"X-Admin-Key": ADMIN_KEY}, body))
            self.key = made["key"]
        return {"X-API-Key": self.key}


class AccessToken:
    """A user who is logged in; the next one when that one is out, suspended or erased."""

    def __init__(self):
        self.token = None
        self.users = 0

    def login(self):
        """The body of a login that succeeds, while nobody suspends or erases the user."""
        email = f"fuzz-{self.users}@example.com"
        return {"email": email, "password": "correct horse battery"}

    def header(self):
        bearer = {"Authorization": f"Bearer {self.token}"}
        if self.token is None or ask("GET", "/users/me", bearer).status_code == 401:
            self.users += 1
            expect(201, ask("POST", "/users", json=self.login()))
            self.token = expect(200, ask("POST", "/auth/login", json=self.login()))["access_token"]
        return {"Authorization": f"Bearer {self.token}"}


# By the names of the security schemes in the description.
KINDS = {"admin_key": AdminKey(), "api_key": ApiKey(), "access_token": AccessToken()}


def dice(case):
    """A number by what the request says: the same again when it is repeated."""
    request = (case.operation.label, case.path_parameters, case.query, case.body)
    return zlib.crc32(repr(request).encode())


@schemathesis.auth(refresh_interval=None)
class OneCredential:
    def get(self, case, context):
        """The header to send, or nothing where the call is made as a stranger."""
        security = context.operation.definition.raw.get("security", [])
        kinds = [name for requirement in security for name in requirement or {"": []}]
        if not kinds:
            return None
        kind = kinds[dice(case) % len(kinds)]
        return KINDS[kind].header() if kind else None

    def set(self, case, header, context):
        case.headers.update(header)


@schemathesis.hook
def before_call(context, case, **kwargs):
    if not isinstance(case.body, dict):
        return
    # JSON Schema takes 1.0 for an integer and the interface does not, on purpose.
    for member, value in case.body.items():
        if isinstance(value, float) and value.is_integer():
            case.body[member] = int(value)
    is_good = case.meta is not None and case.meta.generation.mode is GenerationMode.POSITIVE
    if not is_good or dice(case) % 2:
        return
    operation = case.operation.definition.raw.get("operationId")
    if operation == "login":
        case.body.update(KINDS["access_token"].login())
    elif operation == "book":
        complete_booking(case)


def complete_booking(case):
    """Lets somebody who is there book an event that is there and sells."""
    admin = KINDS["admin_key"].header()
    expect(200, ask("POST", "/admin/sales/resume", admin))
    for event in ask("GET", "/events?limit=1").json():
        case.body["event_id"] = event["id"]
        expect(200, ask("POST", f"/admin/events/{event['id']}/sales/resume", admin))
    if "Authorization" in case.headers:
        case.body.pop("user_id", None)
        return
    for user in ask("GET", "/admin/users?limit=1&suspended=false", admin).json():
        case.body["user_id"] = user["id"]
