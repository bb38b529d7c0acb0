//! The vocabulary of the corpus: about 41,000 words whose frequency follows the Zipf-Mandelbrot
//! law, and a small stock of Chinese and Japanese phrases.
//!
//! The vocabulary is the same for every seed, so that a query can name a common, a middling and a
//! rare word without having seen the corpus. It is not a language: grammar plays no part in what
//! is measured, the number of distinct terms and their frequencies do.

use std::collections::HashSet;

use super::rng::Rng;

/// Number of words; real prose of this volume has tens of thousands.
pub const VOCABULARY_WORDS: usize = 40_960;
const VOCABULARY_SEED: u64 = 0x0000_e71b_17b0_0c01;
/// Exponent and shift of the Zipf-Mandelbrot law, as measured for English prose.
const ZIPF_EXPONENT: f64 = 1.05;
const ZIPF_SHIFT: f64 = 2.7;

/// Frequent words first: the head of every English frequency list, then the talk of agents.
const FREQUENT: &str = "the of and to in a is that for it as was with be by on not he his but at \
are this have from or had an they which one you were her all she there would their we him been \
has when who will more no if out so said what up its about into than them can only other new \
some could time these two may then do first any my now such like our over man me even most made \
after also did many before must through years where much your way well down should because each \
just those people how too little state good very make world still own see men work long get here \
between both life being under never day same another know while last might us great old year off \
come since against go came right used take three model answer question user agent tool result \
search query document source report summary data value table order customer account payment \
invoice request response error retry timeout service region cluster deploy release version \
config token prompt context memory step plan review policy contract ticket status price total \
amount date team project task meeting schedule email message file folder index record column \
field schema update delete insert select join filter group average median forecast revenue cost \
margin growth quarter market product feature design build test coverage latency throughput \
server client network storage disk cache queue worker thread process function method class \
module library package interface protocol format parser compiler";

const ONSETS: [&str; 32] = [
    "b", "c", "d", "f", "g", "h", "j", "k", "l", "m", "n", "p", "r", "s", "t", "v", "w", "br",
    "cl", "cr", "dr", "fl", "gr", "pl", "pr", "qu", "sc", "sh", "st", "str", "th", "tr",
];
const NUCLEI: [&str; 14] =
    ["a", "e", "i", "o", "u", "ai", "ea", "ee", "ie", "io", "oa", "ou", "au", "y"];
const CODAS: [&str; 16] =
    ["", "", "", "", "l", "m", "n", "r", "s", "t", "x", "nd", "nt", "rk", "st", "ng"];
const SUFFIXES: [&str; 16] = [
    "", "", "", "", "s", "ed", "er", "ing", "ly", "ness", "ion", "able", "ment", "ist", "ity", "al",
];

const HAN: &str = "的一是在不了有和人这中大为上个国我以要他时来用们生到作地于出就分对成会可主发年动同工也能下过子说产种面而方后多定行学法所民得经十三之进着等部度家电力里如水化高自二理起小物现实加量都两体制机当使点从业本去把性好应开它合还因由其些然前外天政四日那社义事平形相全表间样与关各重新线内数正心反你明看原又么利比或但质气第向道命此变条只没结解问意建月公无系军很情者最立代想已通并提直题党程展五果料象员革位入常文总次品式活设及管特件长求老头基资边流路级少图山统接知较将组见计别她手角期根论运农指几九区强放决西被干做必战先回则任取据处队南给色光门即保治北造百规热领七海口东导器压志世金增争济阶油思术极交受联什认六共权收证改清己美再采转更单风切打白教速花带安场身车例真务具万每目至达走积示议声报斗完类八离华名确才科张信马节话米整空元况今集温传土许步群广石记需段研界拉林律叫且究观越织装影算低持音众书布复容儿须际商非验连断深难近矿千周委素技备半办青省列习响约支般史感劳便团往酸历市克何除消构府称太准精值号率族维划选标写存候毛亲快效斯院查江型眼王按格养易置派层片始却专状育厂京识适属圆包火住调满县局照参红细引听该铁价严";
const KANA: &str = "あいうえおかきくけこさしすせそたちつてとなにぬねのはひふへほまみむめもやゆよらりるれろわをんアイウエオカキクケコサシスセソタチツテトナニヌネノハヒフヘホマミムメモラリルレロワンー";

/// The words and the law by which they are drawn.
#[derive(Debug)]
pub struct Vocabulary {
    arena: String,
    ends: Vec<u32>,
    alias: Vec<(u32, u32)>,
    han: Vec<char>,
    kana: Vec<char>,
}

