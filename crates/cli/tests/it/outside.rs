//! Outside eyes: two installations that witness each other, and an authority that dates the log.

use std::{
    fs,
    io::{Read as _, Write as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{
    evidence::told_by_all,
    home::{Home, Served, span},
};

/// Asks until the answer is as wanted; gives the last answer.
fn eventually(
    what: &str,
    mut ask: impl FnMut() -> Value,
    wanted: impl Fn(&Value) -> bool,
) -> Value {
    let start = Instant::now();
    loop {
        let answer = ask();
        if wanted(&answer) {
            return answer;
        }
        assert!(start.elapsed() < Duration::from_secs(30), "{what}: {answer}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// An installation whose policy file is still to be written.
struct Site {
    home: Home,
    key: String,
    api_key: String,
}

impl Site {
    fn new() -> Self {
        let home = Home::new().with_few_rules().with("EXHIBIT_OUTSIDE_WITNESS_EVERY_MS", "100");
        let home = home.with("EXHIBIT_OUTSIDE_WITNESS_POLICY", "policy.txt");
        fs::write(home.path().join("policy.txt"), "quorum none\n").unwrap();
        let served = home.serve(&[]);
        let api_key = served.key();
        assert_eq!(served.stop(), 0);
        let key =
            home.run(&["verify", "--json"]).ended(0).json()["key"].as_str().unwrap().to_owned();
        Self { home, key, api_key }
    }

    /// Starts this site's witness for another site's log.
    fn witness(&self, name: &str, log: &str) -> Served {
        let arguments =
            ["witness", "--json", "--listen", "127.0.0.1:0", "--name", name, "--log", log];
        Served::start(self.home.command(&arguments))
    }

    fn trust(&self, witness: &Served) {
        let line = witness.ready["policy_line"].as_str().unwrap();
        let name = line.split(' ').nth(1).unwrap();
        fs::write(self.home.path().join("policy.txt"), format!("{line}\nquorum {name}\n")).unwrap();
    }

    /// Records a call and waits until the witness has cosigned it.
    fn witnessed(&self, trace: &str) {
        let served = self.home.serve(&[]);
        let (status, body) = served.post(
            "/api/v1/ingest/spans",
            &self.api_key,
            &json!({"batch": [span(trace, "s1")]}),
        );
        assert!(status < 300, "{body}");
        let id = format!("/api/v1/traces/{trace}/verification");
        let found = eventually(
            "a witness",
            || served.get(&id, &self.api_key).1["data"].clone(),
            |data| !data["outside"]["witnesses"].as_array().unwrap_or(&Vec::new()).is_empty(),
        );
        let qualifiers = found["qualifiers"].as_array().unwrap();
        assert!(!qualifiers.contains(&"unwitnessed".into()), "{found}");
        assert_eq!(served.stop(), 0);
    }
}

#[test]
fn two_installations_witness_each_other_and_name_the_one_that_was_taken_back() {
    let (a, b) = (Site::new(), Site::new());
    let witness_a = a.witness("a.example/witness", &b.key);
    let witness_b = b.witness("b.example/witness", &a.key);
    a.trust(&witness_b);
    b.trust(&witness_a);
    a.witnessed("t1");
    b.witnessed("t1");
    for site in [&a, &b] {
        let report = site.home.run(&["verify", "--json", "--require-witness"]).ended(0).json();
        assert!(report["vouched"]["witnessed_size"].as_u64().unwrap() > 0, "{report}");
        assert!(!report["qualifiers"].as_array().unwrap().contains(&"unwitnessed".into()));
    }
    // The bundle carries the cosignature, so it is independent of its maker.
    a.home.run(&["export", "evidence", "--trace", "t1", "-o", "e.zip"]).ended(0);
    a.home.run(&["verify", "e.zip", "--policy", "policy.txt", "--require-witness"]).ended(0);
    // So does one that is made while the server runs, whose own entry nobody had cosigned yet.
    let served = a.home.serve(&[]);
    a.home.run(&["export", "evidence", "--trace", "t1", "-o", "live.zip"]).ended(0);
    a.home.run(&["verify", "live.zip", "--policy", "policy.txt", "--require-witness"]).ended(0);
    assert_eq!(served.stop(), 0);
    fs::write(a.home.path().join("other.txt"), "quorum none\n").unwrap();
    a.home.run(&["verify", "e.zip", "--policy", "other.txt", "--require-witness"]).ended(3);
    a.home.run(&["verify", "--policy", "other.txt", "--require-witness"]).ended(3);

    // Database, guard and keys are taken back together: nothing here can tell, but the witness can.
    let kept = a.home.path().join("kept");
    copy(&a.home.data(), &kept);
    a.witnessed("t2");
    fs::remove_dir_all(a.home.data()).unwrap();
    copy(&kept, &a.home.data());
    a.home.run(&["verify", "--json"]).ended(0);
    let served = a.home.serve(&[]);
    let standing = eventually(
        "a contradiction",
        || served.get("/api/v1/ledger/anchors", &a.api_key).1["data"].clone(),
        |data| data["witnesses"]["b-example-witness"]["contradicts"] == true,
    );
    let problem = standing["witnesses"]["b-example-witness"]["problem"].as_str().unwrap();
    assert!(problem.contains("the log was taken back"), "{problem}");

    // Grown beyond that size again, it is a fork, and the witness keeps what was signed.
    for n in 0..40 {
        served.post(
            "/api/v1/ingest/spans",
            &a.api_key,
            &json!({"batch": [span(&format!("other-{n}"), "s1")]}),
        );
    }
    eventually(
        "a fork",
        || {
            // A checkpoint more each time, until the log is longer than what was cosigned.
            served.post(
                "/api/v1/ingest/spans",
                &a.api_key,
                &json!({"batch": [span(&format!("n-{:?}", Instant::now()), "s")]}),
            );
            served.get("/api/v1/ledger/anchors", &a.api_key).1["data"].clone()
        },
        |data| {
            let problem = data["witnesses"]["b-example-witness"]["problem"].as_str();
            problem.is_some_and(|problem| problem.contains("rewritten"))
        },
    );
    let evidence = fs::read_dir(b.home.data().join("witness/evidence")).unwrap().count();
    assert!(evidence > 0);
    assert_eq!(served.stop(), 0);
    assert_eq!(witness_a.stop(), 0);
    assert_eq!(witness_b.stop(), 0);
}

/// A time-stamp authority made of OpenSSL and a few lines of HTTP.
struct Authority {
    dir: tempfile::TempDir,
    url: String,
}

fn openssl(dir: &Path, arguments: &[&str]) -> bool {
    let command =
        Command::new("openssl").args(arguments).current_dir(dir).stdin(Stdio::null()).output();
    command.is_ok_and(|output| output.status.success())
}

impl Authority {
    /// None where there is no OpenSSL.
    fn start(key: &[&str]) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path();
        if !openssl(path, &["version"]) {
            println!("skipped: there is no openssl here");
            return None;
        }
        let ca: Vec<&str> =
            ["req", "-x509", "-nodes", "-days", "30", "-subj", "/CN=Test roots"].into();
        let ca = [ca, key.to_vec(), vec!["-keyout", "ca.key", "-out", "ca.pem"]].concat();
        assert!(openssl(path, &ca));
        let own = [vec!["req", "-nodes", "-subj", "/CN=Test authority"], key.to_vec()].concat();
        assert!(openssl(path, &[own, vec!["-keyout", "tsa.key", "-out", "tsa.csr"]].concat()));
        fs::write(path.join("ext"), "extendedKeyUsage=critical,timeStamping\n").unwrap();
        fs::write(path.join("serial"), "01\n").unwrap();
        fs::write(
            path.join("tsa.conf"),
            "[tsa]\ndefault_tsa = t\n[t]\nserial = serial\nsigner_cert = tsa.pem\ncerts = ca.pem\n\
             signer_key = tsa.key\nsigner_digest = sha256\ndefault_policy = 1.2.3.4.1\n\
             digests = sha256\naccuracy = secs:1\ness_cert_id_alg = sha256\n",
        )
        .unwrap();
        let sign = ["x509", "-req", "-in", "tsa.csr", "-CA", "ca.pem", "-CAkey", "ca.key"];
        let rest = ["-CAcreateserial", "-days", "30", "-extfile", "ext", "-out", "tsa.pem"];
        assert!(openssl(path, &[sign.as_slice(), &rest].concat()));
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/tsr", listener.local_addr().unwrap());
        let here = path.to_owned();
        std::thread::spawn(move || {
            listener.incoming().flatten().for_each(|stream| answer(stream, &here));
        });
        Some(Self { dir, url })
    }

    fn roots(&self) -> PathBuf {
        self.dir.path().join("ca.pem")
    }
}

fn answer(mut stream: std::net::TcpStream, dir: &Path) {
    let (mut bytes, mut piece) = (Vec::new(), [0; 4096]);
    let body = loop {
        let n = stream.read(&mut piece).unwrap_or(0);
        bytes.extend_from_slice(&piece[..n]);
        let Some(at) = bytes.windows(4).position(|w| w == b"\r\n\r\n") else {
            if n == 0 {
                return;
            }
            continue;
        };
        let head = String::from_utf8_lossy(&bytes[..at]).to_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.unwrap().parse().unwrap();
        if bytes.len() >= at + 4 + length {
            break bytes[at + 4..].to_vec();
        }
    };
    fs::write(dir.join("query"), body).unwrap();
    let reply = ["ts", "-reply", "-config", "tsa.conf", "-queryfile", "query", "-out", "reply"];
    assert!(openssl(dir, &reply));
    let reply = fs::read(dir.join("reply")).unwrap();
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/timestamp-reply\r\nConnection: close";
    let _ = write!(stream, "{head}\r\nContent-Length: {}\r\n\r\n", reply.len());
    let _ = stream.write_all(&reply);
}

fn dated_by(key: &[&str]) {
    let Some(authority) = Authority::start(key) else { return };
    let home = Home::new()
        .with_few_rules()
        .with("EXHIBIT_OUTSIDE_TIMESTAMP_URLS", &authority.url)
        .with("EXHIBIT_OUTSIDE_TIMESTAMP_ROOTS", authority.roots().to_str().unwrap())
        .with("EXHIBIT_OUTSIDE_TIMESTAMP_EVERY_MS", "200");
    let served = home.serve(&[]);
    let key = served.key();
    served.post("/api/v1/ingest/spans", &key, &json!({"batch": [span("t1", "s1")]}));
    let found = eventually(
        "a stamp",
        || served.get("/api/v1/traces/t1/verification", &key).1["data"].clone(),
        |data| data["outside"]["stamp"]["trusted"] == true,
    );
    assert!(found["outside"]["stamp"]["time"].as_str().unwrap().starts_with("20"), "{found}");
    assert_eq!(served.stop(), 0);
    let report = home.run(&["verify", "--json"]).ended(0).json();
    assert!(report["vouched"]["stamped_at"].is_string(), "{report}");

    // All verifiers take the token in the bundle, and OpenSSL itself agrees.
    home.run(&["export", "evidence", "--trace", "t1", "-o", "e.zip"]).ended(0);
    let report = told_by_all(&home, "e.zip", 0, &[]);
    assert!(report["qualifiers"].as_array().unwrap().contains(&"stamp-authority-unknown".into()));
    let roots = authority.roots().to_str().unwrap().to_owned();
    let report = told_by_all(&home, "e.zip", 0, &["--timestamp-roots", &roots]);
    assert_eq!(report["stamps"][0]["trusted"], true, "{report}");
    assert!(!report["qualifiers"].as_array().unwrap().contains(&"stamp-authority-unknown".into()));
    let out = home.path().join("out");
    let unpack = Command::new("python3")
        .args(["-m", "zipfile", "-e", "e.zip", "out"])
        .current_dir(home.path())
        .status();
    if unpack.is_ok_and(|status| status.success()) {
        let file = |name: &str| out.join("timestamps").join(name).to_str().unwrap().to_owned();
        let (token, text) = (file("1.tst"), file("1.txt"));
        let roots = authority.roots().to_str().unwrap().to_owned();
        let verify =
            ["ts", "-verify", "-token_in", "-in", &token, "-data", &text, "-CAfile", &roots];
        assert!(openssl(home.path(), &verify));
    }

    // Other roots vouch for nobody here; a token that was changed is no token.
    let other = Authority::start(&["-newkey", "rsa:2048"]).unwrap();
    let strangers = other.roots().to_str().unwrap().to_owned();
    let report = told_by_all(&home, "e.zip", 1, &["--timestamp-roots", &strangers]);
    assert_eq!(report["faults"][0]["code"], "stamp-untrusted", "{report}");
    let mut command = home.command(&["verify", "--json"]);
    command.env("EXHIBIT_OUTSIDE_TIMESTAMP_ROOTS", other.roots());
    let report = crate::home::run(command).ended(1).json();
    assert_eq!(report["verdict"], "wrong-key", "{report}");
    let db = rusqlite::Connection::open(home.data().join("exhibit.db")).unwrap();
    let token: Vec<u8> =
        db.query_row("SELECT token FROM anchors LIMIT 1", [], |row| row.get(0)).unwrap();
    let mut missed = Vec::new();
    for at in (0..token.len()).step_by(97) {
        let mut changed = token.clone();
        changed[at] ^= 1;
        db.execute("UPDATE anchors SET token = ?1", [&changed]).unwrap();
        // Certificates that are not needed may differ; time and imprint may not.
        if home.run(&["verify", "--no-bodies"]).code == 0 {
            missed.push(at);
        }
    }
    assert!(missed.len() * 2 < token.len() / 97, "changes that were not found: {missed:?}");
}

#[test]
fn an_authority_with_an_rsa_key_dates_the_log() {
    dated_by(&["-newkey", "rsa:2048"]);
}

#[test]
fn an_authority_with_an_elliptic_key_dates_the_log() {
    dated_by(&["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]);
}
