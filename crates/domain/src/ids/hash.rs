use sha2::{Digest, Sha256};

/// SHA-256 over parts, each preceded by its length (u32, big endian): no two lists of parts hash
/// the same bytes.
pub fn of_parts<const N: usize>(parts: [&str; N]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for part in parts {
        let length = u32::try_from(part.len()).expect("ids are at most 255 bytes long");
        hasher.update(length.to_be_bytes());
        hasher.update(part.as_bytes());
    }
    hasher.finalize().into()
}
