"""The deployment files: read as their programs read them, since no container engine is at hand here. What
they start is started here by the same words."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "e2e" / "python"))

from exhibit import free_port, run  # noqa: E402


def compose(name):
    return yaml.safe_load((ROOT / name).read_text())


def dockerfile():
    """Its instructions, with continued lines joined."""
    text = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
    return [line.split(None, 1) for line in text.splitlines() if line and not line.startswith("#")]


def last(instruction):
    return [rest for word, rest in dockerfile() if word == instruction][-1]


def said_by(module, *args):
    """What a checker of files finds."""
    done = subprocess.run([sys.executable, "-m", module, *map(str, args)], capture_output=True, text=True, cwd=ROOT)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def test_the_files_are_clean_yaml_and_keep_the_schema_of_compose():
    files = ["docker-compose.yml", "docker-compose.cluster.yml"]
    rules = "{extends: default, rules: {line-length: {max: 150}, document-start: disable}}"
    chart = ["deploy/helm/exhibit/values.yaml", "deploy/helm/exhibit/Chart.yaml"]
    assert not said_by("yamllint", "-d", rules, *files, *chart)
    assert not said_by("check_jsonschema", "--builtin-schema", "vendor.compose-spec", *files)


def published(service):
    return {tuple(port.rsplit(":", 2)) for port in service["ports"]}


def test_the_quick_start_publishes_the_ports_of_the_quick_start():
    service = compose("docker-compose.yml")["services"]["exhibit"]
    ports = {(host, inner) for _, host, inner in published(service)}
    assert {("3000", "3000"), ("8000", "8000"), ("80", "8000")} <= ports
    assert all(address == "127.0.0.1" for address, _, _ in published(service))


@pytest.mark.parametrize("name", ["docker-compose.yml", "docker-compose.cluster.yml"])
def test_our_containers_write_to_their_volume_only_and_need_no_rights(name):
    ours = {n: s for n, s in compose(name)["services"].items() if "serve" in s.get("command", ["serve"])}
    ours.pop("balancer", None), ours.pop("postgres", None), ours.pop("clickhouse", None)
    assert ours
    for service in ours.values():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert "no-new-privileges:true" in service["security_opt"]


def test_the_cluster_has_three_nodes_that_wait_for_what_they_need():
    services = compose("docker-compose.cluster.yml")["services"]
    directories = set()
    for node in ("node1", "node2", "node3"):
        assert services[node]["environment"]["EXHIBIT_STORE"] == "cluster"
        assert set(services[node]["depends_on"]) == {"postgres", "clickhouse", "keys"}
        directories.add(services[node]["command"][services[node]["command"].index("--data-dir") + 1])
    assert len(directories) == 3
    nginx = (ROOT / "deploy" / "nginx.conf").read_text()
    assert all(f"server {node}:3000;" in nginx for node in ("node1", "node2", "node3"))
    # No password stands in the file.
    text = (ROOT / "docker-compose.cluster.yml").read_text()
    assert "${POSTGRES_PASSWORD:?" in text and "${CLICKHOUSE_PASSWORD:?" in text


def test_the_image_runs_as_nobody_in_particular_and_says_how_it_is():
    assert last("USER").split(":")[0].isdigit() and not last("USER").startswith("0")
    assert "/api/v1/health" in last("HEALTHCHECK")
    stages = [rest for word, rest in dockerfile() if word == "FROM"]
    assert len(stages) == 3
    sources = [rest.split()[0] for word, rest in dockerfile() if word == "COPY" and not rest.startswith("--")]
    assert all(source == "." or (ROOT / source).exists() for source in sources), sources


def commands():
    """Every way in which the files start a server."""
    yield "Dockerfile", json.loads(last("CMD"))
    for name, service in compose("docker-compose.cluster.yml")["services"].items():
        if name.startswith("node"):
            yield name, service["command"]
    chart = (ROOT / "deploy/helm/exhibit/templates/nodes.yaml").read_text()
    yield "chart", json.loads(re.search(r'args: (\["serve".*\])', chart)[1])


@pytest.mark.parametrize("where, command", list(commands()), ids=lambda v: v if isinstance(v, str) else "")
def test_what_a_container_runs_is_a_command_of_the_binary(where, command, tmp_path):
    words = [re.sub(r":\d+$", f":{free_port()}", word) if word.startswith("0.0.0.0") else word for word in command]
    if "--data-dir" in words:
        words[words.index("--data-dir") + 1] = str(tmp_path / "data")
    env = {"EXHIBIT_DATA_DIR": str(tmp_path / "data"), "EXHIBIT_RULES_DIR": str(ROOT / "rules")}
    done = run(*words, "--check", env=env)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_chart_renders_to_objects_with_probes():
    chart = ROOT / "deploy/helm/exhibit"
    values = yaml.safe_load((chart / "values.yaml").read_text())
    assert yaml.safe_load((chart / "Chart.yaml").read_text())["apiVersion"] == "v2"

    def value(match):
        path = match[1].split(".")[1:]
        if path[0] == "Release":
            return "release"
        found = values
        for step in path[1:]:
            found = found[step]
        return str(found)

    kinds = {}
    for template in sorted((chart / "templates").glob("*.yaml")):
        text = re.sub(r"\{\{- toYaml [^}]*\}\}", "{}", template.read_text())
        text = re.sub(r"\{\{ (\.[A-Za-z.]+) \}\}", value, text)
        assert "{{" not in text, f"{template.name}: a construct that this test does not know"
        for each in yaml.safe_load_all(text):
            kubernetes_validate.validate(each, kubernetes_validate.latest_version(), strict=True)
            kinds[each["kind"]] = each
    assert set(kinds) == {"StatefulSet", "Service", "PodDisruptionBudget"}
    pod = kinds["StatefulSet"]["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    node = pod["containers"][0]
    assert node["securityContext"]["readOnlyRootFilesystem"] is True
    assert node["readinessProbe"]["httpGet"]["path"] == "/api/v1/ready"
    assert node["livenessProbe"]["httpGet"]["path"] == "/api/v1/health"


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd-analyze here")
def test_the_unit_is_understood_by_systemd(tmp_path):
    unit = (ROOT / "deploy" / "exhibit.service").read_text().replace("/usr/local/bin/exhibit", "/bin/true")
    (tmp_path / "exhibit.service").write_text(unit)
    done = subprocess.run(
        ["systemd-analyze", "verify", str(tmp_path / "exhibit.service")], capture_output=True, text=True
    )
    said = [line for line in done.stderr.splitlines() if "exhibit.service" in line]
    assert not said, said


@pytest.mark.skipif(not shutil.which("nginx"), reason="no nginx here")
def test_nginx_understands_its_configuration(tmp_path):
    text = (ROOT / "deploy" / "nginx.conf").read_text()
    for node in ("node1", "node2", "node3"):
        text = text.replace(f"{node}:3000", "127.0.0.1:3000")
    (tmp_path / "nginx.conf").write_text(text)
    done = subprocess.run(
        ["nginx", "-t", "-p", str(tmp_path), "-e", "stderr", "-c", str(tmp_path / "nginx.conf")],
        capture_output=True, text=True,
    )  # fmt: skip
    assert "syntax is ok" in done.stderr, done.stderr
