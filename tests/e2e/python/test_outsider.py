"""What somebody finds who has read only the guide: rules on tools and duties, reviews, exports."""

import csv
import io
import json

import pytest

from exhibit import Exhibit, eventually
from test_verification import span

POLICY = """
version: 1
policy: desk
rules:
  - id: wire
    title: Somebody looks at every wire
    severity: medium
    when: {tool: wire}
    then: [review]
  - id: apart
    title: Project Orchid is kept apart
    severity: high
    when: {metadata.project: orchid}
    then: [quarantine]
  - id: environment
    title: The environment is known
    severity: low
    must: {environment: {in: [prod, test]}}
    then: [{tag: unknown-environment}]
  - id: often
    title: Too many searches
    severity: medium
    when: {calls: {tool: search, count: ">2"}}
    then: [flag]
"""


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    """A server with a policy, whose traces are sealed at once."""
    rules = tmp_path_factory.mktemp("rules")
    (rules / "policies").mkdir()
    (rules / "policies" / "desk.yaml").write_text(POLICY)
    place = tmp_path_factory.mktemp("desk") / "data"
    with Exhibit(place, "--rules-dir", str(rules), "--seal-after", "0s") as exhibit:
        exhibit.rules = rules
        yield exhibit


@pytest.fixture
def clerk(desk):
    """Reads and reviews."""
    with desk.client(desk.create_key("ingest,read,review,export,admin")) as client:
        yield client


def step(trace_id, name, **changes):
    return span(trace_id, span_type="tool", name=name, environment="prod") | changes


def send(api, *spans):
    answer = api.post("/api/v1/ingest/spans", json={"batch": list(spans)})
    assert answer.is_success, answer.text


def read(api, trace_id):
    return api.get(f"/api/v1/traces/{trace_id}").json()["data"]


def review_of(api, trace_id, state):
    def look():
        rows = api.get("/api/v1/reviews", params={"state": state, "limit": 500}).json()["data"]
        return next((row for row in rows if row["trace_id"] == trace_id), None)

    found = eventually(look)
    assert found, f"no {state} review of {trace_id}"
    return found


def decide(api, review, deed, **more):
    return api.post(f"/api/v1/reviews/{review['review_id']}/acts", json={"deed": deed, **more})


@pytest.mark.parametrize(
    "calls",
    [None, [{"tool_name": "wire", "arguments": {}, "result": {"output": "done"}}]],
    ids=["by its name", "by its call"],
)
def test_a_native_step_of_the_kind_tool_is_seen_by_rules_on_tools(desk, clerk, trace_id, calls):
    send(clerk, step(trace_id, "wire" if calls is None else "call the bank", tool_calls=calls))
    found = read(clerk, trace_id)
    assert found["tools"] == ["wire"]
    assert found["verdict"] == "review"


@pytest.mark.parametrize("deed, verdict", [("approved", "warning"), ("rejected", "fail")])
def test_a_decision_about_what_was_never_quarantined_is_in_the_verdict(
    desk, clerk, trace_id, deed, verdict
):
    send(clerk, step(trace_id, "wire"))
    assert read(clerk, trace_id)["verdict"] == "review"
    assert decide(clerk, review_of(clerk, trace_id, "open"), deed).is_success
    found = read(clerk, trace_id)
    assert (found["verdict"], found["reviews"]) == (verdict, [deed])
    listed = clerk.get("/api/v1/traces", params={"filter": f"id = {trace_id} verdict = {verdict}"})
    assert [row["trace_id"] for row in listed.json()["data"]] == [trace_id]
    assert desk.verify()[0] == 0


def test_a_step_after_the_decision_opens_the_review_again(desk, clerk, trace_id):
    send(clerk, step(trace_id, "read", metadata={"project": "orchid"}))
    assert decide(clerk, review_of(clerk, trace_id, "open"), "approved").is_success
    assert not read(clerk, trace_id)["quarantined"]
    send(clerk, step(trace_id, "read more", metadata={"project": "orchid"}))
    assert read(clerk, trace_id)["quarantined"]
    assert decide(clerk, review_of(clerk, trace_id, "open"), "approved").is_success
    assert not read(clerk, trace_id)["quarantined"]
    assert desk.verify()[0] == 0


def test_a_registration_that_was_quarantined_can_be_released(clerk, trace_id):
    told = {"trace_id": trace_id, "agent_name": "a", "environment": "prod"}
    told["metadata"] = {"project": "orchid"}
    assert clerk.post("/api/v1/ingest/traces", json={"trace": told}).is_success
    assert read(clerk, trace_id)["quarantined"]
    assert decide(clerk, review_of(clerk, trace_id, "open"), "approved").is_success
    assert not read(clerk, trace_id)["quarantined"]


def test_what_a_rule_says_of_a_trace_is_not_judged_as_a_step(clerk, trace_id):
    send(clerk, *(step(trace_id, "search") for _ in range(3)))
    found = eventually(lambda: [t for t in [read(clerk, trace_id)] if t["rules"]], seconds=20)
    assert found[0]["rules"] == ["desk/often"]
    assert found[0]["tags"] == []


