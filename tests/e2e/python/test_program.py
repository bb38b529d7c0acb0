"""The program itself: environment names, exit codes, `exhibit trace`, pages, overload of words."""

import json
import os
import re
import stat
import subprocess

import httpx
import pytest

from exhibit import BINARY, Exhibit, environment, eventually, run
from openai_stand_in import ANSWER


def test_the_names_of_the_mission_are_honoured(fresh):
    server = fresh(
        env={
            "AUDITTRAIL_SECRET_KEY": "dev-secret-of-the-mission-page",
            "AUDITTRAIL_CORS_ORIGINS": '["https://ui.example"]',
            "AUDITTRAIL_DEBUG": "true",
        }
    ).start()
    allowed = httpx.options(
        f"{server.url}/api/v1/traces",
        headers={"Origin": "https://ui.example", "Access-Control-Request-Method": "GET"},
    )
    assert allowed.headers["access-control-allow-origin"] == "https://ui.example"
    assert "AUDITTRAIL_SECRET_KEY" in server.output(), "a notice says that it is not needed"


def test_a_rules_directory_can_be_named_as_the_mission_does(fresh, tmp_path):
    missing = tmp_path / "no-such-rules"
    server = fresh(env={"AUDITTRAIL_RULES_DIR": str(missing)})
    with pytest.raises(AssertionError, match="no-such-rules"):
        server.start()


def test_a_foreign_database_is_refused_with_the_name_to_use(tmp_path):
    database = {"DATABASE_URL": "postgresql://user@db/audittrail", "HOME": str(tmp_path)}
    done = run("serve", "--check", env=database, cwd=tmp_path)
    assert done.returncode == 2
    assert "DATABASE_URL" in done.stderr and "EXHIBIT_DATA_DIR" in done.stderr
    database["DATABASE_URL"] = "sqlite+aiosqlite:///./data/audittrail.db"
    done = run("config", "show", "--origin", env=database, cwd=tmp_path)
    assert done.returncode == 0 and "DATABASE_URL" in done.stdout, done.stderr


def test_keys_in_the_data_directory_are_private(fresh):
    server = fresh().start()
    keys = [p for p in (server.data_dir / "keys").iterdir() if p.is_file()]
    assert keys
    for path in keys:
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def welcome(server):
    return eventually(lambda: server.output() if "setup?token=" in server.output() else "")


def test_the_first_start_prints_a_link_that_makes_the_owner_once(fresh):
    server = fresh().start()
    token = re.search(r"/setup\?token=(\w+)", welcome(server))[1]
    assert httpx.get(f"{server.url}/setup?token={token}").status_code == 200
    claim = {"token": token, "email": "owner@example.com", "password": "a long enough password"}
    owner = httpx.Client(base_url=server.url, headers={"Origin": server.url}, trust_env=False)
    assert owner.post("/api/v1/auth/setup", json=claim).status_code == 201
    assert "default" in [w["id"] for w in owner.get("/api/v1/auth/me").json()["workspaces"]]
    again = owner.post("/api/v1/auth/setup", json=claim | {"email": "second@example.com"})
    assert again.status_code == 401


def test_the_first_start_prints_a_key_and_lines_that_work_when_copied(fresh):
    server = fresh().start()
    text = welcome(server)
    snippet = text[text.index("curl ") : text.index("Or point any")].strip()
    done = subprocess.run(["bash", "-c", snippet], capture_output=True, text=True, env=environment())
    assert done.returncode == 0 and json.loads(done.stdout)["accepted"] == 1, done
    key = re.search(r"exk_\w+", text)[0]
    first = server.client(key).get("/api/v1/traces/first").json()["data"]
    assert first["spans"][0]["cost_source"] == "table"
    server.stop()
    again = Exhibit(server.data_dir)
    with again:
        assert "exk_" not in again.output().split("is ready")[-1], "a key is shown once"


def test_keys_can_be_made_while_no_server_runs(fresh):
    server = fresh()
    key = server.create_key("ingest,read")
    server.start()
    assert server.client(key).get("/api/v1/traces").status_code == 200


def test_no_page_asks_a_third_party(server):
    for path in ("/", "/app.js", "/style.css", "/login", "/setup", "/docs"):
        page = httpx.get(server.url + path, headers={"Accept": "text/html"}, follow_redirects=True)
        assert page.status_code in (200, 404), path
        links = re.findall(r"""(?:src|href|url|fetch|import)\s*[=(]\s*["'](https?://[^"']+)""", page.text)
        assert not links, (path, links)
        assert "default-src" in page.headers["content-security-policy"], path


