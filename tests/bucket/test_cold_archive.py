"""The cold archive in a bucket: what goes there is encrypted and locked, still shown and verified, and what
the bucket refuses is said."""

import datetime
import json
import sys
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e" / "python"))

from exhibit import Exhibit, eventually, run  # noqa: E402

REGION = "eu-central-1"
BUCKET = "evidence"
WORD = "archivedword"


class Bucket:
    """A bucket with Object Lock, and somebody who may use it."""

    def __init__(self, url):
        self.url = url
        root = {"aws_access_key_id": "root", "aws_secret_access_key": "root"}
        s3, iam = self.client("s3", **root), self.client("iam", **root)
        s3.create_bucket(
            Bucket=BUCKET,
            ObjectLockEnabledForBucket=True,
            CreateBucketConfiguration={"LocationConstraint": REGION},
        )
        iam.create_user(UserName="exhibit")
        may = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [may]})
        iam.put_user_policy(UserName="exhibit", PolicyName="all", PolicyDocument=policy)
        made = iam.create_access_key(UserName="exhibit")["AccessKey"]
        self.id, self.secret = made["AccessKeyId"], made["SecretAccessKey"]
        self.s3 = self.client("s3", aws_access_key_id=self.id, aws_secret_access_key=self.secret)

    def client(self, name, **login):
        return boto3.client(name, endpoint_url=self.url, region_name=REGION, **login)

    def environment(self, secret=None):
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ALLOW_HTTP": "true",
            "AWS_REGION": REGION,
            "AWS_ACCESS_KEY_ID": self.id,
            "AWS_SECRET_ACCESS_KEY": secret or self.secret,
        }

    def objects(self):
        return [one["Key"] for one in self.s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])]

    def versions(self):
        listed = self.s3.list_object_versions(Bucket=BUCKET)
        return [(one["Key"], one["VersionId"]) for one in listed.get("Versions", [])]


@pytest.fixture(scope="module")
def s3():
    """An S3 that, once the bucket is made, lets nobody in without a right signature."""
    moto = ThreadedMotoServer(port=0, verbose=False)
    moto.start()
    host, port = moto.get_host_and_port()
    import httpx

    url = f"http://127.0.0.1:{port}"
    bucket = Bucket(url)
    httpx.post(f"{url}/moto-api/reset-auth", content=b"0", trust_env=False).raise_for_status()
    yield bucket
    moto.stop()


class Home:
    """A data directory whose archive is the bucket."""

    def __init__(self, directory, s3, prefix, lock=""):
        self.s3, self.prefix, self.cwd = s3, prefix, directory
        text = f'[archive]\nto = "s3://{BUCKET}/{prefix}"\n{lock}\n[limits]\nseal_after_root_ms = 0\n'
        (directory / "exhibit.toml").write_text(text)
        (directory / "rules").mkdir()
        self.data = directory / "data"
        self.env = s3.environment()

    def server(self):
        return Exhibit(self.data, env=self.env, cwd=self.cwd)

    def run(self, *args, secret=None):
        env = self.s3.environment(secret)
        command = [*args[:1], *args[1:], "--data-dir", self.data]
        return run(*command, env=env, cwd=self.cwd)

    def json(self, *args, **options):
        done = self.run(*args, "--json", **options)
        assert done.returncode == 0, f"{args}: {done.stdout}{done.stderr}"
        return json.loads(done.stdout)

    def objects(self):
        return [key for key in self.s3.objects() if key.startswith(f"{self.prefix}/")]


@pytest.fixture
def home(tmp_path, s3, request):
    return Home(tmp_path, s3, request.node.name)


@pytest.fixture
def locked(tmp_path, s3, request):
    return Home(tmp_path, s3, request.node.name, 'lock = "governance"\nlock_days = 30')


def record(server, key, trace):
    span = {
        "trace_id": trace, "span_id": f"{trace}-1", "name": "call", "kind": "llm",
        "start_time": "2026-11-20T10:00:00Z", "end_time": "2026-11-20T10:00:01Z", "status": "ok",
        "user_id": "ann", "input": {"prompt": f"{WORD} of {trace} " + "long " * 2000},
    }  # fmt: skip
    with server.client(key) as client:
        answer = client.post("/api/v1/ingest/spans", json={"batch": [span]})
        assert answer.status_code == 201, answer.text

        def sealed():
            data = client.get(f"/api/v1/traces/{trace}/verification").json()["data"]
            return data["verdict"] == "valid" and data["seals"]

        assert eventually(sealed, 60), f"{trace} is not sealed"


def shown(server, key, trace):
    with server.client(key) as client:
        return client.get(f"/api/v1/traces/{trace}/spans/{trace}-1")


def archived(home, *traces):
    """A server whose traces have gone to the bucket, and a key of it."""
    server = home.server().start()
    key = server.create_key()
    for trace in traces:
        record(server, key, trace)
    moved = home.json("archive", "run", "--older-than", "0")
    assert moved["moved"] == len(traces), moved
    return server, key


