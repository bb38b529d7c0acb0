//! Bodies of records and keyed digests.

use exhibit_ledger::digest::DigestKey;
use exhibit_ledger::proof::InvalidProof;
use exhibit_ledger::record::{
    Body, PartKey, RecordId, TooManyParts, body_root, body_roots, disclose_part, part_hash,
    part_hashes, verify_part,
};
use exhibit_ledger::tree::{Hash, empty_root, leaf_hash, root_of};
use hmac::{Hmac, KeyInit as _, Mac as _};
use proptest::prelude::*;
use sha2::Sha256;

const TRACE_KEY: [u8; 32] = [7; 32];
const ID: RecordId = RecordId([9; 16]);

fn hmac(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(message);
    mac.finalize().into_bytes().to_vec()
}

/// The definition, spelled out with copies.
fn naive_root(parts: &[&[u8]]) -> Hash {
    let leaf = |(n, part): (u8, &&[u8])| {
        let salt = hmac(&TRACE_KEY, &[ID.0.as_slice(), &[n]].concat());
        leaf_hash(&[&salt, *part].concat())
    };
    root_of(&(0..).zip(parts).map(leaf).collect::<Vec<_>>())
}

#[test]
fn the_body_root_is_that_of_the_salted_parts() {
    let parts: [&[u8]; 5] = [b"header", b"input", b"output", b"", b"events"];
    let key = PartKey::new(&TRACE_KEY);
    for count in 0..=5 {
        assert_eq!(body_root(&key, &ID, &parts[..count]).unwrap(), naive_root(&parts[..count]));
    }
    assert_eq!(body_root(&key, &ID, &[]).unwrap(), empty_root());
}

#[test]
fn another_key_record_order_or_byte_gives_another_root() {
    let key = PartKey::new(&TRACE_KEY);
    let root = body_root(&key, &ID, &[b"a", b"b"]).unwrap();
    let other_key = PartKey::new(&[8; 32]);
    for other in [
        body_root(&other_key, &ID, &[b"a", b"b"]),
        body_root(&key, &RecordId([10; 16]), &[b"a", b"b"]),
        body_root(&key, &ID, &[b"b", b"a"]),
        body_root(&key, &ID, &[b"a", b"c"]),
        body_root(&key, &ID, &[b"ab", b""]),
        body_root(&key, &ID, &[b"a", b"b", b""]),
        body_root(&key, &ID, &[b"a"]),
    ] {
        assert_ne!(other.unwrap(), root);
    }
}

#[test]
fn equal_parts_do_not_show_that_they_are_equal() {
    let key = PartKey::new(&TRACE_KEY);
    let hashes = part_hashes(&key, &ID, &[b"same", b"same"]).unwrap();
    assert_ne!(hashes[0], hashes[1]);
    let elsewhere = part_hashes(&key, &RecordId([10; 16]), &[b"same"]).unwrap();
    assert_ne!(hashes[0], elsewhere[0]);
}

#[test]
fn more_parts_than_salts_can_name_are_refused() {
    let key = PartKey::new(&TRACE_KEY);
    let parts: Vec<&[u8]> = vec![b"x"; 257];
    assert!(body_root(&key, &ID, &parts[..256]).is_ok());
    assert_eq!(body_root(&key, &ID, &parts), Err(TooManyParts(257)));
}

#[test]
fn secrets_do_not_show_in_debug_output() {
    let key = PartKey::new(&TRACE_KEY);
    assert_eq!(format!("{key:?} {:?}", key.salt(&ID, 0)), "PartKey(…) Salt(…)");
    assert_eq!(format!("{:?}", DigestKey::new(&TRACE_KEY)), "DigestKey(…)");
}

#[test]
fn a_keyed_digest_depends_on_key_purpose_and_where_parts_end() {
    let key = DigestKey::new(&TRACE_KEY);
    let digest = key.digest("identity", &[b"ab", b"c"]);
    let message = b"\0\0\0\0\0\0\0\x08identity\0\0\0\0\0\0\0\x02ab\0\0\0\0\0\0\0\x01c";
    assert_eq!(digest.0.as_slice(), &hmac(&TRACE_KEY, message)[..16]);
    assert_eq!(digest, key.digest("identity", &[b"ab", b"c"]));
    for other in [
        DigestKey::new(&[8; 32]).digest("identity", &[b"ab", b"c"]),
        key.digest("delivery", &[b"ab", b"c"]),
        key.digest("identity", &[b"a", b"bc"]),
        key.digest("identity", &[b"abc"]),
        key.digest("identity", &[b"ab", b"c", b""]),
    ] {
        assert_ne!(other, digest);
    }
}

#[test]
fn a_salt_is_the_hmac_of_record_and_part() {
    let key = PartKey::new(&TRACE_KEY);
    for part in [0, 1, 255] {
        let expected = hmac(&TRACE_KEY, &[ID.0.as_slice(), &[part]].concat());
        assert_eq!(key.salt(&ID, part).0.as_slice(), expected);
        let leaf = leaf_hash(&[expected.as_slice(), b"bytes"].concat());
        assert_eq!(part_hash(&key.salt(&ID, part), b"bytes"), leaf);
    }
}

proptest! {
    #[test]
    fn a_batch_gives_each_record_the_root_it_has_alone(
        records in prop::collection::vec(
            (any::<[u8; 16]>(), any::<bool>(), prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..7)),
            0..12,
        ),
    ) {
        let keys = [PartKey::new(&TRACE_KEY), PartKey::new(&[8; 32])];
        let parts: Vec<Vec<&[u8]>> =
            records.iter().map(|(_, _, parts)| parts.iter().map(Vec::as_slice).collect()).collect();
        let bodies: Vec<Body<'_>> = records
            .iter()
            .zip(&parts)
            .map(|((id, key, _), parts)| {
                Body { key: &keys[usize::from(*key)], record: RecordId(*id), parts }
            })
            .collect();
        let alone: Vec<Hash> =
            bodies.iter().map(|b| body_root(b.key, &b.record, b.parts).unwrap()).collect();
        prop_assert_eq!(body_roots(&bodies).unwrap(), alone);
    }

    #[test]
    fn one_part_proves_alone_and_no_other_bytes_do(
        parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 1..9),
        chosen in any::<prop::sample::Index>(),
        bit in 0_usize..256,
    ) {
        let key = PartKey::new(&TRACE_KEY);
        let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
        let root = body_root(&key, &ID, &parts).unwrap();
        prop_assert_eq!(root, naive_root(&parts));
        let hashes = part_hashes(&key, &ID, &parts).unwrap();
        let part = chosen.index(parts.len()) as u8;
        let bytes = parts[usize::from(part)];
        let proof = disclose_part(&hashes, part, key.salt(&ID, part)).unwrap();
        prop_assert_eq!(verify_part(&proof, bytes, &root), Ok(()));

        let mut other = proof.clone();
        other.salt.0[bit / 8] ^= 1 << (bit % 8);
        prop_assert_eq!(verify_part(&other, bytes, &root), Err(InvalidProof::Root));
        let longer = [bytes, b"x"].concat();
        prop_assert!(verify_part(&proof, &longer, &root).is_err());
        // A part cannot be shown as another one, or as one of another number of parts.
        for elsewhere in (0..=255).filter(|elsewhere| *elsewhere != part) {
            let moved = exhibit_ledger::record::PartProof { part: elsewhere, ..proof.clone() };
            prop_assert!(verify_part(&moved, bytes, &root).is_err());
        }
        prop_assert_eq!(disclose_part(&hashes, parts.len() as u8, key.salt(&ID, 0)), None);
    }
}
