//! The packed value of a span's row: what identifies the revision first, what describes it after.

use std::collections::BTreeMap;

use exhibit_model::{
    CostSource, FindingCategory, Flag, NanoUsd, Nanos, RecordId, SpanHead, SpanId, SpanKind,
    Status, TraceId, Usage, UsageRole, Verdict, merge::Digest,
};

use super::{Place, put_lengths, take_lengths};
use crate::{
    failure::{Result, corrupt},
    varint,
};

/// The first byte: the form of what follows.
const FORM: u8 = 1;

const COUNTED: u64 = 1;
const LEAF: u64 = 1 << 1;
const QUARANTINED: u64 = 1 << 2;
const END: u64 = 1 << 3;
const MODEL: u64 = 1 << 4;
const PROVIDER: u64 = 1 << 5;
const TOOL: u64 = 1 << 6;
const RESPONSE_ID: u64 = 1 << 7;
const USAGE: u64 = 1 << 8;
const COST: u64 = 1 << 9;
const TTFT: u64 = 1 << 10;
const FLAGS: u64 = 1 << 11;
const INPUT_PREVIEW: u64 = 1 << 12;
const OUTPUT_PREVIEW: u64 = 1 << 13;
const FINDINGS: u64 = 1 << 14;
const CATEGORIES: u64 = 1 << 15;
const RULES: u64 = 1 << 16;

/// A packed value, its first half read.
#[derive(Debug)]
pub(crate) struct Packed<'b> {
    pub(crate) record: RecordId,
    pub(crate) digest: Digest,
    pub(crate) place: Place,
    pub(crate) leaf: Option<(u64, [u8; 32])>,
    pub(crate) counted: bool,
    bits: u64,
    rest: &'b [u8],
}

/// The second half: what describes the span.
#[derive(Debug)]
pub(crate) struct Facts<'b> {
    pub(crate) name: &'b str,
    pub(crate) kind: SpanKind,
    pub(crate) status: Status,
    pub(crate) verdict: Verdict,
    pub(crate) context: i64,
    pub(crate) model: Option<&'b str>,
    pub(crate) provider: Option<&'b str>,
    pub(crate) tool: Option<&'b str>,
    pub(crate) response_id: Option<&'b str>,
    pub(crate) usage: Option<Usage>,
    pub(crate) usage_role: UsageRole,
    pub(crate) cost: Option<NanoUsd>,
    pub(crate) cost_source: CostSource,
    pub(crate) ttft: Option<Nanos>,
    pub(crate) findings: u32,
    pub(crate) categories: Vec<FindingCategory>,
    pub(crate) rules: Vec<&'b str>,
    pub(crate) flags: Vec<Flag>,
    pub(crate) quarantined: bool,
    pub(crate) input_preview: Option<&'b str>,
    pub(crate) output_preview: Option<&'b str>,
    /// The end, counted from the start; wraps.
    length: Option<i64>,
}

/// What a row states beside the head.
pub(crate) struct Stated<'s> {
    pub(crate) record: RecordId,
    pub(crate) digest: &'s Digest,
    pub(crate) place: Place,
    pub(crate) leaf: Option<(u64, [u8; 32])>,
    pub(crate) counted: bool,
    pub(crate) context: i64,
}

