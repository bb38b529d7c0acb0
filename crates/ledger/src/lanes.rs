//! SHA-256 of many messages at once.
//!
//! One record means a dozen small hashes. Where the CPU has SHA instructions the `sha2` crate does
//! them one after another; where it has only wide registers, eight messages advance together, which
//! is four to six times faster than one at a time. Both ways give the same digests; which one runs
//! is found out here and nowhere else.

mod compress;

use pulp::Arch;
use sha2::block_api::compress256;

use crate::tree::Hash;
use compress::{LANES, Lanes};

/// Initial state of SHA-256 (FIPS 180-4 section 5.3.3).
pub(crate) const INITIAL: [u32; 8] = [
    0x6a09_e667,
    0xbb67_ae85,
    0x3c6e_f372,
    0xa54f_f53a,
    0x510e_527f,
    0x9b05_688c,
    0x1f83_d9ab,
    0x5be0_cd19,
];
/// Fewer messages than this are hashed one after another.
const WORTHWHILE: usize = 4;

/// One message: a few bytes of our own, then bytes of the caller.
#[derive(Clone)]
pub(crate) struct Message<'m> {
    /// State to start from: [`INITIAL`], or that after `before` bytes.
    state: &'m [u32; 8],
    /// Bytes already in the state, a multiple of 64.
    before: u64,
    head: [u8; 65],
    head_len: u8,
    tail: &'m [u8],
}

impl<'m> Message<'m> {
    /// A message from the start.
    pub(crate) fn new<const N: usize>(pieces: [&[u8]; N], tail: &'m [u8]) -> Self {
        Self::after(&INITIAL, 0, pieces, tail)
    }

    /// A message that goes on after `before` bytes; the pieces have at most 65 bytes together, the
    /// rest of them would be cut.
    pub(crate) fn after<const N: usize>(
        state: &'m [u32; 8],
        before: u64,
        pieces: [&[u8]; N],
        tail: &'m [u8],
    ) -> Self {
        let mut head = [0; 65];
        let mut at = 0;
        for piece in pieces {
            let end = (at + piece.len()).min(head.len());
            head[at..end].copy_from_slice(&piece[..end - at]);
            at = end;
        }
        Self { state, before, head, head_len: at as u8, tail }
    }

    /// `0x01 || left || right`.
    pub(crate) fn node(left: &Hash, right: &Hash) -> Self {
        Self::new([&[0x01], &left.0, &right.0], &[])
    }

    fn len(&self) -> usize {
        usize::from(self.head_len) + self.tail.len()
    }

    /// Number of blocks, with the padding of FIPS 180-4 section 5.1.1.
    fn blocks(&self) -> usize {
        (self.len() + 9).div_ceil(64)
    }

    /// Block `n` where it lies whole in the tail.
    fn whole(&self, n: usize) -> Option<&'m [u8; 64]> {
        let start = (n * 64).checked_sub(usize::from(self.head_len))?;
        self.tail.get(start..)?.first_chunk::<64>()
    }

    /// Writes block `n`, padding included.
    fn fill(&self, n: usize, block: &mut [u8; 64]) {
        *block = [0; 64];
        let head = &self.head[..usize::from(self.head_len)];
        let (start, end) = (n * 64, n * 64 + 64);
        let mut filled = 0;
        if let Some(rest) = head.get(start..) {
            filled = rest.len().min(64);
            block[..filled].copy_from_slice(&rest[..filled]);
        }
        if let Some(rest) = self.tail.get((start + filled).saturating_sub(head.len())..) {
            let length = rest.len().min(64 - filled);
            block[filled..filled + length].copy_from_slice(&rest[..length]);
        }
        if (start..end).contains(&self.len()) {
            block[self.len() - start] = 0x80;
        }
        if n + 1 == self.blocks() {
            let bits = (self.before + self.len() as u64) * 8;
            block[56..].copy_from_slice(&bits.to_be_bytes());
        }
    }
}

