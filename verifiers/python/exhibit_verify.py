#!/usr/bin/env python3
"""Checks evidence bundles of Exhibit. One file, Python 3.9 or later, standard library only.

    python3 exhibit_verify.py FILE.zip
    python3 exhibit_verify.py --key VKEY --checkpoint kept.txt --require-witness FILE.zip

It was written from docs/reference/evidence.md and the public specifications it names, apart from the
verifiers in Rust and TypeScript, so that no mistake of one is a mistake of all:

* RFC 8032 (Ed25519), RFC 9162 section 2.1 (Merkle trees), RFC 8785 (canonical JSON)
* RFC 3161, RFC 5652, RFC 5280, RFC 8017, FIPS 186-5 (time stamps)
* C2SP signed-note, tlog-checkpoint, tlog-cosignature; DSSE v1.0; in-toto Statement v1
* APPNOTE 6.3 (ZIP), of which it takes only the plain subset that bundles use

It opens no connection and writes no file. Exit codes: 0 valid or erased-with-certificate, 1 not (it says what), 2 wrong usage,
3 cannot be decided from this bundle.
"""

import argparse
import base64
import bisect
import hashlib
import json
import re
import struct
import sys
import zlib

FORMAT = "exhibit-evidence/1"
FILE_MAX, TOTAL_MAX, FILES_MAX, NAME_MAX, DEFLATE_MAX = 256 << 20, 64 << 30, 60_000, 120, 1_032
FAULTS_MAX = 1_000
# From best to worst.
VERDICTS = [
    "valid", "erased-with-certificate", "unverifiable", "reordered", "truncated", "missing", "altered", "forked", "wrong-key",
    "bad-proof", "refused",
]  # fmt: skip
SPAN_PARTS = ["header", "input", "output", "attributes", "events"]
LEAF_TYPES = [
    "span", "trace-seal", "decision", "review", "rule-change", "key-change", "access", "hold",
    "retention", "erasure", "export", "admin", "repricing", "remapping", "gap", "head",
]  # fmt: skip


class Fault(Exception):
    """Something is wrong with the bundle, and has a name."""

    def __init__(self, verdict, code, what, file=None, index=None, trace_id=None):
        super().__init__(what)
        self.verdict, self.code, self.what = verdict, code, what
        self.file, self.index, self.trace_id = file, index, trace_id

    def as_dict(self):
        named = {"file": self.file, "trace_id": self.trace_id, "index": self.index}
        known = {k: v for k, v in named.items() if v is not None}
        return {"verdict": self.verdict, "code": self.code, **known, "what": self.what}


def refused(code, what, **where):
    return Fault("refused", code, what, **where)


def malformed(file, what):
    return refused("malformed-file", what, file=file)


# ── Ed25519 (RFC 8032 section 5.1) ────────────────────────────────────────────────────────────────

