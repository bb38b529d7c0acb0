//! Reading a bundle: its directory at once, its files one at a time, within bounds.

use std::{
    collections::HashSet,
    io::{Read as _, Seek, SeekFrom},
};

use flate2::{Crc, read::DeflateDecoder};

use super::{
    CENTRAL, CENTRAL_BYTES, DEFLATED, END, END_BYTES, FILE_BYTES_MAX, FILES_MAX, FLAG_UTF8, LOCAL,
    LOCAL_BYTES, RATIO_MAX, Refusal, STORED, TOTAL_BYTES_MAX, is_safe_name,
};

/// A file of the bundle, as the directory describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name, safe.
    pub name: String,
    /// Bytes after decompression, as claimed.
    pub bytes: u64,
    packed: u64,
    crc: u32,
    method: u16,
    data_at: u64,
}

/// A bundle whose directory has been read and agrees with its local headers.
pub struct ZipReader {
    entries: Vec<Entry>,
}

impl ZipReader {
    /// Reads and checks the directory and every local header.
    ///
    /// # Errors
    /// Anything but what a bundle looks like, by name.
    pub fn open<R: std::io::Read + Seek>(file: &mut R) -> Result<Self, Refusal> {
        let size = file.seek(SeekFrom::End(0)).map_err(unreadable)?;
        if size >= u64::from(u32::MAX) {
            return Err(Refusal::TooLarge("the file has 4 GiB or more"));
        }
        let end_at = size.checked_sub(END_BYTES).ok_or(Refusal::NotAZip("it is too short"))?;
        let mut end = [0; END_BYTES as usize];
        read_at(file, end_at, &mut end)?;
        if u32_at(&end, 0) != END {
            return Err(Refusal::NotAZip("it does not end with a directory"));
        }
        let (files, files_too) = (u16_at(&end, 8), u16_at(&end, 10));
        let (length, start) = (u32_at(&end, 12), u32_at(&end, 16));
        if files == u16::MAX || length == u32::MAX || start == u32::MAX {
            return Err(Refusal::TooLarge("it claims to be a ZIP64 file"));
        }
        if u32_at(&end, 4) != 0 || files != files_too || u16_at(&end, 20) != 0 {
            return Err(Refusal::NotAZip("the end record contradicts itself"));
        }
        if usize::from(files) > FILES_MAX {
            return Err(Refusal::TooLarge("it has too many files"));
        }
        if u64::from(start) + u64::from(length) != end_at {
            return Err(Refusal::NotAZip("the directory is not where it is said to be"));
        }
        let mut directory = vec![0; length as usize];
        read_at(file, u64::from(start), &mut directory)?;
        let entries = read_directory(file, &directory, files, u64::from(start))?;
        Ok(Self { entries })
    }

    /// Every file, in the order of the bundle.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The file of this name.
    pub fn entry(&self, name: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.name == name)
    }
}

impl Entry {
    /// The content; `None` where it does not unpack to the claimed size and CRC. Never unpacks more
    /// than one byte beyond the claim.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn read<R: std::io::Read + Seek>(&self, file: &mut R) -> Result<Option<Vec<u8>>, Refusal> {
        let mut packed = vec![0; self.packed as usize];
        read_at(file, self.data_at, &mut packed)?;
        let content = if self.method == STORED {
            packed
        } else {
            let mut content = Vec::with_capacity((self.bytes as usize).min(1 << 20));
            let mut decoder = DeflateDecoder::new(&*packed);
            let read = decoder.by_ref().take(self.bytes + 1).read_to_end(&mut content);
            if read.is_err() || decoder.total_in() != self.packed {
                return Ok(None);
            }
            content
        };
        let mut crc = Crc::new();
        crc.update(&content);
        let whole = content.len() as u64 == self.bytes && crc.sum() == self.crc;
        Ok(whole.then_some(content))
    }
}

fn read_directory<R: std::io::Read + Seek>(
    file: &mut R,
    directory: &[u8],
    files: u16,
    data_end: u64,
) -> Result<Vec<Entry>, Refusal> {
    let contradicts = Refusal::NotAZip("a local header and the directory differ");
    let mut entries: Vec<Entry> = Vec::with_capacity(usize::from(files));
    let mut names = HashSet::new();
    let (mut rest, mut at, mut total) = (directory, 0_u64, 0_u64);
    for _ in 0..files {
        let (head, tail) = rest
            .split_at_checked(CENTRAL_BYTES)
            .filter(|(head, _)| u32_at(head, 0) == CENTRAL)
            .ok_or(Refusal::NotAZip("the directory breaks off"))?;
        let name_bytes = usize::from(u16_at(head, 28));
        let (name, tail) = tail
            .split_at_checked(name_bytes)
            .ok_or(Refusal::NotAZip("the directory breaks off"))?;
        rest = tail;
        let (flags, method) = (u16_at(head, 8), u16_at(head, 10));
        if flags & !FLAG_UTF8 != 0 || !matches!(method, STORED | DEFLATED) {
            return Err(Refusal::Unsupported("encryption, streaming or another compression"));
        }
        // Extra field, comment and disk number.
        if u16_at(head, 30) != 0 || u16_at(head, 32) != 0 || u16_at(head, 34) != 0 {
            return Err(Refusal::Unsupported("extra fields or comments"));
        }
        let (packed, bytes) = (u64::from(u32_at(head, 20)), u64::from(u32_at(head, 24)));
        total += bytes;
        if bytes > FILE_BYTES_MAX || total > TOTAL_BYTES_MAX {
            return Err(Refusal::TooLarge("a file claims more bytes than bundles have"));
        }
        let possible = if method == STORED { bytes == packed } else { bytes <= packed * RATIO_MAX };
        if !possible {
            return Err(Refusal::TooLarge("a file claims more bytes than it can unpack to"));
        }
        let name = std::str::from_utf8(name).ok().filter(|name| is_safe_name(name));
        let name = name.ok_or(Refusal::UnsafeName)?.to_owned();
        if !names.insert(name.clone()) {
            return Err(Refusal::DuplicateName(name));
        }
        let local_at = u64::from(u32_at(head, 42));
        let data_at = local_at + LOCAL_BYTES + name_bytes as u64;
        // One file right after the other: none can share bytes with another or hide behind one.
        if local_at != at || data_at + packed > data_end {
            return Err(Refusal::NotAZip("files overlap, or leave room between them"));
        }
        at = data_at + packed;
        let mut local = vec![0; LOCAL_BYTES as usize + name_bytes];
        read_at(file, local_at, &mut local)?;
        // Version to extra length: the same 26 bytes stand in both places.
        let same = u32_at(&local, 0) == LOCAL && local[4..30] == head[6..32];
        if !same || local[30..] != *name.as_bytes() {
            return Err(contradicts);
        }
        entries.push(Entry { name, bytes, packed, crc: u32_at(head, 16), method, data_at });
    }
    if !rest.is_empty() || at != data_end {
        return Err(Refusal::NotAZip("there is something beside the files"));
    }
    Ok(entries)
}

fn read_at<R: std::io::Read + Seek>(file: &mut R, at: u64, out: &mut [u8]) -> Result<(), Refusal> {
    file.seek(SeekFrom::Start(at)).map_err(unreadable)?;
    file.read_exact(out).map_err(unreadable)
}

#[allow(clippy::needless_pass_by_value, reason = "the shape that map_err wants")]
fn unreadable(error: std::io::Error) -> Refusal {
    Refusal::Read(error.kind().to_string())
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    bytes.get(at..at + 2).map_or(0, |b| u16::from_le_bytes([b[0], b[1]]))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).map_or(0, |b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]))
}
