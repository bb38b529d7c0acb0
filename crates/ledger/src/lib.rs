//! Canonical JSON, RFC 6962 trees and proofs, signed checkpoints. Bytes in, bytes out.
//!
//! Start with [`tree`] (hashes and the [`tree::Frontier`] of a log), then [`proof`]. [`leaf`] and
//! [`record`] say what Exhibit commits to; [`note`], [`checkpoint`], [`tlog_proof`] and [`tiles`] are
//! the public C2SP text and file formats in which it is shown to others; [`canonical`] gives a JSON
//! value its one byte form; [`digest`] names things without showing them.
//!
//! The crate keeps nothing, reads no clock, draws no randomness and does no I/O: keys, times and
//! bytes are arguments. No input makes it panic, recurse without bound or allocate beyond a small
//! multiple of the input.

pub mod canonical;
pub mod checkpoint;
pub mod cose;
pub mod digest;
pub mod dsse;
mod lanes;
pub mod leaf;
pub mod note;
pub mod policy;
pub mod proof;
pub mod record;
pub mod succession;
pub mod tiles;
pub mod tlog_proof;
pub mod tree;
pub mod witness;

pub use canonical::{canonicalize, parse_strict};
pub use checkpoint::{Checkpoint, SignedCheckpoint};
pub use digest::{DigestKey, KeyedDigest};
pub use dsse::Envelope;
pub use leaf::{Leaf, LeafError, LeafKind};
pub use note::{Cosigner, Note, NoteSigner, VerifierKey};
pub use policy::Policy;
pub use proof::{
    HashReader, InvalidProof, ProofError, Prover, consistency_proof, inclusion_proof,
    verify_consistency, verify_inclusion,
};
pub use record::{Body, PartKey, PartProof, RecordId, Salt, body_root, body_roots, part_hashes};
pub use succession::Succession;
pub use tiles::TilePath;
pub use tlog_proof::TlogProof;
pub use tree::{Frontier, Hash, TileHash, empty_root, leaf_hash, leaf_hashes, node_hash};
pub use witness::AddCheckpoint;
