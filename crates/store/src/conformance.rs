//! The executable form of the contract.
