"""Walks through Meterline's HTTP API with a client that was generated from its OpenAPI document.

The same calls as those of the README beside it, with assertions: an account with a plan, events,
usage, limits, alerts, a check that is allowed and one that is refused, keys, and what is refused.
The key of an admin is in $METERLINE_KEY; the catalog is schemas/catalogs/demo.yaml.
"""

import argparse
import json
import os
import sys
import time
import uuid
from datetime import datetime, timezone

from meterline_http import AuthenticatedClient
from meterline_http.api.accounts import account_history, get_account, get_plans, put_account
from meterline_http.api.alerts import list_alerts
from meterline_http.api.events import publish_events
from meterline_http.api.keys import create_key, list_keys, revoke_key, rotate_key
from meterline_http.api.limits import check_limits, get_limits
from meterline_http.api.usage import list_usage
from meterline_http.models import (
    AccountBody,
    CheckRequest,
    CloudEvent,
    KeyBody,
    Level,
    RevokeBody,
    Role,
    RotateBody,
)

# Far above what anything takes; only a failing walk waits for it.
PATIENCE_SECONDS = 60
POLL_SECONDS = 0.1
LIMIT = 3


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="http://localhost:8420", help="where the API is")
    parser.add_argument("--ca", help="file with the authority of its certificate")
    return parser.parse_args()


def answered(response, status):
    """What was answered, which must have this status."""
    if response.status_code != status:
        raise AssertionError(f"{response.status_code}, not {status}: {response.content.decode()}")
    return response.parsed


def refused(response, status, kind):
    """The problem that was answered, in the form of RFC 9457."""
    problem = answered(response, status)
    media_type = response.headers["content-type"]
    assert media_type == "application/problem+json", media_type
    assert problem.type_ == f"urn:meterline:problem:{kind}", problem
    assert problem.status == status, problem
    return problem


def awaited(what, ask):
    """The first answer that is one: usage is counted within seconds."""
    end = time.monotonic() + PATIENCE_SECONDS
    while (answer := ask()) is None:
        if time.monotonic() > end:
            raise AssertionError(f"never: {what}")
        time.sleep(POLL_SECONDS)
    return answer


def event(tenant):
    return {
        "specversion": "1.0",
        "id": str(uuid.uuid4()),
        "source": "//examples/http",
        "type": "http.request",
        "subject": tenant,
        "time": datetime.now(timezone.utc).isoformat(),
        "data": {"method": "GET", "status": 200, "bytes": 30067},
    }


