//! Collects records into batches, by number or by age.

mod builder;

pub use builder::BatchBuilder;
