//! A set of sequence numbers that costs one bit per number where they are dense.

use std::collections::HashMap;

use crate::SequenceNumber;

/// Numbers per chunk: 8 KiB, so a single number far from all others costs no more than that.
const CHUNK: u32 = 1 << 16;
const WORDS: usize = (CHUNK / u64::BITS) as usize;

/// Sequence numbers, as bits. The numbers of a sale have no gaps, so a million of them take 128 KiB.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NumberSet {
    /// By epoch and the upper half of the sequence.
    chunks: HashMap<(u32, u32), Box<[u64; WORDS]>>,
}

impl NumberSet {
    /// Adds a number; true if it is new.
    pub fn insert(&mut self, number: SequenceNumber) -> bool {
        let (chunk, word, bit) = place(number);
        let chunk = self.chunks.entry(chunk);
        let word = &mut chunk.or_insert_with(|| Box::new([0; WORDS]))[word];
        let is_new = *word & bit == 0;
        *word |= bit;
        is_new
    }

    /// Whether it has this number.
    pub fn contains(&self, number: SequenceNumber) -> bool {
        let (chunk, word, bit) = place(number);
        let chunk = self.chunks.get(&chunk);
        chunk.is_some_and(|chunk| chunk[word] & bit != 0)
    }

    /// Its numbers, in no order.
    pub fn iter(&self) -> impl Iterator<Item = SequenceNumber> {
        self.chunks.iter().flat_map(|(&(epoch, upper), chunk)| {
            let sequences = (0..CHUNK).filter(move |lower| {
                let (_, word, bit) = place(SequenceNumber::new(epoch, *lower));
                chunk[word] & bit != 0
            });
            sequences.map(move |lower| SequenceNumber::new(epoch, upper * CHUNK + lower))
        })
    }
}

impl Extend<SequenceNumber> for NumberSet {
    fn extend<T: IntoIterator<Item = SequenceNumber>>(&mut self, numbers: T) {
        for number in numbers {
            self.insert(number);
        }
    }
}

/// The chunk of a number, the word within it, and the bit within that.
fn place(number: SequenceNumber) -> ((u32, u32), usize, u64) {
    let (upper, lower) = (number.sequence / CHUNK, number.sequence % CHUNK);
    let word = (lower / u64::BITS) as usize;
    ((number.epoch, upper), word, 1 << (lower % u64::BITS))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn number() -> impl Strategy<Value = SequenceNumber> {
        let sequence = prop_oneof![0..200u32, CHUNK - 2..CHUNK + 2, u32::MAX - 2..=u32::MAX];
        (1..3u32, sequence).prop_map(|(epoch, sequence)| SequenceNumber::new(epoch, sequence))
    }

    proptest! {
        #[test]
        fn it_does_what_a_plain_set_does(numbers in prop::collection::vec(number(), 0..100), other in number()) {
            let (mut set, mut plain) = (NumberSet::default(), BTreeSet::new());
            for number in numbers {
                prop_assert_eq!(set.insert(number), plain.insert(number));
            }
            prop_assert_eq!(set.contains(other), plain.contains(&other));
            prop_assert_eq!(set.iter().collect::<BTreeSet<_>>(), plain);
        }
    }

    #[test]
    fn a_million_numbers_take_128_kib() {
        let mut set = NumberSet::default();
        set.extend((1..1_000_000).map(|sequence| SequenceNumber::new(1, sequence)));
        assert_eq!(set.chunks.len() * size_of::<[u64; WORDS]>(), 128 * 1024);
    }
}
