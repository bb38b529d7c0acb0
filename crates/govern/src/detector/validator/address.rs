//! Addresses: of people, machines and wallets.

use sha2::{Digest, Sha256};

use super::Check;

/// Lengths of RFC 5321, no dots in a row, a top-level domain of letters.
pub(super) fn email(value: &str) -> Check {
    let Some((local, domain)) = value.rsplit_once('@') else { return Check::Refuted };
    let top = domain.rsplit('.').next().unwrap_or_default();
    let labels = domain.split('.').all(|label| {
        !label.is_empty() && label.len() <= 63 && !label.starts_with('-') && !label.ends_with('-')
    });
    let dots = local.starts_with('.') || local.ends_with('.') || local.contains("..");
    // Names such as icon@2x.png are files.
    let file = ["png", "jpg", "jpeg", "gif", "svg", "webp", "js", "css", "json"];
    let file = file.iter().any(|extension| top.eq_ignore_ascii_case(extension));
    let holds = labels && !dots && !file && local.len() <= 64 && top.len() >= 2;
    let punycode = top.get(..4).is_some_and(|p| p.eq_ignore_ascii_case("xn--"));
    Check::possible_if(holds && (punycode || top.bytes().all(|b| b.is_ascii_alphabetic())))
}

/// What the standard library reads as an address, other than very short ones; a zone (`%eth0`) or a
/// length of the net may follow.
pub(super) fn ip(value: &str) -> Check {
    let (address, net) = value.split_once('/').unwrap_or((value, "0"));
    let address = address.split('%').next().unwrap_or_default();
    let bits = if address.contains(':') { 128 } else { 32 };
    if net.parse::<u32>().map_or(true, |n| n > bits) {
        return Check::Refuted;
    }
    match address.parse() {
        Ok(std::net::IpAddr::V4(_)) => Check::Possible,
        Ok(std::net::IpAddr::V6(address)) => {
            // `::` and `a::b` are far more often code than addresses.
            Check::possible_if(
                !address.is_unspecified() && (value.len() >= 6 || address.is_loopback()),
            )
        }
        Err(_) => Check::Refuted,
    }
}

/// Six groups with one kind of separator, neither all zeros nor broadcast.
pub(super) fn mac(value: &str) -> Check {
    let separators: Vec<u8> = value.bytes().filter(|b| !b.is_ascii_hexdigit()).collect();
    let digits: Vec<u8> = value.bytes().filter(u8::is_ascii_hexdigit).collect();
    let alike = separators.windows(2).all(|pair| pair[0] == pair[1]);
    let trivial =
        digits.iter().all(|d| *d == b'0') || digits.iter().all(|d| d.eq_ignore_ascii_case(&b'f'));
    Check::possible_if(alike && !trivial && digits.len() == 12)
}

/// Base58check or bech32 and bech32m (BIP 173, BIP 350).
pub(super) fn bitcoin(value: &str) -> Check {
    let begins = |prefix: &str| {
        value.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
    };
    let segwit = begins("bc1") || begins("ltc1");
    Check::confirmed_if(if segwit { bech32(value) } else { base58check(value) })
}

fn base58check(value: &str) -> bool {
    const ALPHABET: &[u8] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
    // Bitcoin 0 and 5, Dogecoin 1e, Litecoin 30 and 32, Tron 41, Dash 4c.
    const VERSIONS: [u8; 7] = [0x00, 0x05, 0x1e, 0x30, 0x32, 0x41, 0x4c];
    let mut bytes = [0_u8; 25];
    for character in value.bytes() {
        let Some(digit) = ALPHABET.iter().position(|a| *a == character) else { return false };
        let mut carry = digit;
        for byte in bytes.iter_mut().rev() {
            carry += usize::from(*byte) * 58;
            *byte = (carry & 0xff) as u8;
            carry >>= 8;
        }
        if carry != 0 {
            return false;
        }
    }
    let digest = Sha256::digest(Sha256::digest(&bytes[..21]));
    VERSIONS.contains(&bytes[0]) && digest[..4] == bytes[21..]
}

fn bech32(value: &str) -> bool {
    const ALPHABET: &[u8] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
    let lower = value.to_ascii_lowercase();
    if lower != value && value.to_ascii_uppercase() != value {
        return false;
    }
    let Some((prefix, data)) = lower.rsplit_once('1') else { return false };
    let expanded = prefix.bytes().map(|b| b >> 5).chain([0]).chain(prefix.bytes().map(|b| b & 31));
    let mut state = 1_u32;
    let mut step = |value: u8| {
        const GENERATOR: [u32; 5] =
            [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3];
        let top = state >> 25;
        state = (state & 0x01ff_ffff) << 5 ^ u32::from(value);
        for (bit, generator) in GENERATOR.iter().enumerate() {
            if top >> bit & 1 == 1 {
                state ^= generator;
            }
        }
    };
    expanded.for_each(&mut step);
    for character in data.bytes() {
        let Some(digit) = ALPHABET.iter().position(|a| *a == character) else { return false };
        step(digit as u8);
    }
    data.len() >= 6 && matches!(state, 1 | 0x2bc8_30a3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wallets_need_their_checksum() {
        // The first block's address, and the examples of BIP 173 and BIP 350.
        assert_eq!(bitcoin("1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"), Check::Confirmed);
        assert_eq!(bitcoin("1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb"), Check::Refuted);
        assert_eq!(bitcoin("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"), Check::Confirmed);
        assert_eq!(bitcoin("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5"), Check::Refuted);
        assert_eq!(
            bitcoin("bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0"),
            Check::Confirmed
        );
    }

    #[test]
    fn file_names_are_no_mail_addresses() {
        assert_eq!(email("ann@example.com"), Check::Possible);
        assert_eq!(email("icon@2x.png"), Check::Refuted);
        assert_eq!(email("a..b@example.com"), Check::Refuted);
    }
}