class Walk:
    def __init__(self, url, ca):
        self.url = url
        self.verify = ca or True
        self.admin = self.client(os.environ["METERLINE_KEY"])
        # New names, so that the walk can be made again.
        run = uuid.uuid4().hex[:8]
        self.tenant, self.other = f"acme-{run}", f"globex-{run}"

    def client(self, token):
        # What is answered otherwise than the document says is an error.
        return AuthenticatedClient(base_url=self.url, token=token, verify_ssl=self.verify,
                                   raise_on_unexpected_status=True)

    def account(self):
        plans = answered(get_plans.sync_detailed(client=self.admin), 200).plans
        assert plans.default_plan == "visitor", plans
        assert [plan.name for plan in plans.plans] == ["visitor", "partner"], plans
        terms = {"plan": "visitor", "start": "2026-01-31",
                 "overrides": {"http_requests": {"limit": str(LIMIT)}}}
        for tenant in (self.tenant, self.other):
            body = AccountBody.from_dict({"terms": terms, "note": "the walk"})
            made = answered(put_account.sync_detailed(tenant, client=self.admin, body=body), 200)
        # The same change again is based on nothing: somebody was first.
        conflict = put_account.sync_detailed(self.other, client=self.admin, body=body)
        assert refused(conflict, 409, "conflict").current["head"] == made.head
        response = get_account.sync_detailed(self.other, client=self.admin)
        assert response.headers["etag"] == f'"{made.head}"'
        terms = answered(response, 200).terms
        assert terms.overrides["http_requests"].limit == str(LIMIT), terms
        page = answered(account_history.sync_detailed(self.other, client=self.admin), 200)
        (version,) = page.items
        assert (version.head, version.note) == (made.head, "the walk"), version
        assert version.running.value == "keep", version
        print(f"account: {made.terms.plan}, at most {LIMIT} requests a month")

    def check(self, meter, quantity="1", enforce=False):
        body = CheckRequest(tenant=self.tenant, meter=meter, quantity=quantity)
        return check_limits.sync_detailed(client=self.admin, body=body, enforce=enforce)

    def allowed(self):
        answer = answered(self.check("http_requests", str(LIMIT), enforce=True), 200)
        (meter,) = answer.meters
        assert answer.allowed and meter.reason == "within", answer
        assert (meter.used, meter.limit, meter.remaining) == ("0", str(LIMIT), str(LIMIT)), meter
        print(f"check: allowed, {meter.remaining} remaining")

    def events(self):
        # The one raw call, by the client's own connection: the generated operation takes batches
        # only, for the reason that client.yaml has.
        one = json.dumps(event(self.tenant))
        # The same call again is harmless.
        for _ in range(2):
            response = self.admin.get_httpx_client().post(
                "/v1/events", content=one, headers={"content-type": "application/cloudevents+json"})
            assert response.status_code == 202, response.text
            assert response.json()["results"][0]["id"] == json.loads(one)["id"], response.text
        batch = [CloudEvent.from_dict(event(self.tenant)) for _ in range(LIMIT - 1)]
        answer = answered(publish_events.sync_detailed(client=self.admin, body=batch), 202)
        assert (answer.accepted, answer.rejected) == (LIMIT - 1, 0), answer
        nameless = CloudEvent.from_dict(event(""))
        answer = answered(publish_events.sync_detailed(client=self.admin, body=[batch[0], nameless]), 207)
        assert [result.status for result in answer.results] == ["accepted", "rejected"], answer
        assert answer.results[1].reason == "missing_tenant", answer
        print(f"events: 1 and {LIMIT - 1} accepted, each told again, 1 rejected")

    def counted(self):
        def ask():
            page = answered(list_usage.sync_detailed(
                client=self.admin, tenant=self.tenant, meter="http_requests", level=Level.HOUR), 200)
            values = [int(window.value) for window in page.items]
            return page.items if sum(values) == LIMIT else None

        windows = awaited("usage to be counted", ask)
        dimensions = windows[0].dimensions.additional_properties
        assert dimensions == {"method": "GET", "status": "200"}, dimensions
        # By one dimension, and by none: all others are merged.
        for group_by, expected in [("status", {"status": "200"}), ("", {})]:
            response = list_usage.sync_detailed(
                client=self.admin, tenant=self.tenant, meter="http_requests", level=Level.HOUR,
                group_by=group_by)
            found = answered(response, 200).items
            assert sum(int(window.value) for window in found) == LIMIT, found
            assert all(window.dimensions.additional_properties == expected for window in found), found
        print(f"usage: {LIMIT} requests, dimensions method=GET status=200")

    def told(self):
        def ask():
            page = answered(list_alerts.sync_detailed(client=self.admin, tenant=self.tenant), 200)
            return page.items if len(page.items) == 2 else None

        alerts = awaited("both alerts", ask)
        told = sorted((int(alert.threshold), alert.state.value, alert.severity.value) for alert in alerts)
        assert told == [(80, "opened", "warning"), (100, "opened", "critical")], told
        response = list_alerts.sync_detailed(client=self.admin, tenant=self.tenant, open_=True)
        opened = answered(response, 200).items
        assert {alert.notification for alert in opened} == {alert.notification for alert in alerts}
        print("alerts: 80 % opened (warning), 100 % opened (critical)")

    def standing(self):
        def ask():
            answer = answered(get_limits.sync_detailed(self.tenant, client=self.admin), 200)
            used = {meter.meter: meter for meter in answer.meters}
            meter = used.get("http_requests")
            return (answer, meter) if meter and meter.used == str(LIMIT) else None

        answer, meter = awaited("the standing", ask)
        assert (meter.limit, meter.cap.value, answer.health.value) == (str(LIMIT), "hard", "warning")
        print(f"limits: {meter.used} of {meter.limit} used, {answer.health.value}")

    def is_refused(self):
        answer = answered(self.check("http_requests"), 200)
        assert not answer.allowed and answer.meters[0].reason == "hard_cap", answer
        response = self.check("http_requests", enforce=True)
        meter = answered(response, 429).meters[0]
        assert (meter.used, meter.remaining, meter.percentage) == (str(LIMIT), "0", "100.0"), meter
        assert int(response.headers["retry-after"]) > 0
        print(f"check: 429, {meter.reason}, {meter.used} of {meter.limit} used")

    def keys(self):
        body = KeyBody(name="acme's dashboard", roles=[Role.READ], tenants=[self.tenant])
        made = answered(create_key.sync_detailed(client=self.admin, body=body), 201)

        def usage(token, tenant):
            return list_usage.sync_detailed(client=self.client(token), tenant=tenant)

        def held(token, status=200):
            # Decisions reach every instance within seconds.
            awaited(f"a token to be answered {status}",
                    lambda: usage(token, self.tenant).status_code == status or None)

        held(made.token)
        # Another tenant's data is not there, for this key.
        refused(usage(made.token, self.other), 404, "not-found")
        key = self.client(made.token)
        refused(get_limits.sync_detailed(self.other, client=key), 404, "not-found")
        refused(get_account.sync_detailed(self.other, client=key), 404, "not-found")
        refused(list_keys.sync_detailed(client=key), 403, "forbidden")

        def rotate(keep_old_seconds):
            body = RotateBody(keep_old_seconds=keep_old_seconds)
            response = rotate_key.sync_detailed(made.key.id, client=self.admin, body=body)
            return answered(response, 200).token

        # For a while both tokens are good, so that nobody is refused while the new one spreads.
        second = rotate(60)
        held(second)
        assert usage(made.token, self.tenant).status_code == 200
        # At once: a token that somebody else has seen.
        third = rotate(0)
        held(third)
        held(made.token, 401)
        held(second, 401)
        answered(revoke_key.sync_detailed(made.key.id, client=self.admin, body=RevokeBody()), 200)
        held(third, 401)
        refused(usage(third, self.tenant), 401, "unauthenticated")
        print("keys: another tenant is 404; rotated and revoked tokens are 401")

    def wrong(self):
        problem = refused(self.check("http_request"), 404, "not-found")
        assert problem.nearest == "http_requests", problem
        refused(self.check("http_requests", "-1"), 422, "invalid")
        page = list_usage.sync_detailed(client=self.admin, tenant=self.tenant, limit=0)
        refused(page, 400, "bad-request")
        usage = list_usage.sync_detailed(
            client=self.admin, tenant=self.tenant, meter="http_requests", group_by="statu")
        assert refused(usage, 404, "not-found").nearest == "status"
        # A key for all tenants is asked for by name: `*`.
        body = KeyBody(name="for nobody", roles=[Role.READ], tenants=[])
        refused(create_key.sync_detailed(client=self.admin, body=body), 422, "invalid")
        for terms, status, kind, field in [
                ({"plan": "visitors"}, 404, "not-found", "plan"),
                ({"overrides": {"http_requests": {"limit": "-1"}}}, 422, "invalid",
                 "overrides.http_requests.limit")]:
            terms = {"plan": "visitor", "start": "2026-01-31", **terms}
            body = AccountBody.from_dict({"terms": terms})
            wrong = put_account.sync_detailed(f"{self.other}-2", client=self.admin, body=body)
            problem = refused(wrong, status, kind)
            fields = [error.field for error in problem.errors]
            assert fields == [f"terms.{field}"], fields
            assert kind == "invalid" or problem.nearest == "visitor", problem
        print("problems: unknown names have the nearest, fields their path")


def main():
    options = arguments()
    walk = Walk(options.url, options.ca)
    walk.account()
    walk.allowed()
    walk.events()
    walk.counted()
    walk.told()
    walk.standing()
    walk.is_refused()
    walk.keys()
    walk.wrong()
    print("done")


if __name__ == "__main__":
    sys.exit(main())
