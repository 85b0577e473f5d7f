//! The Kafka partition of a product.

use crate::ids::ProductId;

/// The partition of a product among `partitions`: Kafka's default for keyed records (`toPositive(murmur2(key)) % n`), so
/// that other Kafka clients choose the same one.
///
/// Computed once, when a sale opens, and stored with the sale: adding partitions to the topic must not move a running
/// sale.
pub fn of(product: &ProductId, partitions: i32) -> i32 {
    let positive = murmur2(product.as_str().as_bytes()) & 0x7fff_ffff;
    positive.cast_signed() % partitions.max(1)
}

/// Murmur2, 32 bits, with the seed of `org.apache.kafka.common.utils.Utils.murmur2`.
fn murmur2(data: &[u8]) -> u32 {
    const SEED: u32 = 0x9747_b28c;
    const M: u32 = 0x5bd1_e995;

    let length = u32::try_from(data.len()).expect("keys are at most 128 bytes long");
    let mut hash = SEED ^ length;
    let mut words = data.chunks_exact(4);
    for word in &mut words {
        let mut k = u32::from_le_bytes(word.try_into().expect("chunks of four bytes"));
        k = k.wrapping_mul(M);
        k ^= k >> 24;
        k = k.wrapping_mul(M);
        hash = hash.wrapping_mul(M) ^ k;
    }
    let rest = words.remainder();
    if !rest.is_empty() {
        for (i, byte) in rest.iter().enumerate() {
            hash ^= u32::from(*byte) << (8 * i);
        }
        hash = hash.wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn murmur2_agrees_with_the_java_client() {
        // The vectors of Kafka's own UtilsTest.testMurmur2.
        for (key, hash) in [
            ("21", -973_932_308),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            (
                "lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8",
                -58_897_971,
            ),
            ("abc", 479_470_107),
        ] {
            assert_eq!(murmur2(key.as_bytes()).cast_signed(), hash, "{key}");
        }
    }

    #[test]
    fn every_product_has_a_partition_that_exists() {
        for n in [1, 2, 12, 96] {
            for i in 0..1_000 {
                let product = ProductId::parse(&format!("p-{i}")).unwrap();
                assert!((0..n).contains(&of(&product, n)));
            }
        }
    }
}
