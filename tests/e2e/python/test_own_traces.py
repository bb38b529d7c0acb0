"""The server sends traces of its own work to a receiver of OpenTelemetry; here, to another installation."""

from exhibit import eventually, run
from test_verification import span


def test_the_way_of_a_request_is_a_trace_without_its_content(fresh, trace_id):
    receiver = fresh().start()
    receiver_key = receiver.create_key("ingest,read")
    env = {
        "EXHIBIT_OWN_TRACES": receiver.otlp_http,
        "OTEL_EXPORTER_OTLP_HEADERS": f"authorization=Bearer%20{receiver_key}",
    }
    exhibit = fresh(env=env).start()
    with exhibit.client(exhibit.create_key("ingest")) as api:
        sent = span(trace_id, input={"prompt": "cinnamon and cardamom"})
        api.post("/api/v1/ingest/spans", json={"batch": [sent]}).raise_for_status()
    # What waits is sent at the end.
    assert exhibit.stop() == 0

    def found():
        listed = api.get("/api/v1/traces", params={"filter": 'name = "request"'}).json()["data"]
        for trace in listed:
            spans = api.get(f"/api/v1/traces/{trace['trace_id']}/spans").json()["data"]
            if "record" in {it["name"] for it in spans}:
                return trace["trace_id"], spans
        return None

    with receiver.client(receiver_key) as api:
        own = eventually(found)
        assert own, api.get("/api/v1/traces").text
        own_id, spans = own
        parts = {it["name"]: it for it in spans}
        assert {"request", "record", "prepare", "commit"} <= set(parts)
        assert parts["record"]["parent_span_id"] == parts["request"]["span_id"]
        assert parts["commit"]["parent_span_id"] == parts["record"]["span_id"]
        whole = api.get(f"/api/v1/traces/{own_id}").text
        assert "cinnamon" not in whole and trace_id not in whole
        assert "/api/v1/ingest/spans" in whole and '"exhibit"' in whole


def test_an_address_that_is_none_is_refused_and_one_that_is_silent_is_not_waited_for(fresh, tmp_path):
    refused = run("serve", "--data-dir", tmp_path / "d", env={"EXHIBIT_OWN_TRACES": "collector:4318"})
    assert refused.returncode == 2
    assert "own_traces" in refused.stderr and "http://127.0.0.1:4318" in refused.stderr
    exhibit = fresh(env={"EXHIBIT_OWN_TRACES": "http://127.0.0.1:9"}).start()
    with exhibit.client(exhibit.create_key("ingest")) as api:
        api.post("/api/v1/ingest/spans", json={"batch": [span("t")]}).raise_for_status()
    assert exhibit.stop() == 0
