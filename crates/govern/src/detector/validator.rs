//! Checks that a pattern cannot express: check digits, checksums, structure.

mod address;
mod bank;
mod token;

/// What a check says of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Check {
    /// A checksum or structure confirms it.
    Confirmed,
    /// Nothing speaks against it.
    Possible,
    /// It cannot be one.
    Refuted,
}

impl Check {
    fn confirmed_if(holds: bool) -> Self {
        if holds { Self::Confirmed } else { Self::Refuted }
    }

    fn possible_if(holds: bool) -> Self {
        if holds { Self::Possible } else { Self::Refuted }
    }
}

macro_rules! validators {
    ($($(#[$doc:meta])* $variant:ident = $name:literal => $function:path),+ $(,)?) => {
        /// A named check.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Validator { $($(#[$doc])* $variant),+ }

        impl Validator {
            /// The check a file names.
            pub(crate) fn named(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)+ _ => None }
            }

            /// All names, for messages.
            pub(crate) fn names() -> String {
                [$($name),+].join(", ")
            }

            /// Runs it.
            pub(crate) fn check(self, value: &str) -> Check {
                match self { $(Self::$variant => $function(value)),+ }
            }
        }
    };
}

validators! {
    /// Payment cards: known issuer, length, Luhn.
    Card = "card" => bank::card,
    /// IBAN: country, length, mod 97 (ISO 13616).
    Iban = "iban" => bank::iban,
    /// US social security number: areas, groups and serials never issued are refuted.
    UsSsn = "us_ssn" => identity::us_ssn,
    /// UK national insurance number: prefixes never issued are refuted.
    UkNino = "uk_nino" => identity::uk_nino,
    /// German tax identification number: ISO 7064 mod 11,10 and the rule on repeated digits.
    DeTaxId = "de_tax_id" => identity::de_tax_id,
    /// E.164 or national phone number shape.
    Phone = "phone" => identity::phone,
    /// E-mail address: dots, lengths, top-level domain.
    Email = "email" => address::email,
    /// IPv4 or IPv6.
    Ip = "ip" => address::ip,
    /// MAC address with one kind of separator.
    Mac = "mac" => address::mac,
    /// Bitcoin address: base58check or bech32.
    Bitcoin = "bitcoin" => address::bitcoin,
    /// JSON web token: a header that is JSON and names an algorithm.
    Jwt = "jwt" => token::jwt,
    /// GitHub token: the last six characters are the CRC-32 of the others.
    Github = "github" => token::github,
    /// A password in a URL that is not a placeholder.
    UrlPassword = "url_password" => token::url_password,
    /// An assigned value that looks random and not like code, a path or words.
    Randomness = "randomness" => token::randomness,
}

mod identity;

/// Shannon entropy, bits per byte.
pub(crate) fn entropy(value: &[u8]) -> f64 {
    let mut counts = [0_u32; 256];
    for byte in value {
        counts[usize::from(*byte)] += 1;
    }
    let total = value.len() as f64;
    counts
        .iter()
        .filter(|count| **count > 0)
        .map(|count| {
            let share = f64::from(*count) / total;
            -share * share.log2()
        })
        .sum()
}

/// The decimal digits of a text.
fn digits(text: &str) -> Vec<u32> {
    text.chars().filter_map(|c| c.to_digit(10)).collect()
}
