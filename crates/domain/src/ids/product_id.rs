use super::{Invalid, textual_id};

/// Names one sale, for good: 1-128 characters of `[A-Za-z0-9._:-]`.
///
/// The alphabet has no braces, so an id in a Redis key cannot change the hash tag.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProductId(Box<str>);

textual_id!(ProductId);

impl ProductId {
    /// The longest product id in bytes.
    pub const MAX_BYTES: usize = 128;

    const INVALID: Invalid = Invalid {
        field: "productId",
        allowed: "1-128 characters of A-Z a-z 0-9 . _ : -",
    };

    /// # Errors
    /// When the text is empty, longer than [`Self::MAX_BYTES`] or has other characters.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b':' | b'-');
        if (1..=Self::MAX_BYTES).contains(&text.len()) && text.bytes().all(allowed) {
            Ok(Self(text.into()))
        } else {
            Err(Self::INVALID)
        }
    }

    /// Whether it is `.` or `..`, which clients remove from the path of a URL.
    pub fn is_dot_segment(&self) -> bool {
        matches!(&*self.0, "." | "..")
    }
}

#[cfg(test)]
mod tests {
    use super::ProductId;

    #[test]
    fn the_alphabet_and_the_length_are_enforced() {
        for good in ["a", "iphone-15", "A.b_c:d-9", &"x".repeat(128)] {
            assert_eq!(ProductId::parse(good).unwrap().as_str(), good);
        }
        for bad in [
            "",
            " ",
            "a b",
            "a{b}",
            "ä",
            "a\n",
            "a/b",
            "a\0",
            &"x".repeat(129),
        ] {
            assert!(ProductId::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn json_is_validated_too() {
        assert!(serde_json::from_str::<ProductId>("\"ok\"").is_ok());
        assert!(serde_json::from_str::<ProductId>("\"not ok\"").is_err());
        assert!(serde_json::from_str::<ProductId>("7").is_err());
    }
}