impl<'b> Packed<'b> {
    /// Appends the packed value of a revision.
    pub(crate) fn write(out: &mut Vec<u8>, head: &SpanHead, stated: &Stated<'_>) {
        let some = |is: bool, bit: u64| if is { bit } else { 0 };
        let bits = some(stated.counted, COUNTED)
            | some(stated.leaf.is_some(), LEAF)
            | some(head.quarantined, QUARANTINED)
            | some(head.end.is_some(), END)
            | some(head.model.is_some(), MODEL)
            | some(head.provider.is_some(), PROVIDER)
            | some(head.tool.is_some(), TOOL)
            | some(head.response_id.is_some(), RESPONSE_ID)
            | some(head.usage.is_some(), USAGE)
            | some(head.cost.is_some(), COST)
            | some(head.ttft.is_some(), TTFT)
            | some(!head.flags.is_empty(), FLAGS)
            | some(head.input_preview.is_some(), INPUT_PREVIEW)
            | some(head.output_preview.is_some(), OUTPUT_PREVIEW)
            | some(head.findings > 0, FINDINGS)
            | some(!head.categories.is_empty(), CATEGORIES)
            | some(!head.rules.is_empty(), RULES);
        out.push(FORM);
        varint::put(out, bits);
        out.extend_from_slice(&stated.record.0);
        out.extend_from_slice(stated.digest);
        if let Some((index, hash)) = &stated.leaf {
            varint::put(out, *index);
            out.extend_from_slice(hash);
        }
        varint::put_signed(out, stated.place.block);
        varint::put(out, u64::from(stated.place.offset));
        put_lengths(out, stated.place.lengths);

        let codes = [
            head.kind.code(),
            head.status.code(),
            head.verdict.code(),
            usage_role_code(head.usage_role),
            head.cost_source.code(),
        ];
        out.extend(codes.map(|code| code as u8));
        varint::put_signed(out, stated.context);
        varint::put_bytes(out, head.name.as_bytes());
        if let Some(end) = head.end {
            varint::put_signed(out, end.0.wrapping_sub(head.start.0));
        }
        let texts = [&head.model, &head.provider, &head.tool, &head.response_id];
        texts.into_iter().flatten().for_each(|text| varint::put_bytes(out, text.as_bytes()));
        if let Some(usage) = &head.usage {
            put_usage(out, usage);
        }
        let numbers = [head.cost.map(|cost| cost.0), head.ttft.map(|ttft| ttft.0)];
        numbers.into_iter().flatten().for_each(|n| varint::put_signed(out, n));
        if head.findings > 0 {
            varint::put(out, u64::from(head.findings));
        }
        if !head.flags.is_empty() {
            varint::put(out, head.flags.len() as u64);
            out.extend(head.flags.iter().map(|flag| flag.code() as u8));
        }
        let previews = [&head.input_preview, &head.output_preview];
        previews.into_iter().flatten().for_each(|text| varint::put_bytes(out, text.as_bytes()));
        if !head.categories.is_empty() {
            varint::put(out, head.categories.len() as u64);
            out.extend(head.categories.iter().map(|category| category.code() as u8));
        }
        if !head.rules.is_empty() {
            varint::put(out, head.rules.len() as u64);
            head.rules.iter().for_each(|rule| varint::put_bytes(out, rule.as_bytes()));
        }
    }

    /// Reads the first half.
    pub(crate) fn read(bytes: &'b [u8]) -> Result<Self> {
        Self::read_some(bytes).ok_or_else(|| corrupt("a packed span"))
    }

    fn read_some(bytes: &'b [u8]) -> Option<Self> {
        let mut rest = bytes.strip_prefix(&[FORM])?;
        let bits = varint::take(&mut rest)?;
        let record = RecordId(take_array(&mut rest)?);
        let digest = take_array(&mut rest)?;
        let leaf = match bits & LEAF {
            0 => None,
            _ => Some((varint::take(&mut rest)?, take_array(&mut rest)?)),
        };
        let block = varint::take_signed(&mut rest)?;
        let offset = u32::try_from(varint::take(&mut rest)?).ok()?;
        let place = Place { block, offset, lengths: take_lengths(&mut rest).ok()? };
        let counted = bits & COUNTED != 0;
        Some(Self { record, digest, place, leaf, counted, bits, rest })
    }

