//! What the targets of the decoders share: a decoded request is mapped, and must survive the record
//! format unchanged, because that is what is sealed.

use exhibit_capture::{Context, Decoded};
use exhibit_model::{Limits, Nanos, record};

/// The bounds in force; the defaults.
pub fn limits() -> Limits {
    Limits::default()
}

/// A fixed time of receipt.
pub fn context(limits: &Limits) -> Context<'_> {
    Context { received: Nanos(1_800_000_000_000_000_000), limits, labels: &[] }
}

/// Maps every span twice and writes it twice: both must give the same bytes.
pub fn settle(decoded: Decoded) {
    for mut span in decoded.spans {
        exhibit_capture::map(&mut span);
        let _ = exhibit_capture::content(&span);
        let written = record::encode(&span);
        let mut read = record::decode(written.slices()).expect("what we write, we read");
        assert_eq!(record::encode(&read), written, "a record reads back as it was written");
        exhibit_capture::map(&mut read);
        assert_eq!(record::encode(&read), written, "mapping again changes nothing");
    }
}