/// The digest of each message, in order.
pub(crate) fn hash_all(messages: &[Message<'_>]) -> Vec<Hash> {
    match wide() {
        Some(arch) if messages.len() >= WORTHWHILE => together(arch, messages),
        _ => messages.iter().map(hash_one).collect(),
    }
}

/// The digest of one message.
pub(crate) fn hash_one(message: &Message<'_>) -> Hash {
    digest(alone(message, *message.state, 0))
}

/// Wide registers, where they are the fastest way.
fn wide() -> Option<Arch> {
    #[cfg(target_arch = "x86_64")]
    if !std::arch::is_x86_feature_detected!("sha") && pulp::x86::V3::try_new().is_some() {
        return Some(Arch::new());
    }
    None
}

/// Hashes from block `n` on, one block after another.
fn alone(message: &Message<'_>, mut state: [u32; 8], mut n: usize) -> [u32; 8] {
    let mut block = [0; 64];
    while n < message.blocks() {
        if let Some(whole) = message.whole(n) {
            compress256(&mut state, std::slice::from_ref(whole));
        } else {
            message.fill(n, &mut block);
            compress256(&mut state, std::slice::from_ref(&block));
        }
        n += 1;
    }
    state
}

/// A message on its way through a lane.
struct Course<'a, 'm> {
    message: &'a Message<'m>,
    place: usize,
    block: usize,
}

/// Hashes eight messages at a time; a lane takes the next one as soon as its own is done.
fn together(arch: Arch, messages: &[Message<'_>]) -> Vec<Hash> {
    let mut hashes = vec![Hash::default(); messages.len()];
    let mut order: Vec<usize> = (0..messages.len()).collect();
    // The longest go first, so that the lanes become empty at about the same time.
    order.sort_by_key(|place| std::cmp::Reverse(messages[*place].blocks()));
    let mut waiting =
        order.into_iter().map(|place| Course { message: &messages[place], place, block: 0 });

    let mut lanes = Lanes::default();
    let mut courses: [Option<Course<'_, '_>>; LANES] = Default::default();
    let mut own = [[0; 64]; LANES];
    loop {
        for (lane, course) in courses.iter_mut().enumerate() {
            if course.is_none() {
                *course = waiting.next();
                if let Some(course) = course {
                    lanes.load(lane, course.message.state);
                }
            }
        }
        if courses.iter().flatten().count() <= 1 {
            break;
        }
        let mut blocks: [Option<&[u8; 64]>; LANES] = [None; LANES];
        for ((course, own), block) in courses.iter().zip(&mut own).zip(&mut blocks) {
            let Some(course) = course else { continue };
            *block = course.message.whole(course.block);
            if block.is_none() {
                course.message.fill(course.block, own);
            }
        }
        let blocks: [&[u8; 64]; LANES] =
            std::array::from_fn(|lane| blocks[lane].unwrap_or(&own[lane]));
        lanes.advance(arch, &blocks);
        for (lane, slot) in courses.iter_mut().enumerate() {
            let Some(course) = slot else { continue };
            course.block += 1;
            if course.block == course.message.blocks() {
                hashes[course.place] = digest(lanes.state(lane));
                *slot = None;
            }
        }
    }
    for (lane, course) in courses.iter().enumerate() {
        if let Some(course) = course {
            let state = alone(course.message, lanes.state(lane), course.block);
            hashes[course.place] = digest(state);
        }
    }
    hashes
}

fn digest(state: [u32; 8]) -> Hash {
    let mut bytes = [0; 32];
    for (four, word) in bytes.as_chunks_mut::<4>().0.iter_mut().zip(state) {
        *four = word.to_be_bytes();
    }
    Hash(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sha2::{Digest, Sha256};

    use super::*;

    fn expected(messages: &[Message<'_>]) -> Vec<Hash> {
        let one = |m: &Message<'_>| {
            let bytes = [&m.head[..usize::from(m.head_len)], m.tail].concat();
            Hash(Sha256::digest(bytes).into())
        };
        messages.iter().map(one).collect()
    }

    proptest! {
        #[test]
        fn every_way_gives_the_digest_of_an_ordinary_hasher(
            texts in prop::collection::vec(
                (prop::collection::vec(any::<u8>(), 0..66), prop::collection::vec(any::<u8>(), 0..400)),
                0..40,
            ),
        ) {
            let messages: Vec<_> =
                texts.iter().map(|(head, tail)| Message::new([head], tail)).collect();
            let expected = expected(&messages);
            prop_assert_eq!(&hash_all(&messages), &expected);
            prop_assert_eq!(&together(Arch::Scalar, &messages), &expected);
            prop_assert_eq!(&together(Arch::new(), &messages), &expected);
            let alone: Vec<_> =
                messages.iter().map(hash_one).collect();
            prop_assert_eq!(&alone, &expected);
        }
    }

    #[test]
    fn padding_is_right_at_every_length_around_the_block_borders() {
        let bytes: Vec<u8> = (0..200_u8).collect();
        for head in [0, 1, 32, 33, 63, 64, 65] {
            let messages: Vec<_> =
                (0..200).map(|tail| Message::new([&bytes[..head]], &bytes[..tail])).collect();
            assert_eq!(together(Arch::new(), &messages), expected(&messages), "head of {head}");
        }
    }
}
