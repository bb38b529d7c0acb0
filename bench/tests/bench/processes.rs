//! Observing and starting processes.

use exhibit_bench::{
    cold_start::{self, ColdStartArgs},
    measure::{self, MeasureArgs},
};

use crate::mock::{answer, serve};

fn cold_start(health: String, command: &[&str]) -> ColdStartArgs {
    let command = command.iter().map(ToString::to_string).collect();
    ColdStartArgs { health, runs: 1, log: None, command }
}

#[tokio::test]
async fn a_cold_start_is_not_measured_against_a_server_that_runs_already() {
    let address = serve(|_| answer(200, "", b"{}"));
    let args = cold_start(format!("http://{address}/health"), &["true"]);
    let error = cold_start::run(&args).await.unwrap_err().to_string();
    assert!(error.contains("answers"), "{error}");
}

#[tokio::test]
async fn a_server_that_ends_at_once_has_no_cold_start() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let args = cold_start(format!("http://{address}/health"), &["false"]);
    let error = cold_start::run(&args).await.unwrap_err().to_string();
    assert!(error.contains("ended before it was ready"), "{error}");
}

#[test]
fn a_process_is_observed_as_long_as_a_command_runs() {
    let command = ["sleep", "0.3"].map(str::to_owned).to_vec();
    let args = MeasureArgs { pid: std::process::id(), seconds: 0.0, command };
    let usage = measure::measure(&args).unwrap();
    assert!((0.3..5.0).contains(&usage.wall_seconds), "{}", usage.wall_seconds);
    assert!(usage.rss_max_mb > 1.0 && usage.rss_peak_mb >= usage.rss_mb);
}

#[test]
fn a_failing_command_fails_the_measurement() {
    let args = MeasureArgs { pid: std::process::id(), seconds: 0.0, command: vec!["false".into()] };
    assert!(measure::measure(&args).is_err());
}