impl Vocabulary {
    /// Builds the vocabulary; the outcome is always the same.
    pub fn build() -> Self {
        let mut rng = Rng::new(VOCABULARY_SEED);
        let mut seen = HashSet::with_capacity(VOCABULARY_WORDS);
        let mut arena = String::with_capacity(VOCABULARY_WORDS * 9);
        let mut ends = Vec::with_capacity(VOCABULARY_WORDS);
        for word in FREQUENT.split_whitespace() {
            if seen.insert(word.to_owned()) {
                arena.push_str(word);
                ends.push(arena.len() as u32);
            }
        }
        while ends.len() < VOCABULARY_WORDS {
            let word = invented(&mut rng, ends.len());
            if !seen.contains(&word) {
                arena.push_str(&word);
                ends.push(arena.len() as u32);
                seen.insert(word);
            }
        }
        let weights: Vec<f64> = (0..ends.len())
            .map(|rank| (rank as f64 + 1.0 + ZIPF_SHIFT).powf(-ZIPF_EXPONENT))
            .collect();
        Self {
            arena,
            ends,
            alias: alias_table(&weights),
            han: HAN.chars().collect(),
            kana: KANA.chars().collect(),
        }
    }

    /// The word of a frequency rank, 0 being the most frequent.
    pub fn word(&self, rank: usize) -> &str {
        let start = rank.checked_sub(1).map_or(0, |before| self.ends[before] as usize);
        &self.arena[start..self.ends[rank] as usize]
    }

    /// Draws a word by its frequency.
    pub fn draw(&self, rng: &mut Rng) -> &str {
        let bits = rng.bits();
        let slot = (((bits >> 32) * self.alias.len() as u64) >> 32) as usize;
        let (threshold, other) = self.alias[slot];
        self.word(if bits as u32 <= threshold { slot } else { other as usize })
    }

    /// Appends a short Chinese or Japanese sentence.
    pub fn push_east_asian(&self, rng: &mut Rng, out: &mut String) {
        let japanese = rng.chance(0.5);
        for _ in 0..rng.between(8, 24) {
            let letters = if japanese && rng.chance(0.6) { &self.kana } else { &self.han };
            out.push(*rng.pick(letters));
        }
        out.push('。');
    }
}

/// A pronounceable word; rarer ranks get longer words, as in real languages.
fn invented(rng: &mut Rng, rank: usize) -> String {
    let syllables = 1 + rng.below(2) + usize::from(rank > 2_000) + usize::from(rng.chance(0.2));
    let mut word = String::new();
    for _ in 0..syllables {
        word.push_str(rng.pick::<&str>(&ONSETS));
        word.push_str(rng.pick::<&str>(&NUCLEI));
        word.push_str(rng.pick::<&str>(&CODAS));
    }
    word.push_str(rng.pick::<&str>(&SUFFIXES));
    word
}

/// Vose's alias method: one table look-up per draw, whatever the number of words.
fn alias_table(weights: &[f64]) -> Vec<(u32, u32)> {
    let scale = weights.len() as f64 / weights.iter().sum::<f64>();
    let mut scaled: Vec<f64> = weights.iter().map(|weight| weight * scale).collect();
    let mut table = vec![(u32::MAX, 0_u32); weights.len()];
    let (mut small, mut large): (Vec<usize>, Vec<usize>) =
        (0..scaled.len()).partition(|&index| scaled[index] < 1.0);
    while let (Some(less), Some(&more)) = (small.pop(), large.last()) {
        table[less] = ((scaled[less] * f64::from(u32::MAX)) as u32, more as u32);
        scaled[more] -= 1.0 - scaled[less];
        if scaled[more] < 1.0 {
            large.pop();
            small.push(more);
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::{Rng, VOCABULARY_WORDS, Vocabulary};

    #[test]
    fn every_word_is_there_once() {
        let words = Vocabulary::build();
        let distinct: HashSet<&str> = (0..VOCABULARY_WORDS).map(|rank| words.word(rank)).collect();
        assert_eq!(distinct.len(), VOCABULARY_WORDS);
    }

    #[test]
    fn words_are_drawn_by_the_zipf_mandelbrot_law() {
        let words = Vocabulary::build();
        let mut rng = Rng::new(5);
        let draws = 400_000;
        let (mut first, mut hundredth) = (0_u32, 0_u32);
        for _ in 0..draws {
            let word = words.draw(&mut rng);
            first += u32::from(word == words.word(0));
            hundredth += u32::from(word == words.word(99));
        }
        let ratio = f64::from(first) / f64::from(hundredth.max(1));
        let expected = ((100.0 + 2.7) / (1.0 + 2.7_f64)).powf(1.05);
        assert!((ratio / expected - 1.0).abs() < 0.2, "{ratio} but expected {expected}");
    }
}
