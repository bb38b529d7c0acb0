//! The compression function of SHA-256 (FIPS 180-4 section 6.2.2) over eight messages side by side.
//!
//! Plain loops over eight words each; the compiler turns them into wide instructions where
//! [`Arch::dispatch`] lets it.

use pulp::{Arch, NullaryFnOnce};

/// Messages that advance together.
pub(super) const LANES: usize = 8;

type Words = [u32; LANES];

/// Round constants (FIPS 180-4 section 4.2.2).
const ROUND: [u32; 64] = [
    0x428a_2f98,
    0x7137_4491,
    0xb5c0_fbcf,
    0xe9b5_dba5,
    0x3956_c25b,
    0x59f1_11f1,
    0x923f_82a4,
    0xab1c_5ed5,
    0xd807_aa98,
    0x1283_5b01,
    0x2431_85be,
    0x550c_7dc3,
    0x72be_5d74,
    0x80de_b1fe,
    0x9bdc_06a7,
    0xc19b_f174,
    0xe49b_69c1,
    0xefbe_4786,
    0x0fc1_9dc6,
    0x240c_a1cc,
    0x2de9_2c6f,
    0x4a74_84aa,
    0x5cb0_a9dc,
    0x76f9_88da,
    0x983e_5152,
    0xa831_c66d,
    0xb003_27c8,
    0xbf59_7fc7,
    0xc6e0_0bf3,
    0xd5a7_9147,
    0x06ca_6351,
    0x1429_2967,
    0x27b7_0a85,
    0x2e1b_2138,
    0x4d2c_6dfc,
    0x5338_0d13,
    0x650a_7354,
    0x766a_0abb,
    0x81c2_c92e,
    0x9272_2c85,
    0xa2bf_e8a1,
    0xa81a_664b,
    0xc24b_8b70,
    0xc76c_51a3,
    0xd192_e819,
    0xd699_0624,
    0xf40e_3585,
    0x106a_a070,
    0x19a4_c116,
    0x1e37_6c08,
    0x2748_774c,
    0x34b0_bcb5,
    0x391c_0cb3,
    0x4ed8_aa4a,
    0x5b9c_ca4f,
    0x682e_6ff3,
    0x748f_82ee,
    0x78a5_636f,
    0x84c8_7814,
    0x8cc7_0208,
    0x90be_fffa,
    0xa450_6ceb,
    0xbef9_a3f7,
    0xc671_78f2,
];

/// The states of eight hashes, word by word.
#[derive(Default)]
pub(super) struct Lanes([Words; 8]);

impl Lanes {
    /// Starts a lane from a state.
    pub(super) fn load(&mut self, lane: usize, state: &[u32; 8]) {
        for (words, word) in self.0.iter_mut().zip(state) {
            words[lane] = *word;
        }
    }

    /// The state of a lane.
    pub(super) fn state(&self, lane: usize) -> [u32; 8] {
        self.0.map(|words| words[lane])
    }

    /// Takes one block into each lane.
    pub(super) fn advance(&mut self, arch: Arch, blocks: &[&[u8; 64]; LANES]) {
        arch.dispatch(Advance { state: &mut self.0, blocks });
    }
}

struct Advance<'a> {
    state: &'a mut [Words; 8],
    blocks: &'a [&'a [u8; 64]; LANES],
}

impl NullaryFnOnce for Advance<'_> {
    type Output = ();

    #[inline(always)]
    #[expect(clippy::inline_always, reason = "wide only where it is compiled into the dispatch")]
    fn call(self) {
        compress(self.state, self.blocks);
    }
}

#[inline(always)]
#[expect(clippy::inline_always, reason = "wide only where it is compiled into the dispatch")]
fn each(word: impl Fn(usize) -> u32) -> Words {
    let mut words = [0; LANES];
    for (lane, slot) in words.iter_mut().enumerate() {
        *slot = word(lane);
    }
    words
}

#[inline(always)]
#[expect(clippy::inline_always, reason = "wide only where it is compiled into the dispatch")]
#[expect(clippy::many_single_char_names, reason = "the names of the standard")]
fn compress(state: &mut [Words; 8], blocks: &[&[u8; 64]; LANES]) {
    let mut w = [[0; LANES]; 16];
    for (t, words) in w.iter_mut().enumerate() {
        *words = each(|lane| {
            let at = t * 4;
            let block = blocks[lane];
            u32::from_be_bytes([block[at], block[at + 1], block[at + 2], block[at + 3]])
        });
    }
    let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = *state;
    for sixteen in 0..4 {
        for t in 0..16 {
            if sixteen > 0 {
                let (w15, w7, w2, w16) = (w[(t + 1) % 16], w[(t + 9) % 16], w[(t + 14) % 16], w[t]);
                w[t] = each(|l| {
                    let (x, y) = (w15[l], w2[l]);
                    let s0 = x.rotate_right(7) ^ x.rotate_right(18) ^ (x >> 3);
                    let s1 = y.rotate_right(17) ^ y.rotate_right(19) ^ (y >> 10);
                    w16[l].wrapping_add(s0).wrapping_add(w7[l]).wrapping_add(s1)
                });
            }
            let (k, wt) = (ROUND[sixteen * 16 + t], w[t]);
            let t1 = each(|l| {
                let x = e[l];
                let s1 = x.rotate_right(6) ^ x.rotate_right(11) ^ x.rotate_right(25);
                let choice = (x & f[l]) ^ (!x & g[l]);
                h[l].wrapping_add(s1).wrapping_add(choice).wrapping_add(k).wrapping_add(wt[l])
            });
            let t2 = each(|l| {
                let x = a[l];
                let s0 = x.rotate_right(2) ^ x.rotate_right(13) ^ x.rotate_right(22);
                s0.wrapping_add((x & b[l]) ^ (x & c[l]) ^ (b[l] & c[l]))
            });
            (h, g, f) = (g, f, e);
            e = each(|l| d[l].wrapping_add(t1[l]));
            (d, c, b) = (c, b, a);
            a = each(|l| t1[l].wrapping_add(t2[l]));
        }
    }
    for (words, added) in state.iter_mut().zip([a, b, c, d, e, f, g, h]) {
        *words = each(|l| words[l].wrapping_add(added[l]));
    }
}
