//! Laid out, not yet written.
