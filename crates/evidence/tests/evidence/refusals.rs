//! Files that are no bundles, or more than one: each is refused by name, in bounded memory and time.

use exhibit_evidence::{Demands, zip::ZipWriter};

use crate::corpus::{Case, Operator, bundle, check, records, said};

/// Replaces bytes wherever they stand: local header and directory.
fn replaced(bundle: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut out = bundle.to_vec();
    for at in 0..=out.len() - from.len() {
        if out[at..].starts_with(from) {
            out[at..at + to.len()].copy_from_slice(to);
        }
    }
    out
}

/// Sets a field of both headers of the first file, given its offset in the local header.
fn field(bundle: &[u8], offset: usize, value: &[u8]) -> Vec<u8> {
    let mut out = bundle.to_vec();
    let central = directory(bundle);
    out[offset..offset + value.len()].copy_from_slice(value);
    out[central + offset + 2..central + offset + 2 + value.len()].copy_from_slice(value);
    out
}

fn directory(bundle: &[u8]) -> usize {
    let end = bundle.len() - 22;
    u32::from_le_bytes(bundle[end + 16..end + 20].try_into().unwrap()) as usize
}

/// Every refusal, by name.
pub(crate) fn cases() -> Vec<Case> {
    let good = bundle(&Operator::new(), &records(), Some("trace-1"));
    let end = good.len() - 22;
    let patched = |at: usize, value: &[u8]| {
        let mut out = good.clone();
        out[at..at + value.len()].copy_from_slice(value);
        out
    };
    let mut cases = Vec::new();
    let mut case = |name, bundle, code| cases.push(Case { name, bundle, verdict: "refused", code });
    case("empty", Vec::new(), "not-a-zip");
    case("not-a-zip", b"PK\x03\x04 but nothing else follows here at all".to_vec(), "not-a-zip");
    case("bytes-behind", [&good[..], b"x"].concat(), "not-a-zip");
    case("bytes-before", [b"x", &good[..]].concat(), "not-a-zip");
    case("path-traversal", replaced(&good, b"extra/a.txt", b"../../a.txt"), "unsafe-name");
    case("absolute-path", replaced(&good, b"extra/a.txt", b"/xtra/a.txt"), "unsafe-name");
    case("backslashes", replaced(&good, b"extra/a.txt", b"extra\\a.txt"), "unsafe-name");
    case("nul-in-a-name", replaced(&good, b"extra/a.txt", b"extra/\0.txt"), "unsafe-name");
    case("name-twice", replaced(&good, b"extra/a.txt", b"extra/b.txt"), "duplicate-name");
    case("four-gib-claim", field(&good, 22, &0xffff_fff0_u32.to_le_bytes()), "too-large");
    case("claim-beyond-deflate", field(&good, 22, &(1_u32 << 27).to_le_bytes()), "too-large");
    case("zip64", patched(end + 16, &u32::MAX.to_le_bytes()), "too-large");
    case("zip64-count", patched(end + 8, &[0xff; 4]), "too-large");
    case("encrypted", field(&good, 6, &1_u16.to_le_bytes()), "unsupported");
    case("another-compression", field(&good, 8, &12_u16.to_le_bytes()), "unsupported");
    case("local-header-differs", patched(14, b"\0\0\0\0"), "not-a-zip");
    let central = directory(&good);
    case("overlapping-files", patched(central + 42, &7_u32.to_le_bytes()), "not-a-zip");
    case("directory-elsewhere", patched(end + 16, &0_u32.to_le_bytes()), "not-a-zip");
    let mut zip = ZipWriter::new(Vec::new());
    zip.add("a", b"a").unwrap();
    case("no-manifest", zip.finish().unwrap(), "malformed-manifest");

    // A bomb whose claim is modest: it is unpacked up to the claim and one byte beyond.
    let mut zip = ZipWriter::new(Vec::new());
    zip.add("manifest.json", &vec![b' '; 16 << 20]).unwrap();
    let bomb = field(&zip.finish().unwrap(), 22, &1_000_u32.to_le_bytes());
    case("bomb", bomb, "malformed-manifest");
    cases
}

#[test]
fn every_file_that_is_no_bundle_is_refused_by_name() {
    for Case { name, bundle, verdict, code } in cases() {
        let report = check(&bundle, &Demands::default());
        let expected = (verdict.to_owned(), vec![code.to_owned()]);
        assert_eq!(said(&report), expected, "{name}: {:?}", report.faults);
    }
}
