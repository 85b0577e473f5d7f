use super::Invalid;

/// Identifies one attempt to buy: 1-255 visible ASCII characters, chosen by the client.
///
/// A quoted string on the wire (IETF draft-ietf-httpapi-idempotency-key-header-07); the bare form is accepted too, so
/// `"abc"` and `abc` are the same key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct IdempotencyKey(Box<str>);

impl IdempotencyKey {
    /// Most bytes a key may have, without its quotes.
    pub const MAX_BYTES: usize = 255;

    /// Reads the value of the header, quoted or bare.
    ///
    /// # Errors
    /// When the key without quotes is empty, too long or not visible ASCII.
    pub fn parse(header: &str) -> Result<Self, Invalid> {
        let text = header.trim_matches([' ', '\t']);
        let text = text
            .strip_prefix('"')
            .and_then(|rest| rest.strip_suffix('"'))
            .unwrap_or(text);
        if (1..=Self::MAX_BYTES).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
        {
            Ok(Self(text.into()))
        } else {
            Err(Invalid(
                "Idempotency-Key must be 1-255 visible ASCII characters, quoted or bare",
            ))
        }
    }

    /// The key without its quotes.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::IdempotencyKey;

    #[test]
    fn quoted_and_bare_are_the_same_key() {
        let bare = IdempotencyKey::parse("8e03978e-40d5-43dd-bc93-6894a57f9324").unwrap();
        let quoted = IdempotencyKey::parse(" \"8e03978e-40d5-43dd-bc93-6894a57f9324\" ").unwrap();
        assert_eq!(bare, quoted);
    }

    #[test]
    fn empty_blank_long_and_invisible_keys_are_refused() {
        for bad in ["", "\"\"", "a b", "a\tb", "ü", "\u{7f}", &"x".repeat(256)] {
            assert!(IdempotencyKey::parse(bad).is_err(), "{bad:?}");
        }
        assert!(IdempotencyKey::parse(&"x".repeat(255)).is_ok());
    }
}
