//! User ids that inflate a HyperLogLog of Redis, if they are counted as they are.

use std::collections::HashSet;

use anyhow::Result;

use crate::stores::Redis;

/// `HLL_P` of Redis's hyperloglog.c: 2^14 registers.
const REGISTER_BITS: u32 = 14;
/// The seed of its hash.
const SEED: u64 = 0xadc8_3b19;
/// The value that each id gives its register: an honest crowd of thousands gives most a lower one.
const VALUE_MIN: u32 = 8;

/// So many ids, each of which sets a register of its own to a high value.
pub fn crafted_ids(count: usize) -> Vec<String> {
    let mut registers = HashSet::new();
    let ids = (0_u64..).map(|n| format!("fan-{n}"));
    let is_crafted = |id: &String| {
        let (register, value) = place(murmur64a(id.as_bytes()));
        value >= VALUE_MIN && registers.insert(register)
    };
    ids.filter(is_crafted).take(count).collect()
}

/// How many there are, by a HyperLogLog over the ids.
pub async fn estimate_of_ids(redis: &Redis, ids: &[String]) -> Result<u64> {
    const KEY: &str = "crafted-ids";
    for some in ids.chunks(1_000) {
        let words = ["PFADD", KEY].into_iter();
        let words: Vec<_> = words.chain(some.iter().map(String::as_str)).collect();
        let _: i64 = redis.command(&words).await?;
    }
    let estimate = redis.command(&["PFCOUNT", KEY]).await?;
    let _: i64 = redis.command(&["DEL", KEY]).await?;
    Ok(estimate)
}

/// The register of a hash, and the value it gives it.
fn place(hash: u64) -> (u64, u32) {
    let register = hash & ((1 << REGISTER_BITS) - 1);
    let rest = (hash >> REGISTER_BITS) | 1 << (u64::BITS - REGISTER_BITS);
    (register, rest.trailing_zeros() + 1)
}

/// MurmurHash64A, as Redis computes it.
fn murmur64a(key: &[u8]) -> u64 {
    const M: u64 = 0xc6a4_a793_5bd1_e995;
    let mut hash = SEED ^ (key.len() as u64).wrapping_mul(M);
    let (words, rest) = key.as_chunks::<8>();
    for word in words {
        let mixed = u64::from_le_bytes(*word).wrapping_mul(M);
        let mixed = (mixed ^ (mixed >> 47)).wrapping_mul(M);
        hash = (hash ^ mixed).wrapping_mul(M);
    }
    if !rest.is_empty() {
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        hash = (hash ^ u64::from_le_bytes(last)).wrapping_mul(M);
    }
    hash = (hash ^ (hash >> 47)).wrapping_mul(M);
    hash ^ (hash >> 47)
}
