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

    const INVALID: Invalid = Invalid {
        field: "Idempotency-Key",
        allowed: "1-255 visible ASCII characters, bare or between two quotes",
    };

    /// Reads the value of the header, quoted or bare.
    ///
    /// # Errors
    /// When the key without quotes is empty, too long or not visible ASCII, or when one of two quotes is missing.
    pub fn parse(header: &str) -> Result<Self, Invalid> {
        let text = header.trim_matches([' ', '\t']);
        let text = match text.strip_prefix('"') {
            Some(quoted) => quoted.strip_suffix('"').ok_or(Self::INVALID)?,
            None if text.ends_with('"') => return Err(Self::INVALID),
            None => text,
        };
        if (1..=Self::MAX_BYTES).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
        {
            Ok(Self(text.into()))
        } else {
            Err(Self::INVALID)
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
    fn an_opening_quote_has_a_closing_one() {
        for bad in ["\"", "\"a", "a\"", " \"a "] {
            assert!(IdempotencyKey::parse(bad).is_err(), "{bad:?}");
        }
        for good in ["\"a\"b\"", "a\"b", "\"\"\""] {
            assert!(IdempotencyKey::parse(good).is_ok(), "{good:?}");
        }
    }

    #[test]
    fn empty_blank_long_and_invisible_keys_are_refused() {
        for bad in ["", "\"\"", "a b", "a\tb", "ü", "\u{7f}", &"x".repeat(256)] {
            assert!(IdempotencyKey::parse(bad).is_err(), "{bad:?}");
        }
        assert!(IdempotencyKey::parse(&"x".repeat(255)).is_ok());
    }
}
