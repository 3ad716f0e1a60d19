"""The room plan over HTTP."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.testclient import TestClient

from backend.inventory.model import RoomPlan
from backend.rest.headers import SecurityHeaders
from backend.rest.room_plan import PATH, plan_route

SCRIPTED = b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 3 2"><script>alert(1)</script></svg>'


def client(plan: RoomPlan | None) -> TestClient:
    return TestClient(SecurityHeaders(Starlette(routes=[plan_route(plan)])))


def test_a_drawing_is_served_so_that_nothing_in_it_runs() -> None:
    answer = client(RoomPlan("image/svg+xml", 1.5, SCRIPTED, "abc")).get(PATH)
    assert answer.content == SCRIPTED
    assert answer.headers["content-type"] == "image/svg+xml"
    assert answer.headers["x-content-type-options"] == "nosniff"
    policy = [part.strip() for part in answer.headers["content-security-policy"].split(";")]
    assert "default-src 'none'" in policy
    assert "sandbox" in policy
    assert not any(part.startswith("script-src") for part in policy)


def test_a_current_plan_is_answered_with_304() -> None:
    http = client(RoomPlan("image/png", 1.5, b"\x89PNG", "abc"))
    tag = http.get(PATH).headers["etag"]
    second = http.get(PATH, headers={"If-None-Match": tag})
    assert (second.status_code, second.content) == (304, b"")


def test_a_missing_plan_is_a_404() -> None:
    answer = client(None).get(PATH)
    assert answer.status_code == 404
    assert "room_plan.svg" in answer.text
