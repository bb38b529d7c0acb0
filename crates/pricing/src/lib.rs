//! Usage and price tables become a cost that says where it comes from.
