"""Buyers of a sale with a queue: they join, poll as the API says, and order in their turns. The same as bench/k6/queue.js, for Locust.

    pip install locust
    locust -f bench/locust/buyer.py --headless --users 200 --spawn-rate 50 --run-time 1m --host "$API_URL"

ADMIN_TOKEN opens the sale. STOCK (100), ADMIT_PER_SECOND (20) and START_SECONDS (10) are optional. Locust exits with 1 if a request failed.
"""

import hashlib
import hmac
import os
import random
import time
from datetime import datetime, timezone

import gevent
import requests
from locust import HttpUser, events, task
from locust.exception import StopUser

STOCK = int(os.environ.get("STOCK", "100"))
ADMIT_PER_SECOND = int(os.environ.get("ADMIT_PER_SECOND", "20"))
START_SECONDS = int(os.environ.get("START_SECONDS", "10"))
TRIES_MAX = 5

product = f"locust-{time.time_ns():x}"


@events.test_start.add_listener
def open_sale(environment, **_):
    call(environment, "PUT", f"/products/{product}", 201, {
        "quantity": STOCK,
        "perUserLimit": 1,
        "opensAt": datetime.fromtimestamp(time.time() + START_SECONDS, timezone.utc).isoformat(timespec="milliseconds"),
        "queue": {"admitPerSecond": ADMIT_PER_SECOND, "turnSeconds": 60},
    })


@events.test_stop.add_listener
def close_sale(environment, **_):
    call(environment, "POST", f"/products/{product}/close", 200)


def call(environment, method, path, status, body=None):
    token = {"Authorization": f"Bearer {os.environ['ADMIN_TOKEN']}"}
    answer = requests.request(method, environment.host + path, headers=token, json=body, timeout=15)
    if answer.status_code != status:
        raise SystemExit(f"{method} {path}: {answer.status_code} {answer.text}")


class Buyer(HttpUser):
    """Waits where docs/API.md says, and for nothing else."""

    @task
    def buy(self):
        user = f"buyer-{id(self)}"
        ticket = self.join(user)
        if self.wait_for_turn(ticket):
            self.order(user, ticket)
        raise StopUser

    def join(self, user):
        answer = self.until_answered("POST", f"/queue/{product}", "POST /queue/{id}", json={"userId": user})
        return answer["ticket"]

    def wait_for_turn(self, ticket):
        """Whether there is something to buy when the turn has come."""
        while True:
            state = self.until_answered("GET", f"/queue/{product}", "GET /queue/{id}")
            if has_begun(ticket, state):
                return True
            if state["state"] in ("sold_out", "closed"):
                return False
            gevent.sleep(random.uniform(*state["pollAfterMs"]) / 1000)

    def order(self, user, ticket):
        headers = {"Idempotency-Key": f'"{user}"', "Fluxgate-Ticket": ticket}
        body = {"productId": product, "userId": user}
        self.until_answered("POST", "/orders", "POST /orders", json=body, headers=headers)

    def until_answered(self, method, path, name, **more):
        """A 503 or no answer says nothing: the call is repeated. A sale that is sold out is a normal answer."""
        for _ in range(TRIES_MAX):
            with self.client.request(method, path, name=name, catch_response=True, timeout=10, **more) as answer:
                code = answer.json().get("code") if answer.content else None
                if answer.ok or code == "sold_out":
                    answer.success()
                    return answer.json()
                answer.failure(f"{answer.status_code} {code}")
                if answer.status_code not in (0, 503):
                    break
            gevent.sleep(0.2)
        raise StopUser


def has_begun(ticket, state):
    """docs/API.md: the place of a ticket."""
    number = int(ticket[2:18], 16)
    if number > 0:
        return number <= state["servedLate"]
    if state["seed"] is None:
        return False
    mac = hmac.new(bytes.fromhex(state["seed"]), bytes.fromhex(ticket[18:50]), hashlib.sha256)
    return int(mac.hexdigest()[:13], 16) < state["servedBelow"]
