"""Register, log in, and see your own traces and nobody else's."""

import re
from uuid import uuid4

import httpx
import pytest

from test_verification import span

PASSWORD = "correct horse battery staple"


def browser(server):
    """A client with cookies and the origin a browser on the dashboard would send."""
    return httpx.Client(base_url=server.url, headers={"Origin": server.url}, timeout=30, trust_env=False)


def registered(server):
    someone = browser(server)
    email = f"{uuid4().hex}@example.com"
    answer = someone.post(
        "/api/v1/auth/register", json={"email": email, "password": PASSWORD, "display_name": "Ann"}
    )
    assert answer.status_code == 201, answer.text
    assert {"user_id", "email", "role"} <= set(answer.json())
    login = someone.post("/api/v1/auth/login", json={"email": email, "password": PASSWORD})
    assert login.status_code == 200, login.text
    cookie = login.headers["set-cookie"]
    assert "HttpOnly" in cookie and re.search("SameSite=(Lax|Strict)", cookie)
    return someone, email


def test_a_newcomer_sees_an_empty_list_then_their_own_traces_only(server):
    ann, _ = registered(server)
    bob, _ = registered(server)
    assert ann.get("/api/v1/traces").json()["data"] == []
    made = ann.post("/api/v1/keys", json={"name": "My Agent", "scopes": ["ingest"], "prefix": "sk-at"})
    assert made.is_success, made.text
    secret = made.json()["key"]
    assert secret.startswith("sk-at-")
    trace_id = str(uuid4())
    assert server.client(secret).post(
        "/api/v1/ingest/spans", json={"batch": [span(trace_id)]}
    ).is_success
    assert [row["trace_id"] for row in ann.get("/api/v1/traces").json()["data"]] == [trace_id]
    assert ann.get(f"/api/v1/traces/{trace_id}").status_code == 200
    assert bob.get(f"/api/v1/traces/{trace_id}").status_code == 404
    assert bob.get("/api/v1/traces").json()["data"] == []
    assert secret not in ann.get("/api/v1/keys").text, "a secret is shown once"


def test_two_workspaces_may_use_the_same_ids(server, key, trace_id):
    ann, _ = registered(server)
    made = ann.post("/api/v1/keys", json={"name": "k", "scopes": ["ingest", "read"]}).json()
    secret = made["key"]
    for who, name in ((key, "default's"), (secret, "ann's")):
        body = {"batch": [span(trace_id, span_id="same", name=name)]}
        assert server.client(who).post("/api/v1/ingest/spans", json=body).is_success
    names = [
        server.client(who).get(f"/api/v1/traces/{trace_id}").json()["data"]["spans"][0]["name"]
        for who in (key, secret)
    ]
    assert names == ["default's", "ann's"]


def test_a_wrong_password_is_401_and_an_email_is_taken_once(server):
    ann, email = registered(server)
    wrong = browser(server).post("/api/v1/auth/login", json={"email": email, "password": "x" * 12})
    assert wrong.status_code == 401
    again = browser(server).post(
        "/api/v1/auth/register", json={"email": email.upper(), "password": PASSWORD}
    )
    assert again.status_code == 409


def test_logging_out_ends_the_session(server):
    ann, _ = registered(server)
    assert ann.get("/api/v1/traces").status_code == 200
    cookies = dict(ann.cookies)
    assert ann.post("/api/v1/auth/logout").is_success
    stale = httpx.get(f"{server.url}/api/v1/traces", cookies=cookies)
    assert stale.status_code == 401, "the row is gone, not only the cookie"


def test_cookies_do_not_ingest_and_foreign_origins_do_not_act(server):
    ann, _ = registered(server)
    assert ann.post("/api/v1/ingest/spans", json={"batch": []}).status_code == 401
    foreign = ann.post(
        "/api/v1/keys", json={"name": "k", "scopes": ["ingest"]},
        headers={"Origin": "https://evil.example"},
    )  # fmt: skip
    assert foreign.status_code == 403


def test_guessing_passwords_is_slowed_down(fresh):
    server = fresh().start()
    ann, email = registered(server)
    stranger = browser(server)
    answers = [
        stranger.post("/api/v1/auth/login", json={"email": email, "password": f"guess {n} xx"})
        for n in range(15)
    ]
    assert answers[0].status_code == 401
    assert answers[-1].status_code == 429
    assert int(answers[-1].headers["retry-after"]) >= 1


def test_cross_origin_reads_are_by_allow_list(fresh):
    server = fresh("--cors-origin", "https://ui.example").start()
    ask = lambda origin: httpx.options(  # noqa: E731
        f"{server.url}/api/v1/traces",
        headers={"Origin": origin, "Access-Control-Request-Method": "GET"},
    ).headers.get("access-control-allow-origin")
    assert ask("https://ui.example") == "https://ui.example"
    assert ask("https://evil.example") is None


@pytest.mark.parametrize("prefix", ["exk", "akt", "sk-at"])
def test_every_key_works_on_every_door(server, prefix):
    key = server.create_key("ingest,read", prefix=prefix)
    client = server.client(key)
    assert client.post("/api/v1/ingest/spans", json={"batch": [span(str(uuid4()))]}).is_success
    assert client.post("/api/traces", json={"model": "gpt-4o", "input": "x"}).is_success
    assert client.post("/v1/traces", json={"resourceSpans": []}).is_success