    /// Reads the second half.
    pub(crate) fn facts(&self) -> Result<Facts<'b>> {
        self.facts_some().ok_or_else(|| corrupt("a packed span"))
    }

    fn facts_some(&self) -> Option<Facts<'b>> {
        let mut rest = self.rest;
        let [kind, status, verdict, usage_role_code, cost_source] = take_array(&mut rest)?;
        let context = varint::take_signed(&mut rest)?;
        let name = take_text(&mut rest)?;
        let has = |bit: u64| self.bits & bit != 0;
        let length = if has(END) { Some(varint::take_signed(&mut rest)?) } else { None };
        let mut text = |bit| if has(bit) { take_text(&mut rest).map(Some) } else { Some(None) };
        let (model, provider) = (text(MODEL)?, text(PROVIDER)?);
        let (tool, response_id) = (text(TOOL)?, text(RESPONSE_ID)?);
        let usage = if has(USAGE) { Some(take_usage(&mut rest)?) } else { None };
        let cost = if has(COST) { Some(NanoUsd(varint::take_signed(&mut rest)?)) } else { None };
        let ttft = if has(TTFT) { Some(Nanos(varint::take_signed(&mut rest)?)) } else { None };
        let findings = if has(FINDINGS) { varint::take(&mut rest)? } else { 0 };
        let flags = if has(FLAGS) {
            let codes = varint::take_bytes(&mut rest)?;
            codes.iter().map(|code| Flag::from_code(i64::from(*code))).collect::<Option<_>>()?
        } else {
            Vec::new()
        };
        let mut text = |bit| if has(bit) { take_text(&mut rest).map(Some) } else { Some(None) };
        let (input_preview, output_preview) = (text(INPUT_PREVIEW)?, text(OUTPUT_PREVIEW)?);
        let mut categories = Vec::new();
        if has(CATEGORIES) {
            for code in varint::take_bytes(&mut rest)? {
                categories.push(FindingCategory::from_code(i64::from(*code))?);
            }
        }
        let mut rules = Vec::new();
        if has(RULES) {
            for _ in 0..varint::take(&mut rest)? {
                rules.push(take_text(&mut rest)?);
            }
        }
        rest.is_empty().then_some(())?;
        Some(Facts {
            name,
            kind: SpanKind::from_code(i64::from(kind))?,
            status: Status::from_code(i64::from(status))?,
            verdict: Verdict::from_code(i64::from(verdict))?,
            context,
            model,
            provider,
            tool,
            response_id,
            usage,
            usage_role: usage_role(usage_role_code)?,
            cost,
            cost_source: CostSource::from_code(i64::from(cost_source))?,
            ttft,
            findings: u32::try_from(findings).ok()?,
            categories,
            rules,
            flags,
            quarantined: has(QUARANTINED),
            input_preview,
            output_preview,
            length,
        })
    }
}

impl Facts<'_> {
    /// The head of the span, but for what its context says ([`Contexts::get`] by `self.context`).
    ///
    /// [`Contexts::get`]: crate::row::context::Contexts::get
    pub(crate) fn head(
        &self,
        trace_id: &TraceId,
        span_id: SpanId,
        parent_id: Option<SpanId>,
        start: Nanos,
    ) -> SpanHead {
        let text = |text: Option<&str>| text.map(str::to_owned);
        SpanHead {
            trace_id: trace_id.clone(),
            span_id,
            parent_id,
            name: self.name.to_owned(),
            kind: self.kind,
            status: self.status,
            start,
            end: self.length.map(|length| Nanos(start.0.wrapping_add(length))),
            model: text(self.model),
            provider: text(self.provider),
            agent: None,
            session: None,
            user: None,
            environment: None,
            version: None,
            service: None,
            tool: text(self.tool),
            trace_name: None,
            tags: Vec::new(),
            metadata: BTreeMap::new(),
            response_id: text(self.response_id),
            usage: self.usage,
            usage_role: self.usage_role,
            cost: self.cost,
            cost_source: self.cost_source,
            ttft: self.ttft,
            verdict: self.verdict,
            findings: self.findings,
            categories: self.categories.clone(),
            rules: self.rules.iter().map(|&rule| rule.to_owned()).collect(),
            flags: self.flags.clone(),
            quarantined: self.quarantined,
            input_preview: text(self.input_preview),
            output_preview: text(self.output_preview),
        }
    }
}

fn take_array<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (array, after) = rest.split_first_chunk::<N>()?;
    *rest = after;
    Some(*array)
}

fn take_text<'b>(rest: &mut &'b [u8]) -> Option<&'b str> {
    std::str::from_utf8(varint::take_bytes(rest)?).ok()
}

fn usage_role_code(role: UsageRole) -> i64 {
    match role {
        UsageRole::None => 0,
        UsageRole::Leaf => 1,
        UsageRole::Aggregate => 2,
    }
}

fn usage_role(code: u8) -> Option<UsageRole> {
    match code {
        0 => Some(UsageRole::None),
        1 => Some(UsageRole::Leaf),
        2 => Some(UsageRole::Aggregate),
        _ => None,
    }
}

/// A bit for each bucket that is not zero, then those buckets.
fn put_usage(out: &mut Vec<u8>, usage: &Usage) {
    let buckets = usage.buckets();
    let bits = buckets.iter().rev().fold(0, |bits, n| bits << 1 | u64::from(*n != 0));
    varint::put(out, bits);
    buckets.iter().filter(|n| **n != 0).for_each(|n| varint::put(out, *n));
}

