use super::{Invalid, textual_id};

/// A buyer: 1-128 bytes of UTF-8 without control characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct UserId(Box<str>);

textual_id!(UserId);

impl UserId {
    /// The longest user id in bytes (not characters).
    pub const MAX_BYTES: usize = 128;

    const INVALID: Invalid = Invalid {
        field: "userId",
        allowed: "1-128 bytes of UTF-8 without control characters",
    };

    /// # Errors
    /// When the text is empty, longer than [`Self::MAX_BYTES`] or holds a control character.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        if (1..=Self::MAX_BYTES).contains(&text.len()) && !text.chars().any(char::is_control) {
            Ok(Self(text.into()))
        } else {
            Err(Self::INVALID)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::UserId;

    #[test]
    fn any_printable_utf8_is_a_user_but_control_characters_are_not() {
        for good in ["u", "Jörg Müller", "日本", "a{b}", " ", &"x".repeat(128)] {
            assert_eq!(UserId::parse(good).unwrap().as_str(), good);
        }
        for bad in ["", "a\0", "a\nb", "\u{7f}", "\u{85}", &"é".repeat(65)] {
            assert!(UserId::parse(bad).is_err(), "{bad:?}");
        }
    }
}