@pytest.fixture
def provider_env(openai_server):
    return {
        "OPENAI_API_KEY": "provider-key-for-tests",
        "OPENAI_BASE_URL": openai_server.base_url,
        "EXHIBIT_MODEL": "gpt-4o",
        "EXHIBIT_PROVIDER": "openai",
    }


def test_trace_calls_the_provider_and_prints_what_the_mission_prints(server, api, provider_env):
    done = run("trace", "Explain transformers", "--data-dir", server.data_dir, env=provider_env)
    assert done.returncode == 0, done.stderr
    for label in ("Trace ID", "Model", "Latency", "Prompt Tokens", "Completion Tokens", "Cost", "Status"):
        assert label in done.stdout, label
    assert done.stdout.index("Status") < done.stdout.index(ANSWER.split(".")[0])
    said = json.loads(
        run("trace", "Explain transformers", "--data-dir", server.data_dir, "--json",
            env=provider_env, check=True).stdout
    )  # fmt: skip
    trace_id = said["trace_id"]
    assert trace_id.startswith("tr_") and len(trace_id) == 29
    trace = eventually(
        lambda: api.get(f"/api/v1/traces/{trace_id}").json().get("data"), seconds=5
    )
    [call] = [s for s in trace["spans"] if s["span_type"] == "llm"]
    assert (call["tokens_in"], call["tokens_out"]) == (120, 40)


def test_trace_works_with_no_server_too(tmp_path, provider_env):
    directory = tmp_path / "alone"
    done = run("trace", "Explain transformers", "--data-dir", directory, "--json", env=provider_env)
    assert done.returncode == 0, done.stderr
    shown = run("traces", "show", json.loads(done.stdout)["trace_id"], "--data-dir", directory, "--json")
    assert shown.returncode == 0 and "transformers" in shown.stdout


def test_without_a_provider_key_it_says_what_to_set_and_records_the_attempt(tmp_path):
    directory = tmp_path / "nokey"
    done = run("trace", "Explain transformers", "--data-dir", directory, env={"HOME": str(tmp_path)})
    assert done.returncode == 1
    assert "OPENAI_API_KEY" in done.stderr + done.stdout
    listed = run("traces", "list", "--data-dir", directory, "--json", check=True)
    assert "error" in listed.stdout


def test_a_failing_provider_is_recorded_as_an_error(server, api, provider_env):
    done = run("trace", "fail", "--data-dir", server.data_dir, "--json", env=provider_env, timeout=180)
    assert done.returncode == 1
    listed = api.get("/api/v1/traces", params={"filter": "status = error", "limit": 5}).json()["data"]
    assert listed


def test_the_binary_answers_to_its_other_name(tmp_path):
    other = tmp_path / "tracellm"
    other.symlink_to(BINARY)
    done = subprocess.run([other, "--help"], capture_output=True, text=True, env=environment())
    assert done.returncode == 0 and "tracellm" in done.stdout


def test_wrong_usage_exits_with_two():
    assert run("serve", "--no-such-flag").returncode == 2
    assert run("no-such-command").returncode == 2


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completions_and_the_man_page_are_printed(shell):
    assert "exhibit" in run("completions", shell, check=True).stdout
    assert ".TH" in run("man", check=True).stdout


def test_the_reference_page_asks_nobody_else(server):
    page = httpx.get(f"{server.url}/docs", follow_redirects=True)
    assert page.status_code == 200
    assert "https://" not in page.text.replace("https://www.w3.org", "")
    described = httpx.get(f"{server.url}/api/openapi.json")
    assert described.status_code == 200
    body = described.json()
    assert body["openapi"].startswith("3.1")
    assert "/api/v1/ingest/spans" in body["paths"] and "/api/v1/health" in body["paths"]


def test_the_committed_description_is_the_served_one(server):
    committed = os.path.join(os.path.dirname(__file__), "../../../crates/server/openapi.json")
    with open(committed) as file:
        assert json.load(file) == httpx.get(f"{server.url}/api/openapi.json").json()


def test_doctor_finds_a_healthy_directory_healthy(server):
    done = run("doctor", "--data-dir", server.data_dir)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_configuration_tells_where_a_value_comes_from(tmp_path):
    (tmp_path / "exhibit.toml").write_text("[limits]\npage_rows_max = 50\n")
    done = run("config", "show", "--origin", "--data-dir", tmp_path / "d", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "exhibit.toml" in done.stdout
    (tmp_path / "exhibit.toml").write_text("no_such_setting = 1\n")
    done = run("config", "show", "--data-dir", tmp_path / "d", cwd=tmp_path)
    assert done.returncode == 2 and "no_such_setting" in done.stderr
