//! A place to run the binary in: a temporary home without the variables of the machine.

use std::{
    io::{BufRead as _, BufReader, Read as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::http;

/// The binary under test.
pub(crate) const EXHIBIT: &str = env!("CARGO_BIN_EXE_exhibit");

/// A home directory with a data directory in it.
pub(crate) struct Home {
    dir: TempDir,
    variables: Vec<(String, String)>,
}

/// What a command did.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    /// Its standard output as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out)
            .unwrap_or_else(|e| panic!("{e}\nout: {}\nerr: {}", self.out, self.err))
    }

    /// Itself, if it ended with this code.
    #[track_caller]
    pub(crate) fn ended(self, code: i32) -> Self {
        assert_eq!(self.code, code, "out: {}\nerr: {}", self.out, self.err);
        self
    }
}

impl Home {
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), variables: Vec::new() }
    }

    /// With an environment variable more.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With few rules: an unoptimised build takes a second to compile those built in, and tests that
    /// start a hundred processes have no use for them. Those for personal data stay.
    pub(crate) fn with_few_rules(self) -> Self {
        let rules = self.path().join("rules");
        for name in ["detectors/injection.yaml", "detectors/secrets.yaml", "policies/default.yaml"]
        {
            let path = rules.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        self
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.path().join("data")
    }

    /// A command in this home, on its data directory unless `arguments` name another.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(EXHIBIT);
        command
            .args(arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.path())
            .env("EXHIBIT_DATA_DIR", self.data())
            .envs(self.variables.iter().map(|(k, v)| (k, v)))
            .current_dir(self.path())
            .stdin(Stdio::null());
        command
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        run(self.command(arguments))
    }

    /// Starts a server on free ports and waits until it is ready.
    pub(crate) fn serve(&self, arguments: &[&str]) -> Served {
        let mut all = vec!["serve", "--listen", "127.0.0.1:0", "--json"];
        all.extend(["--otlp-http", "127.0.0.1:0", "--otlp-grpc", "127.0.0.1:0"]);
        all.extend(arguments);
        Served::start(self.command(&all))
    }
}

/// Runs a command to its end, at most a minute.
pub(crate) fn run(mut command: Command) -> Ran {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (mut out, mut err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let reader = std::thread::spawn(move || {
        let mut text = Vec::new();
        err.read_to_end(&mut text).unwrap();
        text
    });
    let killer = Killer::after(Duration::from_mins(1), child.id());
    let mut text = Vec::new();
    out.read_to_end(&mut text).unwrap();
    let status = child.wait().unwrap();
    drop(killer);
    Ran {
        code: status.code().unwrap_or(-1),
        out: String::from_utf8(text).unwrap(),
        err: String::from_utf8(reader.join().unwrap()).unwrap(),
    }
}

/// Ends a process that hangs.
struct Killer {
    _alive: std::sync::mpsc::Sender<()>,
}

impl Killer {
    fn after(time: Duration, pid: u32) -> Self {
        let (sender, receiver) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            if receiver.recv_timeout(time) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
                signal(pid, "KILL");
            }
        });
        Self { _alive: sender }
    }
}

/// Sends a signal to one process that a test has started.
pub(crate) fn signal(pid: u32, name: &str) {
    let status = Command::new("kill").args(["-s", name, &pid.to_string()]).status();
    assert!(status.is_ok(), "kill could not be run");
}

/// A running server.
pub(crate) struct Served {
    child: Child,
    /// What it said when it was ready.
    pub(crate) ready: Value,
}

impl Served {
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let mut err = child.stderr.take().unwrap();
        let log = std::thread::spawn(move || {
            let mut text = String::new();
            let _ = err.read_to_string(&mut text);
            text
        });
        let mut lines = out.lines();
        let Some(Ok(line)) = lines.next() else {
            let _ = child.wait();
            panic!("the server did not start:\n{}", log.join().unwrap());
        };
        // Keeps the pipe open and empty for as long as the server runs.
        std::thread::spawn(move || lines.for_each(drop));
        let ready = serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line}"));
        Self { child, ready }
    }

    /// Starts a server whose log goes to a file.
    pub(crate) fn logging(mut command: Command, log: std::fs::File) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = lines.next().expect("the server starts").unwrap();
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, ready: serde_json::from_str(&line).unwrap() }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Host and port of the main address.
    pub(crate) fn address(&self) -> String {
        self.ready["listen"][0].as_str().unwrap().to_owned()
    }

    pub(crate) fn url(&self) -> String {
        self.ready["url"].as_str().unwrap().to_owned()
    }

    /// The key of the first start.
    pub(crate) fn key(&self) -> String {
        self.ready["first_key"].as_str().expect("a first start").to_owned()
    }

    /// POST of JSON with a key.
    pub(crate) fn post(&self, path: &str, key: &str, body: &Value) -> (u16, Value) {
        http::post(&self.address(), path, key, body).unwrap()
    }

    /// GET with a key.
    pub(crate) fn get(&self, path: &str, key: &str) -> (u16, Value) {
        http::get(&self.address(), path, key).unwrap()
    }

    /// Asks it to stop and gives its exit code.
    pub(crate) fn stop(mut self) -> i32 {
        signal(self.pid(), "TERM");
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code().unwrap_or(-1);
            }
            assert!(started.elapsed() < Duration::from_secs(30), "the server does not stop");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Ends it at once, as a crash would.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A finished model call as the native API takes it.
pub(crate) fn span(trace: &str, span: &str) -> Value {
    json!({
        "trace_id": trace, "span_id": span, "name": "call", "span_type": "llm", "status": "ok",
        "start_time": "2026-03-01T10:00:00Z", "end_time": "2026-03-01T10:00:01.5Z",
        "model": "gpt-4o-mini", "provider": "openai", "tokens_in": 100, "tokens_out": 50,
        "input": {"prompt": format!("a question about {span}")},
        "output": {"response": format!("an answer about {span}")},
    })
}
