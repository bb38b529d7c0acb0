//! Identities. Trace and span ids are the clients' own; everything else is minted here.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{limits, time::Entropy};

/// Why a client's id was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// The id has no characters.
    #[error("an id must not be empty")]
    Empty,
    /// The id is longer than [`limits::ID_CHARS_MAX`].
    #[error("an id has at most {} characters", limits::ID_CHARS_MAX)]
    TooLong,
    /// The id has a character outside `[A-Za-z0-9._:-]`.
    #[error("an id may hold only letters, digits and . _ : -")]
    Character,
}

fn check(text: &str) -> Result<(), IdError> {
    if text.is_empty() {
        return Err(IdError::Empty);
    }
    if text.len() > limits::ID_CHARS_MAX {
        return Err(IdError::TooLong);
    }
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b':' | b'-');
    if text.bytes().all(allowed) { Ok(()) } else { Err(IdError::Character) }
}

macro_rules! client_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Accepts a client's id: 1 to 256 characters of `[A-Za-z0-9._:-]`.
            pub fn new(text: &str) -> Result<Self, IdError> {
                check(text)?;
                Ok(Self(text.into()))
            }

            /// The id as the client wrote it.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &self.0)
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::new(text)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<str>::deserialize(d)?;
                Self::new(&text).or_else(|e| {
                    if &*text == SpanId::REGISTRATION { Ok(Self(text.as_ref().into())) } else { Err(e) }
                }).map_err(serde::de::Error::custom)
            }
        }
    };
}

client_id! {
    /// A trace's id. Unique within a workspace only.
    TraceId
}
client_id! {
    /// A span's id. Unique within its trace only.
    SpanId
}

impl SpanId {
    /// The reserved id of a trace's registration record (see [`SpanId::registration`]). No client
    /// can send it: `~` is outside the allowed characters.
    pub const REGISTRATION: &'static str = "~";

    /// What a client says about a trace as a whole, apart from any span, is kept as a record of its
    /// own under this id, so that it is merged, governed, sealed and verified like every span. It is
    /// never listed as a span.
    pub fn registration() -> Self {
        Self(Self::REGISTRATION.into())
    }

    /// Whether this is the reserved id of a trace's registration record.
    pub fn is_registration(&self) -> bool {
        &*self.0 == Self::REGISTRATION
    }
}

impl TraceId {
    /// A new trace id: `tr_` and 26 characters of Crockford base 32, sortable by time (48 bits of
    /// milliseconds, then 80 random bits, as ULID does).
    pub fn mint(now_ns: i64, entropy: &dyn Entropy) -> Self {
        Self(format!("tr_{}", sortable(now_ns, entropy)).into())
    }
}

impl SpanId {
    /// A new span id: `sp_` and 26 characters, sortable by time.
    pub fn mint(now_ns: i64, entropy: &dyn Entropy) -> Self {
        Self(format!("sp_{}", sortable(now_ns, entropy)).into())
    }
}

/// 26 characters of Crockford base 32: 48 bits of milliseconds, then 80 random bits.
pub fn sortable(now_ns: i64, entropy: &dyn Entropy) -> String {
    const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    let mut random = [0u8; 16];
    entropy.fill(&mut random[6..]);
    let millis = (now_ns.max(0) / 1_000_000) as u64;
    random[..6].copy_from_slice(&millis.to_be_bytes()[2..]);
    let number = u128::from_be_bytes(random);
    (0..26).rev().map(|i| char::from(ALPHABET[((number >> (i * 5)) & 31) as usize])).collect()
}

/// The random internal id of one stored revision. Named in its ledger leaf; says nothing about
/// the client.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordId(pub [u8; 16]);

impl RecordId {
    /// Draws a new id.
    pub fn mint(entropy: &dyn Entropy) -> Self {
        let mut bytes = [0; 16];
        entropy.fill(&mut bytes);
        Self(bytes)
    }
}

impl fmt::Display for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

impl fmt::Debug for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A workspace's internal number. Its public id is [`Workspace::public_id`](crate::Workspace).
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct WorkspaceId(pub i64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn client_ids_are_bounded_and_of_a_small_alphabet() {
        assert!(TraceId::new("4bf92f3577b34da6a3ce929d0e0e4736").is_ok());
        assert!(TraceId::new("run:7.a_b-C").is_ok());
        assert_eq!(TraceId::new(""), Err(IdError::Empty));
        assert_eq!(TraceId::new("a/b"), Err(IdError::Character));
        assert_eq!(SpanId::new("~"), Err(IdError::Character));
        assert_eq!(TraceId::new(&"a".repeat(257)), Err(IdError::TooLong));
    }

    #[test]
    fn minted_ids_sort_by_time() {
        struct Ones;
        impl Entropy for Ones {
            fn fill(&self, bytes: &mut [u8]) {
                bytes.fill(0xff);
            }
        }
        let early = TraceId::mint(1_000_000_000, &Ones);
        let late = TraceId::mint(2_000_000_000, &Ones);
        assert!(early < late);
        assert_eq!(early.as_str().len(), 29);
    }
}
