use serde::{Deserialize, Serialize};

use super::{Invalid, textual_id};

/// A buyer: 1-128 bytes of UTF-8 without control characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct UserId(Box<str>);

textual_id!(UserId);

impl UserId {
    /// The longest user id in bytes (not characters).
    pub const MAX_BYTES: usize = 128;

    fn check(text: &str) -> Result<(), Invalid> {
        if (1..=Self::MAX_BYTES).contains(&text.len()) && !text.chars().any(char::is_control) {
            Ok(())
        } else {
            Err(Invalid(
                "userId must be 1-128 bytes of UTF-8 without control characters",
            ))
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
