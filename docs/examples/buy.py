#!/usr/bin/env python3
"""Buys two seats from Utsavam, looks at them, and gives them back.

    python3 docs/examples/buy.py http://127.0.0.1:8000 [EVENT_ID]

Needs nothing but Python 3.10. What matters to any client is in `ask`: whoever hears "not now",
or nothing at all, asks again, and a booking is repeated under its key, so it is made once.
"""

import http.client
import json
import sys
import time
import urllib.error
import urllib.request
import uuid

# Seconds: for one answer, and until a client gives up. The server answers within a minute.
ANSWER_MAX = 65
PATIENCE = 120

# "Too many requests", and what a server or a balancer says that cannot answer now.
NOT_NOW = {429, 502, 503, 504}


def refusal(answer):
    """What an answer that is no, or an error, comes to; not every server at an address is ours."""
    try:
        return Refused(json.load(answer))
    except (ValueError, TypeError, KeyError):
        return Away(f"{answer.url} answers {answer.code} {answer.reason}: is it Utsavam?")


class Refused(Exception):
    """The answer is no. Programs decide by `code`, which stays as it is."""

    def __init__(self, problem):
        super().__init__(problem["detail"])
        self.code = problem["code"]


class Away(Exception):
    """There was no answer, or always "not now", for as long as we wait."""


class Utsavam:
    def __init__(self, base):
        self.base = base
        self.token = None

    def ask(self, method, path, body=None, headers=None):
        """Makes a request until it is answered with yes or no; returns what the answer holds."""
        give_up = time.monotonic() + PATIENCE
        said = None
        while True:
            wait = 1
            try:
                return self.ask_once(method, path, body, headers or {})
            except urllib.error.HTTPError as answer:
                if answer.code not in NOT_NOW:
                    raise refusal(answer) from None
                wait = int(answer.headers.get("Retry-After", wait))
                trouble = f"{self.base} answers {answer.code} {answer.reason}"
            except (OSError, http.client.HTTPException) as no_answer:
                trouble = f"{self.base} does not answer: {getattr(no_answer, 'reason', no_answer)}"
            except ValueError:
                raise Away(f"{self.base} answers what is no JSON: is it Utsavam?") from None
            if time.monotonic() + wait > give_up:
                raise Away(f"{trouble}; giving up after {PATIENCE} s")
            if trouble != said:
                print(f"{trouble}; asking again for up to {PATIENCE} s", file=sys.stderr)
                said = trouble
            time.sleep(wait)

    def ask_once(self, method, path, body, headers):
        request = urllib.request.Request(self.base + path, method=method, headers=dict(headers))
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("Content-Type", "application/json")
        if self.token is not None:
            request.add_header("Authorization", f"Bearer {self.token}")
        with urllib.request.urlopen(request, timeout=ANSWER_MAX) as answer:
            content = answer.read()
            return json.loads(content) if content else None

    def log_in(self, email, password):
        try:
            self.ask("POST", "/users", {"email": email, "password": password})
        except Refused as refusal:
            # Also when the first answer was lost and this is the second try.
            if refusal.code != "email_taken":
                raise
        session = self.ask("POST", "/auth/login", {"email": email, "password": password})
        self.token = session["access_token"]

    def book(self, event_id, seats):
        # One key for one wish, kept with the order, and the same however often it is asked.
        key = {"Idempotency-Key": f'"{uuid.uuid4()}"'}
        return self.ask("POST", "/bookings", {"event_id": event_id, "seats": seats}, key)


def main():
    if len(sys.argv) not in (2, 3) or not sys.argv[1].startswith(("http://", "https://")):
        sys.exit(__doc__)
    utsavam = Utsavam(sys.argv[1].rstrip("/"))
    utsavam.log_in(f"{uuid.uuid4().hex}@example.com", "correct horse battery")

    if len(sys.argv) == 3:
        event = utsavam.ask("GET", f"/events/{sys.argv[2]}")
    else:
        event = next((e for e in utsavam.ask("GET", "/events") if e["seats_available"] >= 2), None)
        if event is None:
            sys.exit("no event has two seats left")
    print(f"{event['name']}: {event['seats_available']} seats left")

    try:
        booking = utsavam.book(event["id"], 2)
    except Refused as refusal:
        # not_enough_seats, event_started, sales_paused …: docs/api.md has all of them.
        sys.exit(f"no seats for us ({refusal.code}): {refusal}")
    booking_id = booking["booking_id"]
    print(f"booking {booking_id}: {booking['seats']} seats, {booking['status']}")

    mine = utsavam.ask("GET", "/users/me/bookings")
    assert [b["id"] for b in mine] == [booking_id]

    print(f"booking {booking_id}: {utsavam.ask('DELETE', f'/bookings/{booking_id}')['status']}")


if __name__ == "__main__":
    try:
        main()
    except Refused as refused:
        sys.exit(f"refused ({refused.code}): {refused}")
    except Away as away:
        sys.exit(str(away))
