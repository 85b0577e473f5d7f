use sha2::{Digest, Sha256};

/// Where a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub struct PartitionOffset {
    pub partition: i32,
    pub offset: i64,
}

/// How far one reader has read a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// The offset that is read next.
    pub next: i64,
    /// How often an operator has accepted that the log is another one.
    pub log_number: i32,
    /// The last record before `next`; `None` if it is not known.
    pub last: Option<RecordMark>,
}

impl Position {
    /// Where reading starts: at the last record, which shows whether the log is still the same.
    pub fn start(&self) -> i64 {
        self.last.map_or(self.next, |mark| mark.offset)
    }
}

/// What is remembered of a record, to find out later whether the log still has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordMark {
    /// Its offset.
    pub offset: i64,
    /// The beginning of a SHA-256 of what it consists of.
    pub checksum: u64,
}

impl RecordMark {
    /// The mark of a record. Its checksum is the first 8 bytes, big endian, of the SHA-256 over five fields, each preceded
    /// by its length (u32, big endian; `u32::MAX` if the record lacks the field): offset and timestamp (i64, big
    /// endian), key, `ce_id` header, value.
    pub fn of(
        offset: i64,
        timestamp_ms: i64,
        key: Option<&[u8]>,
        ce_id: Option<&[u8]>,
        value: Option<&[u8]>,
    ) -> Self {
        let (offset_bytes, timestamp_bytes) = (offset.to_be_bytes(), timestamp_ms.to_be_bytes());
        let fields = [
            Some(&offset_bytes[..]),
            Some(&timestamp_bytes[..]),
            key,
            ce_id,
            value,
        ];
        let mut hasher = Sha256::new();
        for field in fields {
            let length = field.map_or(u32::MAX, |field| {
                u32::try_from(field.len()).expect("Kafka's fields are shorter than 2 GiB")
            });
            hasher.update(length.to_be_bytes());
            hasher.update(field.unwrap_or_default());
        }
        let hash: [u8; 32] = hasher.finalize().into();
        let (first, _) = hash.split_first_chunk().expect("a hash has 32 bytes");
        Self {
            offset,
            checksum: u64::from_be_bytes(*first),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: i64 = 1_763_912_345_678;
    const ID: &[u8] = b"01a1fb67-1800-897f-98f2-381895f55db8";

    fn checksum(
        offset: i64,
        time: i64,
        key: Option<&str>,
        id: Option<&[u8]>,
        value: Option<&str>,
    ) -> u64 {
        let (key, value) = (key.map(str::as_bytes), value.map(str::as_bytes));
        RecordMark::of(offset, time, key, id, value).checksum
    }

    #[test]
    fn the_checksums_are_frozen() {
        let order = |offset| checksum(offset, TIME, Some("sale-1"), Some(ID), Some("{}"));
        assert_eq!(order(41), 0xb425_9c38_a69a_ef39);
        assert_eq!(order(42), 0x879d_9263_1fe7_d0aa);
        assert_eq!(checksum(0, 0, None, None, None), 0x3a1e_325d_fe32_6a0a);
        let empty = checksum(0, 0, Some(""), Some(b""), Some(""));
        assert_eq!(empty, 0x92b5_6e0f_b0b2_7387);
    }

    #[test]
    fn every_field_counts_and_the_borders_between_them() {
        let moved = [b"1", ID].concat();
        let all = [
            checksum(41, TIME, Some("sale-1"), Some(ID), Some("{}")),
            checksum(42, TIME, Some("sale-1"), Some(ID), Some("{}")),
            checksum(41, 0, Some("sale-1"), Some(ID), Some("{}")),
            checksum(41, TIME, Some("sale-2"), Some(ID), Some("{}")),
            checksum(41, TIME, Some("sale-1"), None, Some("{}")),
            checksum(41, TIME, Some("sale-1"), Some(ID), None),
            checksum(41, TIME, Some("sale-"), Some(&moved), Some("{}")),
        ];
        for (at, one) in all.iter().enumerate() {
            assert!(!all[..at].contains(one), "{at}");
        }
        assert_eq!(all[6], 0x0b73_4a1f_32ef_35eb);
    }
}