@pytest.mark.parametrize(
    "rule, words",
    [
        ("when: {tool: wire}\n    then: flag", "then: must be a list of actions"),
        ("when: {model: gpt-4o*}\n    then: [flag]", "`*` stands for nothing here"),
    ],
)
def test_what_is_wrong_with_a_rule_is_said_in_words_that_help(clerk, rule, words):
    text = f"version: 1\npolicy: new\nrules:\n  - id: one\n    {rule}\n"
    answer = clerk.post("/api/v1/govern/check", json={"name": "policies/new.yaml", "text": text})
    [problem] = answer.json()["data"]["problems"]
    assert words in problem["message"], problem
    assert problem["line"], problem


def test_stamps_beyond_what_can_be_stored_are_put_at_the_edge_and_flagged(clerk, trace_id):
    send(clerk, span(trace_id, start_time="9999-12-31T23:59:59Z", end_time=None, status="running"))
    [one] = read(clerk, trace_id)["spans"]
    assert "future-stamp" in one["flags"]
    assert one["start_time"].startswith("2262-")


@pytest.mark.parametrize("name", ["attestation_id", "traceId", "id"])
def test_a_trace_is_verified_by_its_id_under_any_of_its_names(clerk, trace_id, name):
    send(clerk, step(trace_id, "search"))
    answer = clerk.post("/api/verification/verify", json={name: trace_id})
    assert answer.is_success, answer.text
    assert answer.json()["attestation_id"] == trace_id


def test_an_export_holds_the_selection_in_every_format_and_nothing_quarantined(
    desk, clerk, trace_id
):
    word = "xylographer"
    send(
        clerk,
        step(trace_id, "=1+1", output={"a": 'x, "y"\nz'}, session_id=trace_id),
        step(f"{trace_id}-q", "q", metadata={"project": "orchid"}, input={"q": word}),
    )
    asked = {"filter": f"id in ({trace_id}, {trace_id}-q)"}
    bodies = {}
    for form in ("jsonl", "json", "csv", "parquet", "otlp"):
        answer = clerk.post("/api/v1/export/spans", json=asked | {"format": form})
        assert answer.is_success, answer.text
        assert answer.headers["x-exhibit-traces"] == "2"
        assert word.encode() not in answer.content, form
        bodies[form] = answer.content
    lines = [json.loads(line) for line in bodies["jsonl"].splitlines()]
    assert lines == json.loads(bodies["json"])
    rows = list(csv.DictReader(io.StringIO(bodies["csv"].decode(), newline="")))
    assert [row["trace_id"] for row in rows] == [line["trace_id"] for line in lines]
    [mine] = [row for row in rows if row["trace_id"] == trace_id]
    assert mine["name"] == "'=1+1" and json.loads(mine["output"]) == {"a": 'x, "y"\nz'}
    assert bodies["parquet"][:4] == bodies["parquet"][-4:] == b"PAR1"
    requests = [json.loads(line) for line in bodies["otlp"].splitlines()]
    assert len(requests) == 2
    with desk.client(desk.create_key("ingest")) as other:
        for request in requests:
            assert other.post("/v1/traces", json=request).json() == {}
    for wrong in ({"format": "xml"}, {"filter": "stat = ok"}, {"trace_id": "nowhere"}):
        assert clerk.post("/api/v1/export/spans", json=wrong).status_code in (400, 404, 422)
    with desk.client(desk.create_key("ingest,read")) as other:
        assert other.post("/api/v1/export/spans", json={}).status_code == 403


def test_an_export_can_be_taken_in_pieces(clerk, trace_id):
    send(clerk, *(step(f"{trace_id}-{n}", "search", session_id=trace_id) for n in range(5)))
    seen, cursor = [], None
    while True:
        asked = {"filter": f"session = {trace_id}", "limit": 2, "cursor": cursor}
        answer = clerk.post("/api/v1/export/spans", json=asked)
        seen += [json.loads(line)["trace_id"] for line in answer.text.splitlines()]
        cursor = answer.headers.get("x-exhibit-next-cursor")
        if not cursor:
            break
    assert sorted(seen) == [f"{trace_id}-{n}" for n in range(5)]


def test_a_hold_that_is_not_there_is_named_as_such(desk):
    from exhibit import run

    args = ("--data-dir", str(desk.data_dir), "--reason", "settled")
    ran = run("holds", "release", "hold_0000000000000000", *args)
    assert ran.returncode == 1
    assert "there is no such" in ran.stderr and "version" not in ran.stderr


def test_a_long_prompt_can_be_decided(clerk):
    mail = "ann" + "@" + "acme-corp.example"
    asked = {"input": "a word " * 100_000 + mail, "tool": "wire"}
    answer = clerk.post("/api/v1/govern/decide", json=asked)
    assert answer.is_success, answer.text
    assert answer.json()["data"]["decision"] == "review"