P = 2**255 - 19
Q = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT_OF_MINUS_ONE = pow(2, (P - 1) // 4, P)


def recover_x(y, sign):
    x2 = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    if x2 == 0:
        return None if sign else 0
    x = pow(x2, (P + 3) // 8, P)
    if (x * x - x2) % P:
        x = x * ROOT_OF_MINUS_ONE % P
    if (x * x - x2) % P:
        return None
    return P - x if x & 1 != sign else x


def decode_point(data):
    y = int.from_bytes(data, "little")
    sign, y = y >> 255, y & ((1 << 255) - 1)
    if y >= P:
        return None
    x = recover_x(y, sign)
    return None if x is None else (x, y, 1, x * y % P)


def add_points(p, q):
    a = (p[1] - p[0]) * (q[1] - q[0]) % P
    b = (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * p[3] * q[3] * D % P, 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return (e * f % P, g * h % P, f * g % P, e * h % P)


def multiply(scalar, point):
    result = (0, 1, 1, 0)
    while scalar:
        if scalar & 1:
            result = add_points(result, point)
        point = add_points(point, point)
        scalar >>= 1
    return result


def same_point(p, q):
    return (p[0] * q[2] - q[0] * p[2]) % P == 0 and (p[1] * q[2] - q[1] * p[2]) % P == 0


BASE_Y = 4 * pow(5, P - 2, P) % P
BASE_X = recover_x(BASE_Y, 0)
BASE = (BASE_X, BASE_Y, 1, BASE_X * BASE_Y % P)


def is_weak(point):
    return same_point(multiply(8, point), (0, 1, 1, 0))


def ed25519_verify(public, message, signature):
    """Strict: canonical encodings, no points of small order."""
    if len(public) != 32 or len(signature) != 64:
        return False
    a, r = decode_point(public), decode_point(signature[:32])
    s = int.from_bytes(signature[32:], "little")
    if a is None or r is None or s >= Q or is_weak(a) or is_weak(r):
        return False
    h = int.from_bytes(hashlib.sha512(signature[:32] + public + message).digest(), "little") % Q
    return same_point(multiply(s, BASE), add_points(r, multiply(h, a)))


# ── Merkle trees (RFC 9162 section 2.1) ───────────────────────────────────────────────────────────


def leaf_hash(data):
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left, right):
    return hashlib.sha256(b"\x01" + left + right).digest()


class Cover:
    """Leaves and complete subtrees, added up from the left."""

    def __init__(self):
        self.size, self.subtrees = 0, []

    def push(self, width, root):
        self.size += width
        while self.subtrees and self.subtrees[-1][0] == width:
            root = node_hash(self.subtrees.pop()[1], root)
            width *= 2
        self.subtrees.append((width, root))

    def root(self):
        if not self.subtrees:
            return hashlib.sha256(b"").digest()
        root = self.subtrees[-1][1]
        for _, left in reversed(self.subtrees[:-1]):
            root = node_hash(left, root)
        return root


def root_of(hashes):
    cover = Cover()
    for one in hashes:
        cover.push(1, one)
    return cover.root()


def included(index, size, leaf, path, root):
    """RFC 9162 section 2.1.3.2."""
    if not 0 <= index < size:
        return False
    fn, sn, node = index, size - 1, leaf
    for sibling in path:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            node = node_hash(sibling, node)
            while fn and not fn & 1:
                fn, sn = fn >> 1, sn >> 1
        else:
            node = node_hash(node, sibling)
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and node == root


def consistent(old, new, old_root, new_root, path):
    """RFC 9162 section 2.1.4.2, for 0 < old < new."""
    path = list(path)
    if old & (old - 1) == 0:
        path.insert(0, old_root)
    if not path:
        return False
    fn, sn = old - 1, new - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    first = second = path[0]
    for node in path[1:]:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            first, second = node_hash(node, first), node_hash(node, second)
            while fn and not fn & 1:
                fn, sn = fn >> 1, sn >> 1
        else:
            second = node_hash(second, node)
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and first == old_root and second == new_root


# ── Notes, keys, checkpoints (C2SP) ───────────────────────────────────────────────────────────────


def b64(text, length=None):
    """Standard base64 in its one form; None for anything else."""
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError:
        return None
    if base64.b64encode(data).decode() != text or (length is not None and len(data) != length):
        return None
    return data


def hex_bytes(text, length):
    if not isinstance(text, str) or not re.fullmatch("[0-9a-f]{%d}" % (2 * length), text):
        return None
    return bytes.fromhex(text)


class Key:
    """A verifier key: name+id+base64(type || public key)."""

    def __init__(self, text):
        parts = text.split("+", 2)
        if len(parts) != 3 or not parts[0] or re.search(r"[\s\x00-\x1f\x7f]", parts[0]):
            raise ValueError("not a verifier key")
        self.text, (self.name, self.id, packed) = text, parts
        packed = b64(packed, 33)
        if packed is None or packed[0] not in (1, 4):
            raise ValueError("not a verifier key")
        self.type, self.public = packed[0], packed[1:]
        digest = hashlib.sha256(self.name.encode() + b"\n" + packed).digest()
        point = decode_point(self.public)
        if digest[:4].hex() != self.id or point is None or is_weak(point):
            raise ValueError("not a verifier key")

    def named(self, name):
        """The same key under another name."""
        packed = bytes([self.type]) + self.public
        digest = hashlib.sha256(name.encode() + b"\n" + packed).digest()
        return Key(f"{name}+{digest[:4].hex()}+{base64.b64encode(packed).decode()}")

    def extends(self, pinned):
        """Whether this is the pinned key, or that of a log below it."""
        rest = self.name[len(pinned.name) :] if self.name.startswith(pinned.name) else None
        below = rest is not None and (rest == "" or rest.startswith("/"))
        return below and (self.type, self.public) == (pinned.type, pinned.public)


class Note:
    """Text under signatures (C2SP signed-note)."""

    def __init__(self, data):
        if len(data) > 1 << 20:
            raise ValueError("too long")
        note = data.decode("utf-8")
        if re.search("[\x00-\x09\x0b-\x1f]", note) or "\n\n" not in note or not note.endswith("\n"):
            raise ValueError("not a note")
        at = note.rindex("\n\n")
        self.text = note[: at + 1]
        self.signatures = []
        for line in note[at + 2 : -1].split("\n"):
            match = re.fullmatch("— ([^ ]+) ([^ ]+)", line)
            packed = match and b64(match[2])
            if not packed or len(packed) < 5:
                raise ValueError("not a signature line")
            self.signatures.append((match[1], packed[:4].hex(), packed[4:]))
        if len(self.signatures) > 100:
            raise ValueError("too many signatures")

    def claims(self, key):
        return [s for name, key_id, s in self.signatures if (name, key_id) == (key.name, key.id)]

    def verified(self, key, holds):
        claimed = self.claims(key)
        return bool(claimed) and all(holds(signature) for signature in claimed)

    def is_by(self, key):
        text = self.text.encode()
        return key.type == 1 and self.verified(key, lambda s: ed25519_verify(key.public, text, s))


class Checkpoint(Note):
    """A signed checkpoint: origin, size, root, and its signatures."""

    def __init__(self, data):
        super().__init__(data)
        lines = self.text[:-1].split("\n")
        if len(lines) < 3 or not all(lines) or not re.fullmatch("0|[1-9][0-9]{0,19}", lines[1]):
            raise ValueError("not a checkpoint")
        self.origin, self.size, self.root = lines[0], int(lines[1]), b64(lines[2], 32)
        if self.root is None or self.size >= 1 << 64:
            raise ValueError("not a checkpoint")

    def signed_by(self, key):
        """Whether the log's key signed this for its own log."""
        return self.origin == key.name and self.is_by(key)

    def cosigned_by(self, key):
        """Whether a witness's key cosigned this; None where a cosignature of that name is false."""

        def holds(signature):
            time = int.from_bytes(signature[:8], "big")
            message = f"cosignature/v1\ntime {time}\n{self.text}".encode()
            return time < 1 << 63 and ed25519_verify(key.public, message, signature[8:])

        if key.type != 4 or not self.claims(key):
            return False
        return True if self.verified(key, holds) else None


def epoch_of(name):
    """A log's name without its epoch, and the epoch: `name` is epoch 1, `name@2` epoch 2."""
    match = re.fullmatch("(.+)@([1-9][0-9]{0,9})", name)
    return (match[1], int(match[2])) if match and 1 < int(match[2]) < 1 << 32 else (name, 1)


class Succession(Note):
    """A note by which one key of a log hands over to the next."""

    def __init__(self, text):
        super().__init__(text.encode())
        lines = self.text[:-1].split("\n")
        if len(text.encode()) > 16 << 10 or len(lines) != 7 or lines[0] != "exhibit.dev/succession/v1":
            raise ValueError("not a succession")
        self.reason = lines[1]
        self.old, self.new, self.epoch = (Key(line) for line in lines[2:5])
        self.ended, self.continues = (self.head(line) for line in lines[5:7])
        (base, before), (name, after) = epoch_of(self.old.name), epoch_of(self.new.name)
        step = {"rotation": 0, "restore": 1, "compromise": 1}.get(self.reason)
        sound = step is not None and base == name and after == before + step
        sound = sound and {self.old.type, self.new.type, self.epoch.type} == {1}
        sound = sound and self.old.public != self.new.public and self.epoch.name == f"{base}/epoch"
        if self.reason == "restore":
            sound = sound and self.continues[0] <= self.ended[0]
        else:
            sound = sound and self.continues == self.ended
        signers = {
            "rotation": [self.new, self.old],
            "restore": [self.new, self.old, self.epoch],
            "compromise": [self.new, self.epoch],
        }
        if not sound or not all(self.is_by(key) for key in signers[self.reason]):
            raise ValueError("it does not hold")

    @staticmethod
    def head(line):
        match = re.fullmatch("(0|[1-9][0-9]{0,19}) ([^ ]+)", line)
        root = match and b64(match[2], 32)
        if not root or int(match[1]) >= 1 << 64:
            raise ValueError("not a head")
        return int(match[1]), root

    def hands_over_from(self, pinned, below):
        named = pinned.name in (self.old.name, self.old.name + below)
        return named and (self.old.type, self.old.public) == (pinned.type, pinned.public)


def read_chain(notes, current):
    """The successions that lead to the current key."""
    chain = []
    if len(notes) > 1_000:
        raise ValueError("too many")
    for note in notes:
        one = Succession(note)
        if chain and (chain[-1].new.text, chain[-1].epoch.text) != (one.old.text, one.epoch.text):
            raise ValueError("it does not continue the one before")
        chain.append(one)
    if chain and chain[-1].new.text != current.text:
        raise ValueError("they do not lead to the log's key")
    return chain


# ── Time stamps (RFC 3161 in CMS, RFC 5652; certificates of RFC 5280) ─────────────────────────────

TOKEN_MAX, CERTIFICATES_MAX, PATH_MAX, TRIES_MAX = 64 << 10, 32, 6, 100
SHA2 = {"2.16.840.1.101.3.4.2.1": "sha256", "2.16.840.1.101.3.4.2.2": "sha384",
        "2.16.840.1.101.3.4.2.3": "sha512"}  # fmt: skip
RSA, RSA_PSS, EC, ED25519 = (
    "1.2.840.113549.1.1.1", "1.2.840.113549.1.1.10", "1.2.840.10045.2.1", "1.3.101.112",
)  # fmt: skip
SIGNED_WITH = {
    "1.2.840.113549.1.1.11": (RSA, "sha256"), "1.2.840.113549.1.1.12": (RSA, "sha384"),
    "1.2.840.113549.1.1.13": (RSA, "sha512"), "1.2.840.10045.4.3.2": (EC, "sha256"),
    "1.2.840.10045.4.3.3": (EC, "sha384"), ED25519: (ED25519, "sha512"),
}  # fmt: skip
# Prime, a, b, order, base point (SEC 2).
CURVES = {
    "1.2.840.10045.3.1.7": (
        0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF,
        -3,
        0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B,
        0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
        (
            0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
            0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
        ),
    ),
    "1.3.132.0.34": (
        2**384 - 2**128 - 2**96 + 2**32 - 1,
        -3,
        0xB3312FA7E23EE7E4988E056BE3F82D19181D9C6EFE8141120314088F5013875AC656398D8A2ED19D2A85C8EDD3EC2AEF,
        0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973,
        (
            0xAA87CA22BE8B05378EB1C71EF320AD746E1D3B628BA79B9859F741E082542A385502F25DBF55296C3A545E3872760AB7,
            0x3617DE4A96262C6F5D9E98BF9292DC29F8F41DBD289A147CE9DA3113B5F0B8C00A60B1CE1D7E819D7A431D7C90EA0E5F,
        ),
    ),
}


class Unsupported(Exception):
    """An algorithm that is not known here: nothing can be said."""


class Untrusted(Exception):
    """Nobody who is trusted vouches for the signer."""


class Der:
    """One element of DER (X.690)."""

    def __init__(self, tag, body, raw):
        self.tag, self.body, self.raw = tag, body, raw

    @staticmethod
    def read(data):
        """The elements that follow one another; ValueError where they do not read."""
        found, at = [], 0
        while at < len(data):
            start, head = at, data[at : at + 2]
            if len(head) < 2 or head[0] & 0x1F == 0x1F:
                raise ValueError("not DER")
            length, at = head[1], at + 2
            if length & 0x80:
                count = length & 0x7F
                length = int.from_bytes(data[at : at + count], "big")
                if not 1 <= count <= 4 or length < 0x80 or length >> (8 * (count - 1)) == 0:
                    raise ValueError("not DER")
                at += count
            if at + length > len(data):
                raise ValueError("not DER")
            found.append(Der(head[0], data[at : at + length], data[start : at + length]))
            at += length
        return found

    def of(self, tag):
        if self.tag != tag:
            raise ValueError("another element was expected")
        return self

    def parts(self, tag=0x30):
        return Der.read(self.of(tag).body)

    def oid(self):
        numbers, value = [], 0
        for byte in self.of(6).body:
            value = value << 7 | byte & 0x7F
            if not byte & 0x80:
                numbers.append(value)
                value = 0
        first = min(numbers[0] // 40, 2)
        return ".".join(str(n) for n in [first, numbers[0] - 40 * first, *numbers[1:]])

    def number(self):
        return int.from_bytes(self.of(2).body, "big", signed=True)

    def bits(self):
        if self.of(3).body[:1] != b"\0":
            raise ValueError("not whole bytes")
        return self.body[1:]

    def time(self):
        """Nanoseconds since 1970, of UTCTime or GeneralizedTime."""
        text = self.body.decode("ascii")
        if self.tag == 0x17 and len(text) == 13:
            text = ("19" if text[:2] >= "50" else "20") + text
        elif self.tag != 0x18:
            raise ValueError("not a time")
        match = re.fullmatch(r"(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(?:\.(\d{1,9}))?Z", text, re.ASCII)
        if not match:
            raise ValueError("not a time")
        year, month, day, hour, minute, second = (int(match[n]) for n in range(1, 7))
        if not (1950 <= year <= 9999 and 1 <= month <= 12 and 1 <= day <= 31):
            raise ValueError("not a time")
        if hour > 23 or minute > 59 or second > 60:
            raise ValueError("not a time")
        # Days since 1970 in the proleptic Gregorian calendar; March is the first month of a year.
        y, m = (year, month - 3) if month > 2 else (year - 1, month + 9)
        days = 365 * y + y // 4 - y // 100 + y // 400 + (153 * m + 2) // 5 + day - 719_469
        seconds = days * 86_400 + hour * 3_600 + minute * 60 + second
        return seconds * 10**9 + int((match[7] or "0").ljust(9, "0"))


def rfc3339(nanos):
    seconds, rest = divmod(nanos, 10**9)
    days, second = divmod(seconds, 86_400)
    # The inverse of what Der.time computes (Howard Hinnant, "chrono-compatible date algorithms").
    era, of_era = divmod(days + 719_468, 146_097)
    year = (of_era - of_era // 1_460 + of_era // 36_524 - of_era // 146_096) // 365
    of_year = of_era - (365 * year + year // 4 - year // 100)
    month = (5 * of_year + 2) // 153
    day = of_year - (153 * month + 2) // 5 + 1
    month = month + 3 if month < 10 else month - 9
    year += 400 * era + (month <= 2)
    fraction = f".{rest:09}".rstrip("0") if rest else ""
    clock = f"{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}"
    return f"{year:04}-{month:02}-{day:02}T{clock}{fraction}Z"


def mgf1(kind, seed, length):
    """RFC 8017 appendix B.2.1."""
    blocks = range(-(-length // hashlib.new(kind).digest_size))
    return b"".join(hashlib.new(kind, seed + n.to_bytes(4, "big")).digest() for n in blocks)[:length]


def rsa_verify(key, kind, message, signature, pss):
    """RFC 8017 section 8; in PSS the mask is made with the same hash, the salt as long as it."""
    modulus, exponent = (part.number() for part in Der.read(key)[0].parts())
    size, digest = (modulus.bit_length() + 7) // 8, hashlib.new(kind, message).digest()
    sound = 2_048 <= modulus.bit_length() <= 8_192 and exponent & 1 and 2 < exponent < 1 << 33
    value = int.from_bytes(signature, "big")
    if not sound or len(signature) != size or value >= modulus:
        return False
    opened = pow(value, exponent, modulus)
    if not pss:
        oid = next(bytes([6, 9]) + oid_bytes(o) for o, k in SHA2.items() if k == kind)
        info = bytes([0x30, 13]) + oid + b"\x05\x00\x04" + bytes([len(digest)]) + digest
        info = bytes([0x30, len(info)]) + info
        padding = b"\xff" * (size - len(info) - 3)
        return opened.to_bytes(size, "big") == b"\x00\x01" + padding + b"\x00" + info
    bits = modulus.bit_length() - 1
    length, salt = (bits + 7) // 8, len(digest)
    if opened.bit_length() > bits or length < len(digest) + salt + 2:
        return False
    encoded = opened.to_bytes(length, "big")
    masked, digest_at = encoded[: length - salt - 1], encoded[length - salt - 1 : -1]
    mask = mgf1(kind, digest_at, len(masked))
    block = bytearray(a ^ b for a, b in zip(masked, mask))
    block[0] &= 0xFF >> (8 * length - bits)
    zeros = len(block) - salt - 1
    wanted = hashlib.new(kind, bytes(8) + digest + bytes(block[zeros + 1 :])).digest()
    return encoded[-1] == 0xBC and not any(block[:zeros]) and block[zeros] == 1 and wanted == digest_at


def oid_bytes(text):
    first, second, *rest = (int(n) for n in text.split("."))
    out = bytes([40 * first + second])
    for number in rest:
        groups = [number & 0x7F]
        while number > 0x7F:
            number >>= 7
            groups.append(number & 0x7F | 0x80)
        out += bytes(reversed(groups))
    return out


def ecdsa_verify(key, curve, kind, message, signature):
    """FIPS 186-5 section 6.4.2."""
    p, a, b, order, base = CURVES[curve]
    size = (p.bit_length() + 7) // 8
    point = int.from_bytes(key[1 : size + 1], "big"), int.from_bytes(key[size + 1 :], "big")
    on_curve = (point[1] ** 2 - point[0] ** 3 - a * point[0] - b) % p == 0
    if key[:1] != b"\x04" or len(key) != 2 * size + 1 or max(point) >= p or not on_curve:
        return False
    (pair,) = Der.read(signature)
    r, s = (part.number() for part in pair.parts())
    if not (0 < r < order and 0 < s < order):
        return False

    def add(one, other):
        if one is None or other is None:
            return one or other
        if one[0] == other[0]:
            if (one[1] + other[1]) % p == 0:
                return None
            slope = (3 * one[0] ** 2 + a) * pow(2 * one[1], -1, p) % p
        else:
            slope = (other[1] - one[1]) * pow(other[0] - one[0], -1, p) % p
        x = (slope**2 - one[0] - other[0]) % p
        return x, (slope * (one[0] - x) - one[1]) % p

    def times(scalar, point):
        result = None
        while scalar:
            result = add(result, point) if scalar & 1 else result
            point, scalar = add(point, point), scalar >> 1
        return result

    digest = hashlib.new(kind, message).digest()
    e = int.from_bytes(digest[: (order.bit_length() + 7) // 8], "big")
    inverse = pow(s, -1, order)
    found = add(times(e * inverse % order, base), times(r * inverse % order, point))
    return found is not None and found[0] % order == r


class Certificate:
    """What is needed of an X.509 certificate (RFC 5280)."""

    def __init__(self, der):
        body, algorithm, signature = der.parts()
        self.raw, self.signed, self.signature = der.raw, body.raw, signature.bits()
        fields = body.parts()
        fields = fields[1:] if fields[0].tag == 0xA0 else fields
        serial, inner, issuer, validity, subject, key = fields[:6]
        if inner.raw != algorithm.raw:
            raise ValueError("two algorithms")
        self.algorithm = algorithm.parts()
        self.serial, self.issuer, self.subject = serial.of(2).body, issuer.raw, subject.raw
        self.start, self.end = (time.time() for time in validity.parts())
        kind, bits = key.parts()
        self.key_kind, self.key = kind.parts(), bits.bits()
        self.extensions, self.critical = {}, set()
        for field in fields[6:]:
            for extension in field.parts(0xA3)[0].parts() if field.tag == 0xA3 else []:
                name, *critical, value = extension.parts()
                self.extensions[name.oid()] = value.of(4).body
                if critical and any(critical[0].of(1).body):
                    self.critical.add(name.oid())

    def holds(self, kind, message, signature, pss=False):
        """Whether this certificate's key signed; Unsupported where its kind is not known here."""
        algorithm = self.key_kind[0].oid()
        if algorithm == RSA:
            return rsa_verify(self.key, kind, message, signature, pss)
        if algorithm == EC and self.key_kind[1].oid() in CURVES and kind != "sha512":
            return ecdsa_verify(self.key, self.key_kind[1].oid(), kind, message, signature)
        if algorithm == ED25519 and kind == "sha512":
            return ed25519_verify(self.key, message, signature)
        raise Unsupported("a kind of key")

    def issued(self, other):
        """Whether this one's key signed the other."""
        name = other.algorithm[0].oid()
        if name == RSA_PSS:
            hashes = [p.parts(0xA0)[0] for p in other.algorithm[1].parts() if p.tag == 0xA0]
            kind = SHA2.get(hashes[0].parts()[0].oid()) if hashes else None
            fits = kind is not None and self.key_kind[0].oid() == RSA
            return fits and rsa_verify(self.key, kind, other.signed, other.signature, True)
        algorithm, kind = SIGNED_WITH.get(name, (None, None))
        fits = algorithm == self.key_kind[0].oid()
        return fits and self.holds(kind, other.signed, other.signature)

    def constraints(self):
        """Whether it is an authority, and how many more may stand below it."""
        value = self.extensions.get("2.5.29.19")
        fields = Der.read(value)[0].parts() if value else []
        authority = bool(fields) and fields[0].tag == 1 and any(fields[0].body)
        length = fields[-1].number() if fields and fields[-1].tag == 2 else PATH_MAX
        return authority, length

    def may(self, signer):
        """Whether it may sign time stamps, or stand above what does."""
        known = {"2.5.29.14", "2.5.29.15", "2.5.29.17", "2.5.29.19", "2.5.29.35", "2.5.29.37"}
        usage, purposes = self.extensions.get("2.5.29.15"), self.extensions.get("2.5.29.37")
        stamping = not signer
        if purposes:
            named = [purpose.oid() for purpose in Der.read(purposes)[0].parts()]
            stamping = "1.3.6.1.5.5.7.3.8" in named
        bits = Der.read(usage)[0].of(3).body[1:2] if usage else b"\4"
        certifies = signer or any(byte & 4 for byte in bits)
        return self.critical <= known and stamping and certifies and self.constraints()[0] != signer


def read_certificates(pem):
    """The certificates of a PEM file."""
    found = re.findall(rb"-----BEGIN CERTIFICATE-----([^-]*)-----END CERTIFICATE-----", pem)
    if not found:
        raise ValueError("there is no certificate in the file of roots")
    return [Certificate(Der.read(base64.b64decode(text))[0]) for text in found[:512]]


def check_path(signer, others, roots, time):
    """A way from the signer to a root, as of the time of the token; it is looked for in bounded time."""
    tried = [0]

    def issued(above, one):
        tried[0] += 1
        return tried[0] <= TRIES_MAX and above.issued(one)

    def climb(one, below):
        if not one.start <= time <= one.end or not one.may(not below):
            return False
        if below and one.constraints()[1] < below - 1:
            return False
        if any(root.subject == one.issuer and issued(root, one) for root in roots):
            return True
        above = (o for o in others if o.subject == one.issuer and o.raw != one.raw)
        return below < PATH_MAX and any(issued(o, one) and climb(o, below + 1) for o in above)

    if not climb(signer, 0):
        raise Untrusted("no certificate that you trust leads to its signer")


class Token:
    """A time-stamp token over a text: what it says, once its signature holds."""

    def __init__(self, data, text):
        if len(data) > TOKEN_MAX:
            raise ValueError("too long")
        (outer,) = Der.read(data)
        kind, content = outer.parts()
        (signed,) = content.parts(0xA0)
        fields = signed.parts()
        certificates = [c for f in fields[3:-1] if f.tag == 0xA0 for c in f.parts(0xA0)]
        encapsulated, info = fields[2].parts()
        if (kind.oid(), encapsulated.oid()) != ("1.2.840.113549.1.7.2", TST_INFO):
            raise ValueError("not a time stamp")
        self.info = info.parts(0xA0)[0].of(4).body
        _, _, imprint, serial, time, *_ = Der.read(self.info)[0].parts()
        algorithm, digest = imprint.parts()
        if hashlib.new(hash_of(algorithm), text).digest() != digest.of(4).body:
            raise ValueError("it is over other bytes")
        self.time, self.serial = time.of(0x18).time(), serial.of(2).body.hex()
        (signer,) = fields[-1].parts(0x31)
        self.check(signer.parts(), [Certificate(c) for c in certificates[:CERTIFICATES_MAX]])

    def check(self, signer, certificates):
        _, name, algorithm, attributes, _, signature, *_ = signer
        own = [c for c in certificates if self.is_signer(name, c)]
        if not own:
            raise Untrusted("it does not bring its certificate")
        self.signer, self.others = own[0], [c for c in certificates if c.raw != own[0].raw]
        found, kind = {}, hash_of(algorithm)
        for attribute in attributes.parts(0xA0):
            oid, values = attribute.parts()
            found.setdefault(oid.oid(), []).append(values.parts(0x31))
        only = {o: v[0][0] for o, v in found.items() if len(v) == 1 and len(v[0]) == 1}
        if only["1.2.840.113549.1.9.3"].oid() != TST_INFO:
            raise ValueError("another content type")
        if only["1.2.840.113549.1.9.4"].of(4).body != hashlib.new(kind, self.info).digest():
            raise ValueError("the content is not what was signed")
        named = only.get("1.2.840.113549.1.9.16.2.47")
        if named:
            first = named.parts()[0].parts()[0].parts()
            own_hash = "sha256" if first[0].tag == 4 else hash_of(first[0])
            digest = first[0] if first[0].tag == 4 else first[1]
            if hashlib.new(own_hash, self.signer.raw).digest() != digest.body:
                raise ValueError("it names another certificate")
        # What is signed is the set, not its place in the token (RFC 5652 section 5.4).
        message, signature = b"\x31" + attributes.raw[1:], signature.of(4).body
        rsa = self.signer.key_kind[0].oid() == RSA
        schemes = (False, True) if rsa else (False,)
        if not any(self.signer.holds(kind, message, signature, pss) for pss in schemes):
            raise ValueError("it was not made with the certificate's key")

    @staticmethod
    def is_signer(name, certificate):
        if name.tag == 0x30:
            issuer, serial = name.parts()
            return (issuer.raw, serial.of(2).body) == (certificate.issuer, certificate.serial)
        own = certificate.extensions.get("2.5.29.14")
        return name.tag == 0x80 and own is not None and Der.read(own)[0].of(4).body == name.body


TST_INFO = "1.2.840.113549.1.9.16.1.4"


def hash_of(algorithm):
    kind = SHA2.get(algorithm.parts()[0].oid())
    if kind is None:
        raise Unsupported("another hash function")
    return kind


# ── ZIP, the plain subset ─────────────────────────────────────────────────────────────────────────


def is_safe_name(name):
    part = r"[A-Za-z0-9_-][A-Za-z0-9._-]*"
    return len(name) <= NAME_MAX and re.fullmatch(f"{part}(/{part})*", name) is not None


class Zip:
    """A bundle's directory, checked against every local header."""

    def __init__(self, file):
        self.file = file
        size = file.seek(0, 2)
        if size >= 0xFFFFFFFF:
            raise refused("too-large", "the file has 4 GiB or more")
        if size < 22:
            raise refused("not-a-zip", "it is too short")
        end = self.at(size - 22, 22)
        signature, disk, other, files, too, length, start, comment = struct.unpack("<IHHHHIIH", end)
        if signature != 0x06054B50:
            raise refused("not-a-zip", "it does not end with a directory")
        if files == 0xFFFF or 0xFFFFFFFF in (length, start):
            raise refused("too-large", "it claims to be a ZIP64 file")
        if disk or other or files != too or comment:
            raise refused("not-a-zip", "the end record contradicts itself")
        if files > FILES_MAX:
            raise refused("too-large", "it has too many files")
        if start + length != size - 22:
            raise refused("not-a-zip", "the directory is not where it is said to be")
        self.entries = {}
        self.read_directory(self.at(start, length), files, start)

    def at(self, offset, length):
        self.file.seek(offset)
        data = self.file.read(length)
        if len(data) != length:
            raise refused("unreadable", "it breaks off")
        return data

    def read_directory(self, directory, files, data_end):
        at = here = total = 0
        for _ in range(files):
            head = directory[here : here + 46]
            if len(head) != 46 or head[:4] != b"PK\x01\x02":
                raise refused("not-a-zip", "the directory breaks off")
            flags, method = struct.unpack_from("<HH", head, 8)
            crc, packed, size = struct.unpack_from("<III", head, 16)
            name_size, extra, comment, disk = struct.unpack_from("<HHHH", head, 28)
            (local_at,) = struct.unpack_from("<I", head, 42)
            name = directory[here + 46 : here + 46 + name_size]
            if len(name) != name_size:
                raise refused("not-a-zip", "the directory breaks off")
            here += 46 + name_size
            if flags & ~0x0800 or method not in (0, 8):
                raise refused("unsupported", "encryption, streaming or another compression")
            if extra or comment or disk:
                raise refused("unsupported", "extra fields or comments")
            total += size
            if size > FILE_MAX or total > TOTAL_MAX:
                raise refused("too-large", "a file claims more bytes than bundles have")
            if size != packed if method == 0 else size > packed * DEFLATE_MAX:
                raise refused("too-large", "a file claims more bytes than it can unpack to")
            text = name.decode("ascii", "replace")
            if not is_safe_name(text):
                raise refused("unsafe-name", "a file name is not safe")
            if text in self.entries:
                raise refused("duplicate-name", f"two files are named {text}")
            data_at = local_at + 30 + name_size
            if local_at != at or data_at + packed > data_end:
                raise refused("not-a-zip", "files overlap, or leave room between them")
            at = data_at + packed
            local = self.at(local_at, 30 + name_size)
            if local[:4] != b"PK\x03\x04" or local[4:30] != head[6:32] or local[30:] != name:
                raise refused("not-a-zip", "a local header and the directory differ")
            self.entries[text] = (data_at, packed, size, crc, method)
        if here != len(directory) or at != data_end:
            raise refused("not-a-zip", "there is something beside the files")

    def read(self, name):
        """The content; None where it does not unpack to what it claims to be."""
        data_at, packed, size, crc, method = self.entries[name]
        data = self.at(data_at, packed)
        if method == 8:
            decoder = zlib.decompressobj(-15)
            try:
                content = decoder.decompress(data, size + 1)
            except zlib.error:
                return None
            if len(content) == size and not decoder.eof:
                # The end marker may still be unread; it may not bring more bytes.
                try:
                    content += decoder.decompress(decoder.unconsumed_tail, 1)
                except zlib.error:
                    return None
            if not decoder.eof or decoder.unused_data or decoder.unconsumed_tail:
                return None
            data = content
        return data if len(data) == size and zlib.crc32(data) == crc else None


# ── JSON ──────────────────────────────────────────────────────────────────────────────────────────


def unique(pairs):
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a key stands there twice")
    return result


def parse(data):
    return json.loads(data, object_pairs_hook=unique)


def parse_object(data):
    try:
        value = parse(data)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def parse_line(line):
    """A line in the one form that the writer gives it; None for anything else."""
    value = parse_object(line)
    try:
        again = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    except RecursionError:
        return None
    return value if again == line else None


def is_count(value):
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 63


def has_shape(value, required, optional=()):
    """Whether an object has these members with values of these types, and no others."""
    if not isinstance(value, dict):
        return False
    types = {**required, **dict(optional)}
    if not set(required) <= set(value) <= set(types):
        return False
    good = lambda v, t: is_count(v) if t is int else isinstance(v, t)  # noqa: E731
    return all(good(v, types[k]) for k, v in value.items())


def read_leaf(text):
    """A leaf, or None: canonical JSON with the members of docs/reference/wire.md."""
    value = parse_object(text)
    if value is None or len(text.encode()) > 65_535 or list(value) != sorted(value):
        return None
    if json.dumps(value, ensure_ascii=False, separators=(",", ":")) != text:
        return None
    required = {"id": str, "received": str, "source": str, "type": str, "v": int}
    optional = {
        "body_root": str, "epoch": int, "facts": dict, "lengths": list, "rules": str, "seq": str,
        "supersedes": str,
    }  # fmt: skip
    if not has_shape(value, required, optional) or value["v"] != 1:
        return None
    digest = all(hex_bytes(value[k], 32) for k in ("body_root", "rules") if k in value)
    ids = all(hex_bytes(value[k], 16) for k in ("id", "supersedes") if k in value)
    facts = value.get("facts", {})
    sound = list(facts) == sorted(facts) and all(isinstance(v, str) for v in facts.values())
    counts = all(is_count(n) for n in value.get("lengths", []))
    return value if digest and ids and sound and counts and value["type"] in LEAF_TYPES else None


# ── The bundle ────────────────────────────────────────────────────────────────────────────────────


class Bundle:
    """One bundle and all that is found out about it."""

    def __init__(self, file, demands):
        self.demands, self.faults, self.qualifiers, self.witnesses = demands, [], [], []
        self.stamps, self.erasures, self.erased = [], [], 0
        self.bare, self.telling = [], {}
        self.key = self.checkpoint = self.manifest = None
        self.traces = self.records = self.leaf_count = 0
        self.complete = False
        try:
            self.zip = Zip(file)
            self.open()
            self.check()
        except Fault as fault:
            self.faults.append(fault)

    def open(self):
        if "manifest.json" not in self.zip.entries:
            raise refused("malformed-manifest", "there is no manifest")
        self.manifest_bytes = self.zip.read("manifest.json")
        manifest = None
        if self.manifest_bytes is not None:
            manifest = parse_object(self.manifest_bytes)
        shape = {
            "format": str, "created": str, "generator": str, "log": dict, "selection": dict,
            "counts": dict, "files": list,
        }  # fmt: skip
        log = {"origin": str, "size": int, "root": str}
        selection = {"workspace": str}
        more = {"trace_id": str, "filter": str, "withheld": list}
        counts = {"traces": int, "records": int, "leaves": int, "pending": int}
        file = {"name": str, "bytes": int, "sha256": str}
        names = [f.get("name") for f in (manifest or {}).get("files", []) if isinstance(f, dict)]
        sound = (
            has_shape(manifest, shape)
            and manifest["format"] == FORMAT
            and has_shape(manifest["log"], log)
            and has_shape(manifest["selection"], selection, more)
            and has_shape(manifest["counts"], counts)
            and all(has_shape(f, file) and len(f["sha256"]) == 64 for f in manifest["files"])
            and all(is_safe_name(name) for name in names)
            and len(set(names)) == len(names) == len(manifest["files"])
            and not {"manifest.json", "manifest.dsse.json"} & set(names)
        )
        if not sound:
            raise refused("malformed-manifest", "the manifest does not read")
        self.manifest = manifest
        self.files = {f["name"]: f for f in manifest["files"]}
        for name in self.zip.entries:
            if name not in self.files and name not in ("manifest.json", "manifest.dsse.json"):
                raise refused("unlisted-file", f"{name} is not in the manifest", file=name)
        for name in self.files:
            if name not in self.zip.entries:
                what = "the manifest lists a file that is not there"
                self.faults.append(Fault("missing", "file-missing", what, file=name))

    def check(self):
        if self.faults:
            return
        self.check_head()
        leaves = self.check_log()
        if leaves is not None:
            faults = []
            gone = self.check_erasures(leaves, faults)
            self.check_records(leaves, gone, faults)

    def content(self, name):
        if name not in self.zip.entries:
            raise Fault("missing", "file-missing", "every bundle has this file", file=name)
        data = self.zip.read(name)
        if data is None:
            what = "it does not unpack to what it claims to be"
            raise Fault("altered", "file-damaged", what, file=name)
        listed = self.files.get(name)
        digest = hashlib.sha256(data).hexdigest()
        if listed and (listed["bytes"], listed["sha256"]) != (len(data), digest):
            what = "it is not the file that the manifest lists"
            raise Fault("altered", "file-changed", what, file=name)
        return data

    def segments(self, folder):
        return [name for name in self.files if re.fullmatch(rf"{folder}/[0-9]*\.jsonl", name)]

    def lines(self, name):
        try:
            text = self.content(name).decode("utf-8")
        except UnicodeDecodeError:
            text = ""
        if not text.endswith("\n"):
            raise malformed(name, "not lines of UTF-8")
        return text[:-1].split("\n")

    # Signatures.

    def read_key(self, name):
        try:
            text = self.content(name).decode("utf-8")
            if not text.endswith("\n"):
                raise ValueError
            return Key(text[:-1])
        except ValueError:
            raise malformed(name, "not a verifier key") from None

    def read_successions(self, above):
        name = "keys/successions.json"
        if name not in self.zip.entries:
            return []
        try:
            notes = parse(self.content(name))
        except (ValueError, RecursionError):
            notes = None
        if not isinstance(notes, list) or not all(isinstance(note, str) for note in notes):
            raise malformed(name, "not a list of notes")
        try:
            return read_chain(notes, above)
        except ValueError as error:
            what = f"the changes of the log's key do not hold: {error}"
            raise Fault("wrong-key", "key-succession", what, file=name) from None

    def read_checkpoint(self, name, key, chain=()):
        try:
            checkpoint = Checkpoint(self.content(name))
        except ValueError:
            raise malformed(name, "not a signed checkpoint") from None
        before = [one.old for one in chain if checkpoint.size <= one.ended[0]]
        if not any(checkpoint.signed_by(k) for k in [key, *before]):
            what = "the checkpoint is not signed by this log's key"
            raise Fault("wrong-key", "checkpoint-signature", what, file=name)
        return checkpoint

    def check_head(self):
        pinned = self.demands.key
        self.key = self.read_key("keys/log.vkey")
        above = self.above = self.read_key("keys/installation.vkey")
        if not self.key.extends(above):
            what = "the installation's key is not the one that signs the workspace's log"
            raise Fault("wrong-key", "key-differs", what, file="keys/installation.vkey")
        self.chain = self.read_successions(above)
        self.below = self.key.name[len(above.name) :]
        if pinned is None:
            self.qualifiers.append("key-self-asserted")
        elif self.is_heir(pinned) and not self.key.extends(pinned):
            self.qualifiers.append("key-succeeded")
        elif not self.key.extends(pinned):
            what = "the log is signed with another key than the pinned one"
            raise Fault("wrong-key", "key-not-pinned", what, file="keys/log.vkey")
        if any(one.reason == "restore" for one in self.chain):
            self.qualifiers.append("restored")
        self.checkpoint = self.read_checkpoint("checkpoints/log", self.key)
        self.check_manifest()
        witnessed = self.check_installation()
        self.check_stamps()
        independent = self.check_independent()
        if not witnessed and not independent:
            self.qualifiers.append("unwitnessed")
            if self.demands.require_witness:
                what = "no trusted witness has cosigned, and no checkpoint was given"
                raise Fault("unverifiable", "unwitnessed", what)

    def is_heir(self, pinned):
        """Whether every key from the pinned one to the log's signed for the next."""
        for at in reversed(range(len(self.chain))):
            if self.chain[at].hands_over_from(pinned, self.below):
                return all(one.reason != "compromise" for one in self.chain[at:])
        return False

    def check_manifest(self):
        name, kind = "manifest.dsse.json", "application/vnd.in-toto+json"
        envelope = parse_object(self.content(name))
        shape = {"payload": str, "payloadType": str, "signatures": list}
        sound = has_shape(envelope, shape) and envelope["payloadType"] == kind
        sound = sound and 1 <= len(envelope["signatures"]) <= 16
        sound = sound and all(has_shape(s, {"keyid": str, "sig": str}) for s in envelope["signatures"])
        payload = b64(envelope["payload"]) if sound else None
        signatures = [b64(s["sig"]) for s in envelope["signatures"]] if sound else [None]
        if payload is None or None in signatures:
            raise malformed(name, "not a DSSE envelope of an in-toto statement")
        message = f"DSSEv1 {len(kind)} {kind} {len(payload)} ".encode() + payload
        if not any(ed25519_verify(self.key.public, message, s) for s in signatures):
            what = "the manifest is not signed by the log's key"
            raise Fault("wrong-key", "manifest-signature", what, file=name)
        statement = parse_object(payload) or {}
        subject = statement.get("subject")
        try:
            (subject,) = subject
            stated = subject["name"], statement["_type"], statement["predicateType"]
            digest = subject["digest"]["sha256"]
        except (TypeError, KeyError, ValueError):
            raise malformed(name, "not a statement about a manifest") from None
        wanted = "manifest.json", "https://in-toto.io/Statement/v1", "https://exhibit.dev/evidence/v1"
        if stated != wanted:
            raise malformed(name, "not a statement about a manifest")
        if digest != hashlib.sha256(self.manifest_bytes).hexdigest():
            raise Fault("altered", "manifest-changed", "the manifest is not the one that was signed")
        log, head = self.manifest["log"], self.checkpoint
        if (log["origin"], log["size"], log["root"]) != (head.origin, head.size, head.root.hex()):
            what = "the manifest states another head than the checkpoint"
            raise Fault("forked", "head-differs", what, file="checkpoints/log")

    def check_installation(self):
        installation = self.read_checkpoint("checkpoints/installation", self.above, self.chain)
        name = "checkpoints/head.json"
        head = parse_object(self.content(name))
        sound = has_shape(head, {"index": int, "leaf": str, "proof": list})
        path = [isinstance(h, str) and b64(h, 32) for h in head["proof"]] if sound else [None]
        if not all(path) or len(path) > 64:
            raise malformed(name, "not the proof of a head")
        leaf = head["leaf"].encode()
        self.head = head["index"], leaf_hash(leaf)
        if not included(head["index"], installation.size, self.head[1], path, installation.root):
            what = "the head does not stand in the installation's log"
            raise Fault("bad-proof", "head-proof", what, file=name)
        leaf = read_leaf(head["leaf"])
        if leaf is None:
            raise malformed(name, "not the proof of a head")
        stated = self.checkpoint
        facts = {"log": stated.origin, "size": str(stated.size), "root": stated.root.hex()}
        said = {k: leaf.get("facts", {}).get(k) for k in facts}
        if leaf["type"] != "head" or said != facts:
            what = "the installation's log states another head of this log"
            raise Fault("forked", "head-differs", what, file=name)
        for witness in self.demands.witnesses:
            holds = installation.cosigned_by(witness)
            if holds is None:
                what = "a cosignature carries a trusted witness's name and is not its"
                raise Fault("wrong-key", "cosignature", what, file="checkpoints/installation")
            if holds:
                self.witnesses.append(witness.name)
        return 0 < self.demands.quorum <= len(self.witnesses)

    def check_stamps(self):
        """Time stamps over the head; each token is over a checkpoint under which the head stands."""
        tokens = [name for name in self.files if re.fullmatch(r"timestamps/[0-9]+\.tst", name)]
        if len(tokens) > 16:
            raise malformed("timestamps/", "more time stamps than a bundle has")
        words = []
        for name in tokens:
            base, (index, leaf) = name[:-4], self.head
            token = self.content(name)
            dated = self.read_checkpoint(f"{base}.checkpoint", self.above, self.chain)
            text = dated.text.encode()
            if self.content(f"{base}.txt") != text:
                what = "the text beside it is not the checkpoint's"
                raise Fault("bad-proof", "stamp-invalid", what, file=name)
            proof = parse_object(self.content(f"{base}.json"))
            sound = has_shape(proof, {"proof": list})
            path = [isinstance(h, str) and b64(h, 32) for h in proof["proof"]] if sound else [None]
            if not all(path) or len(path) > 64:
                raise malformed(f"{base}.json", "not the proof of a head")
            if not included(index, dated.size, leaf, path, dated.root):
                what = "the head does not stand under the stamped checkpoint"
                raise Fault("bad-proof", "stamp-proof", what, file=f"{base}.json")
            try:
                stamp = Token(token, text)
                if self.demands.roots:
                    check_path(stamp.signer, stamp.others, self.demands.roots, stamp.time)
            except Unsupported:
                words.append("stamp-not-checked")
                continue
            except Untrusted as error:
                what = f"no trusted authority signed the time stamp: {error}"
                raise Fault("wrong-key", "stamp-untrusted", what, file=name) from None
            except (ValueError, KeyError, IndexError, RecursionError) as error:
                what = f"the time stamp does not hold: {error}"
                raise Fault("bad-proof", "stamp-invalid", what, file=name) from None
            trusted = bool(self.demands.roots)
            words += [] if trusted else ["stamp-authority-unknown"]
            time, serial = rfc3339(stamp.time), stamp.serial
            self.stamps.append({"file": name, "time": time, "serial": serial, "trusted": trusted})
        self.qualifiers += dict.fromkeys(words)

    def check_independent(self):
        given, head = self.demands.checkpoint, self.checkpoint
        if given is None:
            return False
        names = [one.old.name + self.below for one in self.chain]
        before = any(
            given.origin == name and given.is_by(one.old.named(name))
            for name, one in zip(names, self.chain)
        )
        if not given.signed_by(self.key) and not before:
            what = "the checkpoint that you gave is not signed by this log's key"
            raise Fault("wrong-key", "given-checkpoint", what)
        end = len(given.origin) - len(self.below)
        epoch = epoch_of(given.origin[:end])[1]
        restores = [one for one in self.chain if one.reason == "restore"]
        taken_back = any(epoch_of(one.old.name)[1] >= epoch for one in restores)
        try:
            return self.continues(given, head)
        except Fault as fault:
            if taken_back and (fault.verdict == "forked" or given.size > head.size):
                what = "the log was restored from an older backup after your checkpoint was signed"
                file = "keys/successions.json"
                raise Fault("forked", "checkpoint-taken-back", what, file=file) from None
            raise

    def continues(self, given, head):
        contradicts = Fault("forked", "checkpoint-contradicts", "the log contradicts your checkpoint")
        if given.size == head.size:
            if given.root != head.root:
                raise contradicts
            return True
        name, proof = "checkpoints/consistency.json", None
        if name in self.zip.entries:
            proof = parse_object(self.content(name))
            sound = has_shape(proof, {"old_size": int, "old_root": str, "proof": list})
            path = [isinstance(h, str) and b64(h, 32) for h in proof["proof"]] if sound else [None]
            if not all(path) or len(path) > 64:
                raise malformed(name, "not a consistency proof")
        if proof is None or proof["old_size"] != given.size or not given.size < head.size:
            what = "the bundle holds no consistency proof for the checkpoint that you gave"
            raise Fault("unverifiable", "no-consistency-proof", what)
        if given.size == 0 or not consistent(given.size, head.size, given.root, head.root, path):
            raise contradicts
        return True

    # The log.

    def check_log(self):
        cover, leaves, complete = Cover(), {}, True
        for name in self.segments("log"):
            try:
                lines = self.lines(name)
            except Fault as fault:
                self.faults.append(fault)
                if fault.verdict == "refused":
                    return None
                continue
            if self.faults:
                continue
            for line in lines:
                complete &= self.add(cover, parse_line(line), leaves, name)
        if self.faults:
            return None
        self.leaf_count, self.complete = len(leaves), complete
        log = self.manifest["log"]
        if cover.size < log["size"]:
            what = f"{cover.size} leaves are shown, the checkpoint has {log['size']}"
            raise Fault("truncated", "leaves-truncated", what, index=cover.size)
        if cover.size > log["size"] or cover.root().hex() != log["root"]:
            what = "the leaves are not those under the checkpoint"
            raise Fault("altered", "root-differs", what)
        return leaves

    def add(self, cover, line, leaves, name):
        optional = {"leaf": str, "leaves": int, "hash": str}
        if not has_shape(line, {"index": int}, optional):
            raise malformed(name, "not a line of a cover")
        index = line["index"]
        where = {"file": name, "index": index}
        if index > cover.size:
            what = f"leaves {cover.size} to {index - 1} are not there"
            raise Fault("missing", "leaves-missing", what, file=name, index=cover.size)
        if index < cover.size:
            what = f"leaf {index} stands where leaf {cover.size} should"
            raise Fault("reordered", "leaves-out-of-order", what, **where)
        if set(line) == {"index", "leaf"}:
            digest = leaf_hash(line["leaf"].encode())
            cover.push(1, digest)
            leaf = read_leaf(line["leaf"])
            if leaf is None:
                raise Fault("altered", "leaf-malformed", f"leaf {index} does not read", **where)
            leaves[index] = (digest, leaf)
            return True
        width, root = line.get("leaves", 0), hex_bytes(line.get("hash"), 32)
        good = set(line) == {"index", "leaves", "hash"} and root is not None and width > 0
        good = good and width & (width - 1) == 0 and index % width == 0 and index + width <= 1 << 56
        if not good:
            what = "no complete subtree of this width can stand here"
            raise Fault("bad-proof", "bad-subtree", what, **where)
        cover.push(width, root)
        return False

    # What was erased.

    def check_erasures(self, leaves, faults):
        """The certificate of every leaf whose record was taken away, by index of the leaf."""
        order = list(leaves)
        tally = [0]
        for _, leaf in leaves.values():
            tally.append(tally[-1] + (leaf["type"] in ("span", "trace-seal")))
        certified = {}
        for name in self.segments("erasures"):
            try:
                for line in self.lines(name):
                    line = parse_line(line)
                    shape = dict.fromkeys(["record", "type", "salt", "text"], str)
                    if not has_shape(line, {"index": int, **shape}):
                        raise malformed(name, "not a line of a certificate")
                    try:
                        found = self.certificate(line, leaves, order, tally)
                        if line["index"] in certified:
                            raise Fault("bad-proof", "certificate-unfit", "it is there twice")
                        certified[line["index"]] = found
                    except Fault as fault:
                        fault.file, fault.index = name, line["index"]
                        if len(faults) < FAULTS_MAX:
                            faults.append(fault)
            except Fault as fault:
                faults.append(fault)
        ranges, gone, done = [], {}, 0
        self.erasures = [dict(told, records=0) for _, (told, _) in sorted(certified.items())]
        for number, (_, (_, covers)) in enumerate(sorted(certified.items())):
            ranges += [(start, end, number) for start, end in covers]
        for start, end, number in sorted(ranges):
            first, last = bisect.bisect_left(order, start), bisect.bisect_left(order, end)
            gone.update(dict.fromkeys(order[max(first, done) : last], number))
            done = max(done, last)
        return gone

    @staticmethod
    def certificate(line, leaves, order, tally):
        unfit = lambda what: Fault("bad-proof", "certificate-unfit", what)  # noqa: E731
        digest, leaf = leaves.get(line["index"], (None, {}))
        kind = leaf.get("type") in ("erasure", "retention")
        if not kind or (leaf["type"], leaf["id"]) != (line["type"], line["record"]):
            what = "the log does not show the act that this certificate is of"
            raise Fault("bad-proof", "certificate-not-in-log", what)
        salt, text = hex_bytes(line["salt"], 32), line["text"].encode()
        sealed = salt is not None and leaf_hash(salt + text).hex() == leaf.get("body_root")
        if not sealed or leaf.get("lengths") != [len(text)]:
            what = "the certificate is not the act that was sealed"
            raise Fault("altered", "certificate-changed", what)
        act = parse_object(line["text"]) or {}
        erased = act.get("erased") if act.get("act") == "erased" else None
        shape = {"cause": str, "why": str, "at": str, "leaves": list}
        known = {k: v for k, v in erased.items() if k in shape} if isinstance(erased, dict) else None
        if not has_shape(known, shape) or not re.fullmatch("-?[0-9]{1,19}", erased["at"]):
            raise unfit("the act is no erasure")
        named = erased.get("by") is None or isinstance(erased["by"], str)
        if not named or not -(1 << 63) <= int(erased["at"]) < 1 << 63:
            raise unfit("the act is no erasure")
        covered, ranges = 0, erased["leaves"]
        if not all(isinstance(r, list) and len(r) == 2 and all(map(is_count, r)) for r in ranges):
            raise unfit("the act is no erasure")
        for start, end in ranges:
            if not start < end <= line["index"]:
                raise unfit("it covers leaves that were not there yet")
            first, last = bisect.bisect_left(order, start), bisect.bisect_left(order, end)
            if tally[last] - tally[first] < last - first:
                raise unfit("it covers leaves that are not of records")
            covered += last - first
        if covered == 0:
            raise unfit("it covers no record of this bundle")
        told = {"index": line["index"], "cause": erased["cause"], "why": erased["why"]}
        by = {"by": erased["by"]} if isinstance(erased.get("by"), str) else {}
        return {**told, **by, "at": rfc3339(int(erased["at"]))}, ranges

    # The records.

    def check_records(self, leaves, gone, certificate_faults):
        faults, seen, traces, self.withheld = [], set(), {}, False
        segments = self.segments("records")
        for name in segments:
            try:
                for line in self.lines(name):
                    try:
                        self.check_record(parse_line(line), leaves, seen, traces, name, faults)
                    except Fault as fault:
                        if fault.verdict == "refused":
                            raise
                        if len(faults) < FAULTS_MAX:
                            faults.append(fault)
            except Fault as fault:
                faults.append(fault)
        for name in self.zip.entries:
            if name not in segments and not name.startswith(("log/", "erasures/")):
                try:
                    self.content(name)
                except Fault as fault:
                    faults.append(fault)
        for index in sorted(seen & gone.keys()):
            if len(faults) < FAULTS_MAX:
                what = "a record is shown that a certificate says was erased"
                faults.append(Fault("altered", "record-erased", what, index=index))
        named = {fault.index for fault in faults}
        if not any(fault.code == "record-elsewhere" for fault in faults):
            for index, (_, leaf) in leaves.items():
                wanted = leaf["type"] in ("span", "trace-seal")
                if not wanted or index in seen or index in named:
                    continue
                if index in gone:
                    self.erasures[gone[index]]["records"] += 1
                    self.erased += 1
                elif len(faults) < FAULTS_MAX:
                    what = f"the record of leaf {index} is not there"
                    faults.append(Fault("missing", "record-missing", what, index=index))
        self.check_cleared(leaves, faults)
        faults += certificate_faults
        late = False
        if not faults:
            for trace_id, (spans, seals) in traces.items():
                spans.sort()
                for index, seal in seals:
                    late |= seal["late"]
                    try:
                        self.check_seal(seal, spans, index, trace_id)
                    except Fault as fault:
                        faults.append(fault)
        self.traces, self.records = len(traces), len(seen)
        counts = self.manifest["counts"]
        stated = counts["traces"], counts["records"], counts["leaves"]
        if not faults and stated != (self.traces, self.records, self.leaf_count):
            what = "the manifest counts other traces, records or leaves than there are"
            faults.append(Fault("altered", "counts-differ", what))
        self.qualifiers += ["redacted"] * self.withheld + ["late"] * late
        self.qualifiers += ["cleared-by-review"] * bool(self.bare)
        self.qualifiers += ["erased-with-certificate"] * bool(self.erased)
        broken = [fault for fault in faults if fault.code in ("file-changed", "file-damaged")]
        self.faults += [fault for fault in faults if fault.verdict == "refused"] or broken or faults

    def check_record(self, line, leaves, seen, traces, name, faults):
        required = {
            "trace_id": str, "type": str, "superseded": bool, "index": int, "record": str,
            "parts": list,
        }  # fmt: skip
        part = {"name": str, "bytes": int}, {"salt": str, "text": str, "withheld": str}
        sound = has_shape(line, required, {"span_id": str})
        if not sound or not all(has_shape(p, *part) for p in line["parts"]):
            raise malformed(name, "not a line of a record")
        index = line["index"]
        where = {"file": name, "index": index, "trace_id": line["trace_id"]}
        if index not in leaves:
            what = "no leaf is shown at the record's place"
            raise Fault("reordered", "record-elsewhere", what, **where)
        digest, leaf = leaves[index]
        if (line["record"], line["type"]) != (leaf["id"], leaf["type"]):
            what = "the leaf at this place is another record's"
            raise Fault("reordered", "record-elsewhere", what, **where)
        spans, seals = traces.get(line["trace_id"], ([], []))
        whose = line["trace_id"], line.get("span_id")
        if not line["parts"] and leaf["type"] == "span" and line["superseded"] and whose[1] is not None:
            self.bare.append((index, leaf["id"], whose))
            spans.append((index, digest))
            traces[line["trace_id"]] = spans, seals
            if index in seen:
                faults.append(Fault("altered", "record-twice", "a record is there twice", **where))
            seen.add(index)
            return
        names = SPAN_PARTS if leaf["type"] == "span" else ["seal"]
        hashes = [self.part_hash(p) for p in line["parts"]]
        fits = [p["name"] for p in line["parts"]] == names
        fits = fits and [p["bytes"] for p in line["parts"]] == leaf.get("lengths", [])
        if not fits or None in hashes or root_of(hashes).hex() != leaf.get("body_root"):
            what = "the record's parts are not those that were sealed"
            raise Fault("altered", "record-changed", what, **where)
        self.withheld |= any("withheld" in p for p in line["parts"])
        what = "the line names another trace or span than the record itself"
        mislabelled = Fault("altered", "record-mislabelled", what, **where)
        text = line["parts"][0].get("text")
        if leaf["type"] == "span":
            if text is not None:
                header = parse_object(text) or {}
                if header.get("trace_id") != line["trace_id"]:
                    raise mislabelled
                if "span_id" not in line or header.get("span_id") != line["span_id"]:
                    raise mislabelled
            if self.is_cleared(line["parts"][3].get("text", "")):
                self.telling[leaf["id"]] = whose
            spans.append((index, digest))
        else:
            seal = parse_object(text) if text is not None else None
            shape = {"trace_id": str, "covered": int, "root": str, "late": bool}
            if not has_shape(seal, shape, {"partial": bool}) or "span_id" in line:
                raise mislabelled
            if seal["trace_id"] != line["trace_id"]:
                raise mislabelled
            seals.append((index, seal))
        traces[line["trace_id"]] = spans, seals
        if index in seen:
            faults.append(Fault("altered", "record-twice", "a record is there twice", **where))
        seen.add(index)

    @staticmethod
    def is_cleared(text):
        """Whether a record says itself that a reviewer had its contents redacted or erased."""
        if "exhibit.review_decision" not in text:
            return False
        attributes = (parse_object(text) or {}).get("attributes")
        decision = attributes.get("exhibit.review_decision") if isinstance(attributes, dict) else None
        return isinstance(decision, dict) and decision.get("handling") in ("redact", "erase")

    def check_cleared(self, leaves, faults):
        """For each record without parts, a later revision of its span must tell of the review."""
        later = {}
        if self.bare:
            later = {l["supersedes"]: l["id"] for _, l in leaves.values() if "supersedes" in l}
        for index, record, whose in self.bare:
            for _ in range(1_000):
                record = later.get(record)
                if record is None or self.telling.get(record) == whose:
                    break
            if (record is None or self.telling.get(record) != whose) and len(faults) < FAULTS_MAX:
                what = "a record is shown without its parts, and no review says why"
                where = {"index": index, "trace_id": whose[0]}
                faults.append(Fault("missing", "record-not-cleared", what, **where))

    @staticmethod
    def part_hash(part):
        if set(part) == {"name", "bytes", "salt", "text"}:
            salt, text = hex_bytes(part["salt"], 32), part["text"].encode()
            if salt is None or len(text) != part["bytes"]:
                return None
            return leaf_hash(salt + text)
        if set(part) == {"name", "bytes", "withheld"}:
            return hex_bytes(part["withheld"], 32)
        return None

    @staticmethod
    def check_seal(seal, spans, index, trace_id):
        where = {"index": index, "trace_id": trace_id}
        if len(spans) < seal["covered"]:
            what = "the trace has fewer records than its seal covers"
            raise Fault("missing", "seal-span-missing", what, **where)
        if root_of(digest for _, digest in spans[: seal["covered"]]).hex() != seal["root"]:
            what = "the trace's records are not those that its seal covers"
            raise Fault("altered", "seal-differs", what, **where)

    def report(self):
        sound = int(bool(self.erased) and not self.records)
        worst = max((VERDICTS.index(fault.verdict) for fault in self.faults), default=sound)
        ordered = sorted(self.faults, key=lambda fault: -VERDICTS.index(fault.verdict))
        return {
            "verdict": VERDICTS[worst],
            "qualifiers": self.qualifiers,
            "log": self.key.name if self.key else "",
            "key": self.key.text if self.key else "",
            "tree_size": self.checkpoint.size if self.checkpoint else 0,
            "created": self.manifest["created"] if self.manifest else "",
            "traces": self.traces,
            "records": self.records,
            "leaves": self.leaf_count,
            "complete": self.complete,
            "witnesses": self.witnesses,
            "stamps": self.stamps,
            "erased": self.erased,
            "erasures": self.erasures[:1_000],
            "faults": [fault.as_dict() for fault in ordered],
        }


def verify(path, demands):
    """The report about the bundle in a file, as a dictionary."""
    with open(path, "rb") as file:
        return Bundle(file, demands).report()


def print_report(report):
    print(f"Verdict:   {report['verdict']}")
    if report["qualifiers"]:
        print(f"Rests on:  {', '.join(report['qualifiers'])}")
    print(f"Log:       {report['log']}\nKey:       {report['key']}")
    print(f"Leaves:    {report['leaves']} of {report['tree_size']}")
    print(f"Traces:    {report['traces']}\nRecords:   {report['records']}")
    if report["complete"] and report["verdict"] == "valid":
        print("Complete:  every entry of the log before the checkpoint is here")
    if report["witnesses"]:
        print(f"Witnesses: {', '.join(report['witnesses'])}")
    for stamp in report["stamps"]:
        trust = "" if stamp["trusted"] else " (an authority that you did not name)"
        print(f"Stamped:   {stamp['time']}{trust}")
    for one in report["erasures"]:
        by = f" by {one['by']}" if "by" in one else ""
        said = f"{one['records']} records{by} at {one['at']}: {one['cause']}, {one['why']}"
        said = "".join(c if c.isprintable() else " " for c in said)
        print(f"Erased:    {said} [certificate: leaf {one['index']}]")
    for fault in report["faults"]:
        place = [str(fault[k]) for k in ("file", "trace_id", "index") if k in fault]
        print(f"{fault['verdict']} ({fault['code']}): {fault['what']} [{', '.join(place)}]")


def main(argv=None):
    parser = argparse.ArgumentParser(description="Checks evidence bundles of Exhibit.")
    parser.add_argument("files", nargs="+", metavar="FILE.zip")
    parser.add_argument("--key", type=Key, help="verifier key, pinned from outside")
    parser.add_argument("--witness", type=Key, action="append", default=[], dest="witnesses",
                        help="verifier key of a witness that you trust; may be repeated")  # fmt: skip
    parser.add_argument("--quorum", type=int, default=1, help="how many of them must have cosigned")
    parser.add_argument("--checkpoint", metavar="FILE", help="checkpoint of the log that you have kept")
    parser.add_argument("--timestamp-roots", metavar="FILE", dest="roots",
                        help="certificates (PEM) that you trust to name time-stamp authorities")  # fmt: skip
    parser.add_argument("--require-witness", action="store_true",
                        help="without a cosignature or your own checkpoint it is not enough")  # fmt: skip
    parser.add_argument("--json", action="store_true", help="one JSON document per file")
    demands = parser.parse_args(argv)
    try:
        if demands.checkpoint:
            with open(demands.checkpoint, "rb") as file:
                demands.checkpoint = Checkpoint(file.read())
        if demands.roots:
            with open(demands.roots, "rb") as file:
                demands.roots = read_certificates(file.read())
        reports = [{"file": path, **verify(path, demands)} for path in demands.files]
    except (OSError, ValueError) as error:
        parser.error(str(error))
    for report in reports:
        print(json.dumps(report)) if demands.json else print_report(report)
    verdicts = {report["verdict"] for report in reports} - {"valid", "erased-with-certificate"}
    return 0 if not verdicts else 3 if verdicts == {"unverifiable"} else 1


if __name__ == "__main__":
    sys.exit(main())
