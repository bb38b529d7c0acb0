"""Transparency logs checked from their public specifications, without any of Exhibit's code.

RFC 6962 section 2.1 (hashes), RFC 9162 section 2.1.3 and 2.1.4 (proofs), C2SP signed-note and
tlog-checkpoint (signatures), C2SP tlog-tiles (paths and tiles), C2SP tlog-proof (proof files).
"""

import base64
import hashlib

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


def leaf_hash(leaf):
    return hashlib.sha256(b"\x00" + leaf).digest()


def node_hash(left, right):
    return hashlib.sha256(b"\x01" + left + right).digest()


def tree_root(leaves):
    """RFC 6962 section 2.1, as it is written."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaf_hash(leaves[0])
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return node_hash(tree_root(leaves[:split]), tree_root(leaves[split:]))


def included(index, size, leaf, path, root):
    """RFC 9162 section 2.1.3.2."""
    if index >= size:
        return False
    fn, sn, node = index, size - 1, leaf_hash(leaf)
    for sibling in path:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            node = node_hash(sibling, node)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            node = node_hash(node, sibling)
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and node == root


def consistent(old, new, old_root, new_root, path):
    """RFC 9162 section 2.1.4.2."""
    if old == new:
        return not path and old_root == new_root
    if not 0 < old < new:
        return False
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
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            second = node_hash(second, node)
        fn, sn = fn >> 1, sn >> 1
    return first == old_root and second == new_root and sn == 0


def open_note(note, vkey):
    """The text of a signed note; raises unless `vkey` has signed it."""
    name, key_id, packed = vkey.split("+", 2)
    packed = base64.b64decode(packed)
    assert packed[0] == 1, "an Ed25519 key"
    assert hashlib.sha256(name.encode() + b"\n" + packed).digest()[:4].hex() == key_id
    text, signatures = note.rsplit("\n\n", 1)
    text += "\n"
    for line in signatures.splitlines():
        dash, signer, signature = line.split(" ")
        assert dash == "—"
        signature = base64.b64decode(signature)
        if signer == name and signature[:4].hex() == key_id:
            Ed25519PublicKey.from_public_bytes(packed[1:]).verify(signature[4:], text.encode())
            return text
    raise InvalidSignature("no signature of this key")


def open_checkpoint(note, vkey):
    """(origin, size, root) of a checkpoint that `vkey` has signed."""
    origin, size, root = open_note(note, vkey).splitlines()[:3]
    assert origin == vkey.split("+")[0]
    return origin, int(size), base64.b64decode(root)


def tile_index(n):
    """The path element of tile `n`: groups of three digits, all but the last after an `x`."""
    groups = [f"{n % 1000:03}"]
    while n >= 1000:
        n //= 1000
        groups.insert(0, f"x{n % 1000:03}")
    return "/".join(groups)


def all_entries(fetch, size):
    """Every entry of a log of `size`, from its entry bundles. `fetch` takes a path below `tile/`."""
    entries = []
    while len(entries) < size:
        index, width = len(entries) // 256, min(256, size - len(entries))
        path = "entries/" + tile_index(index) + ("" if width == 256 else f".p/{width}")
        bundle, at, before = fetch(path), 0, len(entries)
        while at < len(bundle):
            length = int.from_bytes(bundle[at : at + 2], "big")
            entries.append(bundle[at + 2 : at + 2 + length])
            at += 2 + length
        assert len(entries) - before == width
    return entries


def read_proof(text):
    """(index, path, checkpoint) of a tlog-proof file."""
    head, checkpoint = text.split("\n\n", 1)
    lines = head.splitlines()
    assert lines[0] == "c2sp.org/tlog-proof@v1"
    lines = [line for line in lines[1:] if not line.startswith("extra ")]
    assert lines[0].startswith("index ")
    return int(lines[0][6:]), [base64.b64decode(line) for line in lines[1:]], checkpoint
