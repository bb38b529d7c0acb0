//! The use cases: accept, complete, verify, accounts, live. The only room where the others meet.
