use std::fmt;
use std::str::FromStr;

use subtle::ConstantTimeEq;

/// The shortest token: 64 random bits in hexadecimal.
const TOKEN_MIN_BYTES: usize = 16;
const NAME_MAX_BYTES: usize = 32;

/// The tokens of ADMIN_TOKEN, each with a name for the log.
#[derive(Clone)]
pub struct AdminTokens(Vec<AdminToken>);

#[derive(Clone)]
struct AdminToken {
    name: String,
    token: String,
}

impl AdminTokens {
    /// The name of a token, or `None` if it is another one.
    ///
    /// The duration tells neither how much of a wrong token is right nor which of the tokens is given.
    pub fn name_of(&self, given: &str) -> Option<&str> {
        let mut name = None;
        for known in &self.0 {
            if bool::from(known.token.as_bytes().ct_eq(given.as_bytes())) {
                name = Some(known.name.as_str());
            }
        }
        name
    }
}

/// `[name ]token[,[name ]token…]`. A token contains neither a space nor a comma: a proxy may join two Authorization headers
/// with a comma.
impl FromStr for AdminTokens {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut tokens: Vec<AdminToken> = Vec::new();
        for (place, entry) in text.split(',').enumerate() {
            let token = AdminToken::parse(entry.trim(), place + 1)?;
            if tokens.iter().any(|it| it.name == token.name) {
                return Err(format!("two tokens are named `{}`", token.name));
            }
            if tokens.iter().any(|it| it.token == token.token) {
                return Err("two tokens are equal".to_owned());
            }
            tokens.push(token);
        }
        Ok(Self(tokens))
    }
}

impl AdminToken {
    fn parse(entry: &str, place: usize) -> Result<Self, String> {
        let (name, token) = match entry.split_once(' ') {
            Some((name, token)) => (name.to_owned(), token.trim_start()),
            None => (format!("token-{place}"), entry),
        };
        let is_in_name = |it: u8| it.is_ascii_alphanumeric() || b"._-".contains(&it);
        if name.is_empty() || name.len() > NAME_MAX_BYTES || !name.bytes().all(is_in_name) {
            return Err(format!(
                "the name of a token must be 1-{NAME_MAX_BYTES} characters of A-Z a-z 0-9 . _ -"
            ));
        }
        if token.len() < TOKEN_MIN_BYTES || !token.bytes().all(|it| it.is_ascii_graphic()) {
            return Err(format!(
                "a token must be at least {TOKEN_MIN_BYTES} visible ASCII characters without a comma"
            ));
        }
        let token = token.to_owned();
        Ok(Self { name, token })
    }
}

/// Shows the names only.
impl fmt::Debug for AdminTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.0.iter().map(|it| &it.name))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_have_names_or_are_named_by_their_place() {
        let tokens: AdminTokens = "0123456789abcdef, board 0123456789abcde1,a:b=c;0123456789"
            .parse()
            .expect("three tokens");
        for (token, name) in [
            ("0123456789abcdef", Some("token-1")),
            ("0123456789abcde1", Some("board")),
            ("a:b=c;0123456789", Some("token-3")),
            ("board 0123456789abcde1", None),
            ("0123456789abcde", None),
            ("", None),
        ] {
            assert_eq!(tokens.name_of(token), name, "{token}");
        }
        assert!(!format!("{tokens:?}").contains("0123"), "{tokens:?}");
    }

    #[test]
    fn a_token_of_before_names_were_possible_is_one_token() {
        let token = "name:with=any-visible;character";
        let tokens: AdminTokens = token.parse().expect("one token");
        assert_eq!(tokens.name_of(token), Some("token-1"));
    }

    #[test]
    fn names_and_tokens_must_be_valid_and_different() {
        for bad in [
            "",
            "only-15-letters",
            "0123456789abcdef,",
            "0123456789abcdef,0123456789abcdef",
            "a 0123456789abcdef,a 0123456789abcde1",
            "0123456789abcdef,token-1 0123456789abcde1",
            "a:b 0123456789abcdef",
            "name 0123456789 abcdef",
            "0123456789abcdéf",
        ] {
            let error = bad.parse::<AdminTokens>().expect_err(bad);
            assert!(!error.contains("0123"), "{error}");
        }
    }
}
