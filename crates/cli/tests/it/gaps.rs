//! Client sequence numbers that never arrive become entries of the log, and so do those that come after all.

use serde_json::{Value, json};

use crate::home::{Home, Served, span};

fn send(served: &Served, key: &str, source: &str, numbers: &[u64]) {
    let batch: Vec<Value> = numbers
        .iter()
        .map(|n| {
            let mut one = span(&format!("{source}-{n}"), "s1");
            one["source"] = source.into();
            one["sequence"] = (*n).into();
            one
        })
        .collect();
    assert_eq!(served.post("/api/v1/ingest/spans", key, &json!({"batch": batch})).0, 201);
}

/// Waits until what is missing of each source is this.
fn missing(served: &Served, key: &str, expected: &Value) -> Value {
    let started = std::time::Instant::now();
    loop {
        let (code, answer) = served.get("/api/v1/ledger/gaps", key);
        assert_eq!(code, 200, "{answer}");
        let gaps = answer["data"].as_array().unwrap();
        let shown: serde_json::Map<String, Value> = gaps
            .iter()
            .map(|g| (g["source"].as_str().unwrap().to_owned(), g["missing"].clone()))
            .collect();
        if Value::Object(shown) == *expected {
            return answer["data"].clone();
        }
        assert!(started.elapsed().as_secs() < 60, "{answer}");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}

#[test]
fn numbers_that_never_arrive_stand_in_the_log_and_so_does_what_comes_after_all() {
    let home = Home::new().with_few_rules().with("EXHIBIT_LIMITS_GAP_AFTER_MS", "100");
    let served = home.serve(&["--seal-after", "0s"]);
    let key = served.key();
    send(&served, &key, "whole", &[2, 1, 3]);
    send(&served, &key, "holed", &[1, 2, 6, 4]);
    send(&served, &key, "late", &[3]);
    let found = missing(&served, &key, &json!({"holed": [[3, 3], [5, 5]], "late": [[1, 2]]}));
    assert_eq!(found[0]["missing_count"], 2, "{found}");
    let index = found[0]["leaves"][0].as_u64().unwrap();
    // A trace whose number stands next to a missing one says so; another of the client does not.
    for (trace, said) in [("holed-4", true), ("holed-1", false), ("whole-2", false)] {
        let path = format!("/api/v1/traces/{trace}/verification");
        let data = served.get(&path, &key).1["data"].clone();
        let qualified = data["qualifiers"].as_array().unwrap().contains(&"gaps".into());
        assert_eq!(qualified, said, "{trace}: {data}");
        assert_eq!(
            data["gaps"][0]["missing"],
            if said { json!([[3, 3], [5, 5]]) } else { Value::Null }
        );
    }
    // It can be proved as soon as a checkpoint covers it.
    let started = std::time::Instant::now();
    while served.get(&format!("/api/v1/ledger/proof/{index}"), &key).0 != 200 {
        assert!(started.elapsed().as_secs() < 60, "no proof of leaf {index}");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    send(&served, &key, "holed", &[5]);
    missing(&served, &key, &json!({"holed": [[3, 3]], "late": [[1, 2]]}));
    assert_eq!(served.stop(), 0);

    // An orderly stop forgets nothing; what comes in the meantime is not missing.
    let served = home.serve(&["--seal-after", "0s"]);
    send(&served, &key, "whole", &[5]);
    send(&served, &key, "late", &[1, 2]);
    missing(&served, &key, &json!({"holed": [[3, 3]], "whole": [[4, 4]]}));
    // After a crash nothing is claimed that was not seen to be missing.
    served.kill();
    let served = home.serve(&["--seal-after", "0s"]);
    send(&served, &key, "whole", &[9, 11]);
    missing(&served, &key, &json!({"holed": [[3, 3]], "whole": [[4, 4], [10, 10]]}));
    assert_eq!(served.stop(), 0);
    home.run(&["verify"]).ended(0);
    let told = home.run(&["verify", "--trace", "holed-4"]).ended(0).out;
    assert!(told.contains("holed: 3 never arrived") && told.contains("gaps"), "{told}");
}