fn take_usage(rest: &mut &[u8]) -> Option<Usage> {
    let bits = varint::take(rest)?;
    let mut buckets = [0; 12];
    for (place, bucket) in buckets.iter_mut().enumerate() {
        if bits >> place & 1 == 1 {
            *bucket = varint::take(rest).filter(|n| *n != 0)?;
        }
    }
    (bits >> 12 == 0).then(|| Usage::from_buckets(buckets))
}

#[cfg(test)]
mod tests {
    use exhibit_model::{Door, Span, SpanId, TraceId};

    use super::*;

    fn heads() -> Vec<SpanHead> {
        let mut span =
            Span::new(TraceId::new("t").unwrap(), SpanId::new("s").unwrap(), Door::Native);
        let bare = SpanHead::of(&span);
        span.start = Some(Nanos(i64::MIN));
        span.end = Some(Nanos(i64::MAX));
        span.name = Some("näme".to_owned());
        span.model = Some(String::new());
        span.response_id = Some("r".to_owned());
        span.usage =
            Some(Usage { input_uncached: 900, web_searches: u64::MAX, ..Usage::default() });
        span.cost.amount = Some(NanoUsd(-5));
        span.ttft = Some(Nanos(7));
        span.flags = vec![Flag::Stale, Flag::Correction];
        let mut full = SpanHead::of(&span);
        full.findings = 300;
        full.categories = vec![FindingCategory::Pii, FindingCategory::Term];
        full.rules = vec!["default/a".to_owned(), "p/ä".to_owned()];
        full.quarantined = true;
        full.input_preview = Some("in".to_owned());
        full.output_preview = Some("東京".repeat(100));
        vec![bare, full]
    }

    fn packed(head: &SpanHead, leaf: Option<(u64, [u8; 32])>) -> Vec<u8> {
        let mut bytes = Vec::new();
        let stated = Stated {
            record: RecordId([1; 16]),
            digest: &[2; 16],
            place: Place { block: 1 << 40, offset: 9, lengths: [0, 1, 127, 70_000, u32::MAX] },
            leaf,
            counted: leaf.is_some(),
            context: 3,
        };
        Packed::write(&mut bytes, head, &stated);
        bytes
    }

    #[test]
    fn what_is_packed_reads_back() {
        for head in heads() {
            for leaf in [None, Some((u64::MAX, [7; 32]))] {
                let bytes = packed(&head, leaf);
                let read = Packed::read(&bytes).unwrap();
                assert_eq!((read.record, read.digest), (RecordId([1; 16]), [2; 16]));
                assert_eq!((read.leaf, read.counted), (leaf, leaf.is_some()));
                assert_eq!(read.place.lengths, [0, 1, 127, 70_000, u32::MAX]);
                assert_eq!((read.place.block, read.place.offset), (1 << 40, 9));
                let facts = read.facts().unwrap();
                assert_eq!((facts.name, facts.context), (head.name.as_str(), 3));
                let SpanHead { trace_id, span_id, parent_id, start, .. } = head.clone();
                let again = facts.head(&trace_id, span_id, parent_id, start);
                assert_eq!((again.start, again.end), (head.start, head.end));
                assert_eq!((facts.usage, facts.cost), (head.usage, head.cost));
                assert_eq!((facts.model, facts.ttft), (head.model.as_deref(), head.ttft));
                assert_eq!((facts.flags, facts.findings), (head.flags.clone(), head.findings));
                assert_eq!(
                    (facts.categories, facts.rules),
                    (head.categories.clone(), head.rules.iter().map(String::as_str).collect())
                );
                assert_eq!(facts.output_preview, head.output_preview.as_deref());
            }
        }
    }

    #[test]
    fn bytes_that_are_cut_off_or_followed_by_others_are_refused() {
        for head in heads() {
            let mut bytes = packed(&head, Some((5, [7; 32])));
            let whole = |bytes: &[u8]| Packed::read(bytes).and_then(|p| p.facts().map(drop));
            for end in 0..bytes.len() {
                assert!(whole(&bytes[..end]).is_err(), "cut at {end}");
            }
            bytes.push(0);
            assert!(whole(&bytes).is_err());
        }
    }
}