def test_payloads_in_a_bucket_are_encrypted_listed_fetched_and_verified(home, s3):
    server, key = archived(home, "t1", "t2")
    names = home.objects()
    assert len(names) == 2
    for name in names:
        body = s3.s3.get_object(Bucket=BUCKET, Key=name)["Body"].read()
        assert WORD.encode() not in body and len(body) > 100
    status = home.json("archive", "status")
    assert status["traces"] == 2 and status["place"].startswith("s3://"), status
    assert f"{WORD} of t2" in shown(server, key, "t2").text
    with server.client(key) as client:
        assert len(client.get("/api/v1/traces?filter=user%20%3D%20ann").json()["data"]) == 2
    assert server.stop() == 0
    report = home.json("verify", "--search")
    assert report["verdict"] == "valid" and report["traces"] == 2, report


def test_an_object_that_was_changed_or_is_gone_is_named(home, s3):
    server, key = archived(home, "t1")
    assert server.stop() == 0
    (name,) = home.objects()
    body = s3.s3.get_object(Bucket=BUCKET, Key=name)["Body"].read()
    changed = body[:-1] + bytes([body[-1] ^ 1])
    for verdict, bytes_ in [("altered", changed), ("missing", body[:40]), ("missing", None)]:
        if bytes_ is None:
            s3.s3.delete_object(Bucket=BUCKET, Key=name)
        else:
            s3.s3.put_object(Bucket=BUCKET, Key=name, Body=bytes_)
        done = home.run("verify", "--json")
        assert done.returncode == 1, done.stdout + done.stderr
        faults = json.loads(done.stdout)["faults"]
        number = name.rsplit("/", 1)[1]
        assert any(f["verdict"] == verdict and number in f["what"] for f in faults), faults
    s3.s3.put_object(Bucket=BUCKET, Key=name, Body=body)
    assert home.json("verify")["verdict"] == "valid"


def test_a_wrong_secret_is_refused_and_nothing_leaves_the_database(home, s3):
    server = home.server().start()
    key = server.create_key()
    record(server, key, "t1")
    assert server.stop() == 0
    wrong = s3.secret[::-1]
    refused = home.run("archive", "run", "--older-than", "0", secret=wrong)
    said = refused.stdout + refused.stderr
    assert refused.returncode == 1, said
    assert home.objects() == []
    for secret in (wrong, s3.secret):
        assert secret not in said and secret not in server.output()
    assert home.json("verify")["verdict"] == "valid", "everything is still at hand"
    # With the right one it goes, and with the wrong one it cannot be read: that is no verdict on it.
    assert home.json("archive", "run", "--older-than", "0")["moved"] == 1
    unread = home.run("verify", secret=wrong)
    assert unread.returncode not in (0, 2), unread.stdout + unread.stderr
    assert home.json("verify")["verdict"] == "valid"


def test_what_goes_is_locked_for_as_long_as_configured(locked, s3):
    before = datetime.datetime.now(datetime.timezone.utc)
    server, key = archived(locked, "t1")
    (name,) = locked.objects()
    ((_, version),) = [one for one in s3.versions() if one[0] == name]
    kept = s3.s3.head_object(Bucket=BUCKET, Key=name)
    assert kept["ObjectLockMode"] == "GOVERNANCE"
    left = kept["ObjectLockRetainUntilDate"] - before
    assert datetime.timedelta(days=30) < left < datetime.timedelta(days=31, minutes=5), left
    with pytest.raises(s3.s3.exceptions.ClientError, match="AccessDenied"):
        s3.s3.delete_object(Bucket=BUCKET, Key=name, VersionId=version)
    assert f"{WORD} of t1" in shown(server, key, "t1").text
    # An erasure hides the object; the locked version stays, and the key that opens it is gone.
    locked.json("erase", "--trace", "t1", "--reason", "request 17")
    assert locked.objects() == []
    assert (name, version) in s3.versions()
    with server.client(key) as client:

        def certified():
            data = client.get("/api/v1/traces/t1/verification").json()["data"]
            return data["verdict"] == "erased-with-certificate"

        assert eventually(certified)
    assert server.stop() == 0
    assert locked.json("verify")["verdict"] == "valid"


def refused(home):
    """A server that must not start."""
    return home.run("serve", "--listen", "127.0.0.1:0", "--otlp-http", "off", "--otlp-grpc", "off")


@pytest.mark.parametrize(
    ("lock", "words"),
    [
        ('lock = "governance"', "go together"),
        ("lock_days = 3", "go together"),
        ('lock = "governance"\nlock_days = 0', "lock_days takes"),
        ('lock = "sometimes"\nlock_days = 3', "lock"),
    ],
)
def test_a_lock_that_cannot_be_is_named_at_the_start(tmp_path, s3, lock, words):
    home = Home(tmp_path, s3, "unused", lock)
    done = refused(home)
    assert done.returncode == 2 and words in done.stderr, done.stdout + done.stderr


def test_a_directory_has_no_lock(tmp_path, s3):
    home = Home(tmp_path, s3, "unused", 'lock = "compliance"\nlock_days = 3')
    config = tmp_path / "exhibit.toml"
    config.write_text(config.read_text().replace(f"s3://{BUCKET}/unused", "cold"))
    done = refused(home)
    assert done.returncode == 2 and "no Object Lock" in done.stderr, done.stdout + done.stderr
