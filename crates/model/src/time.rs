//! Time and randomness come in as arguments, so that every test is deterministic.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Nanoseconds since the Unix epoch, UTC. Written to JSON as a decimal string, since canonical
/// JSON corrupts integers above 2^53 (RFC 8785, section 3.2.2.3).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Nanos(pub i64);

impl Nanos {
    /// RFC 3339 in UTC with up to nine digits of a second.
    pub fn to_rfc3339(self) -> String {
        jiff::Timestamp::from_nanosecond(i128::from(self.0))
            .map_or_else(|_| self.0.to_string(), |t| t.to_string())
    }

    /// Reads RFC 3339; a stamp without an offset is taken as UTC. What lies beyond the years 1677 to
    /// 2262 is put at their edge. `None` when it is not a time.
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        let text = text.trim();
        let nanos = if let Ok(stamp) = text.parse::<jiff::Timestamp>() {
            stamp.as_nanosecond()
        } else {
            // The last day of the year 9999 is beyond a `Timestamp`.
            let plain = text.strip_suffix(['Z', 'z']).unwrap_or(text);
            let civil = plain.parse::<jiff::civil::DateTime>().ok()?;
            let zoned = civil.to_zoned(jiff::tz::TimeZone::UTC);
            let edge = if civil.year() < 0 { i128::MIN } else { i128::MAX };
            zoned.map_or(edge, |zoned| zoned.timestamp().as_nanosecond())
        };
        let edge = if nanos < 0 { i64::MIN } else { i64::MAX };
        Some(Self(i64::try_from(nanos).unwrap_or(edge)))
    }
}

impl fmt::Display for Nanos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Nanos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for Nanos {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Nanos {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(d)?;
        text.parse().map(Self).map_err(serde::de::Error::custom)
    }
}

/// Where the present time comes from.
pub trait Clock: Send + Sync {
    /// Nanoseconds since the Unix epoch, UTC.
    fn now(&self) -> Nanos;
}

/// Where randomness comes from. Implementations for production MUST be cryptographic.
pub trait Entropy: Send + Sync {
    /// Fills the slice with random bytes.
    fn fill(&self, bytes: &mut [u8]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_stamps_with_and_without_an_offset() {
        let a = Nanos::parse_rfc3339("2026-11-21T02:00:00.123456789Z");
        let b = Nanos::parse_rfc3339("2026-11-21T03:00:00.123456789+01:00");
        let c = Nanos::parse_rfc3339("2026-11-21T02:00:00.123456789");
        assert!(a.is_some());
        assert_eq!(a, b);
        assert_eq!(a, c);
        assert_eq!(Nanos::parse_rfc3339("yesterday"), None);
        for far in ["9999-12-31T23:59:59Z", "9999-12-31T23:59:59", "2263-01-01T00:00:00Z"] {
            assert_eq!(Nanos::parse_rfc3339(far), Some(Nanos(i64::MAX)), "{far}");
        }
        assert_eq!(Nanos::parse_rfc3339("0001-01-01T00:00:00Z"), Some(Nanos(i64::MIN)));
        for none in ["2026-02-30T00:00:00Z", "Z", "2026-13-01"] {
            assert_eq!(Nanos::parse_rfc3339(none), None, "{none}");
        }
    }
}
