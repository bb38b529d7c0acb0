//! Killed in the middle of ingest, many times: nothing acknowledged is lost, nothing is half there.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::json;

use crate::{
    home::{Home, span},
    http,
};

const ROUNDS: usize = 8;
const SENDERS: usize = 3;
const SPANS: usize = 5;

#[test]
fn a_killed_server_loses_nothing_that_it_acknowledged() {
    let home = Home::new().with_few_rules();
    let made = home.run(&["keys", "create", "--name", "n", "--scopes", "ingest,read", "--json"]);
    let key = made.ended(0).json()["key"].as_str().unwrap().to_owned();
    let mut acknowledged: Vec<String> = Vec::new();
    for round in 0..ROUNDS {
        let server = home.serve(&["--seal-after", "0s"]);
        let address = server.address();
        let over = Arc::new(AtomicBool::new(false));
        let count = Arc::new(AtomicUsize::new(0));
        let senders: Vec<_> = (0..SENDERS)
            .map(|sender| {
                let (address, key) = (address.clone(), key.clone());
                let (over, count) = (Arc::clone(&over), Arc::clone(&count));
                std::thread::spawn(move || {
                    let mut acknowledged = Vec::new();
                    let mut n = 0;
                    while !over.load(Ordering::Relaxed) {
                        let trace = format!("t-{round}-{sender}-{n}");
                        let batch: Vec<_> =
                            (0..SPANS).map(|i| span(&trace, &format!("s{i}"))).collect();
                        let answer = http::post(
                            &address,
                            "/api/v1/ingest/spans",
                            &key,
                            &json!({"batch": batch}),
                        );
                        if answer.is_ok_and(|(status, _)| matches!(status, 200 | 201)) {
                            acknowledged.push(trace);
                            count.fetch_add(1, Ordering::Relaxed);
                        }
                        n += 1;
                    }
                    acknowledged
                })
            })
            .collect();
        // At another moment each time, but never before something was acknowledged.
        let patience = Instant::now() + Duration::from_mins(1);
        while count.load(Ordering::Relaxed) < 3 + round * 5 {
            assert!(Instant::now() < patience, "nothing was acknowledged within a minute");
            std::thread::sleep(Duration::from_millis(1));
        }
        server.kill();
        over.store(true, Ordering::Relaxed);
        for sender in senders {
            acknowledged.extend(sender.join().unwrap());
        }
        let found = home.run(&["verify", "--json"]);
        assert!([0, 3].contains(&found.code), "round {round}: {}{}", found.out, found.err);
    }
    let server = home.serve(&[]);
    for trace in &acknowledged {
        let (status, answer) = server.get(&format!("/api/v1/traces/{trace}"), &key);
        assert_eq!(
            (status, answer["data"]["span_count"].as_u64()),
            (200, Some(SPANS as u64)),
            "{trace}"
        );
    }
    assert_eq!(server.stop(), 0);
    home.run(&["verify"]).ended(0);
}
