use std::str::FromStr;

use serde_json::{Map, Value};

/// The claim whose value lets a token make admin calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShopClaim {
    name: String,
    value: String,
}

impl ShopClaim {
    /// Whether the claim has the value: as one of the words of a text, like `scope` (RFC 8693), or as an element of a list.
    pub fn is_in(&self, claims: &Map<String, Value>) -> bool {
        match claims.get(&self.name) {
            Some(Value::String(text)) => text.split(' ').any(|word| word == self.value),
            Some(Value::Array(list)) => list.iter().any(|it| it.as_str() == Some(&self.value)),
            _ => false,
        }
    }
}

/// `claim=value`
impl FromStr for ShopClaim {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, value) = text.split_once('=').unwrap_or_default();
        if name.is_empty() || value.is_empty() || value.contains(' ') {
            return Err("must be `claim=value`, with a value without spaces".to_owned());
        }
        Ok(Self {
            name: name.to_owned(),
            value: value.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_whole_word_of_a_text_or_an_element_of_a_list_is_the_value() {
        let claim: ShopClaim = "scope=fluxgate:shop".parse().expect("a claim");
        for (claims, expected) in [
            (json!({"scope": "fluxgate:shop"}), true),
            (json!({"scope": "openid fluxgate:shop email"}), true),
            (json!({"scope": ["openid", "fluxgate:shop"]}), true),
            (json!({"scope": "fluxgate:shopper"}), false),
            (json!({"scope": "openid,fluxgate:shop"}), false),
            (json!({"scope": ["openid fluxgate:shop"]}), false),
            (json!({"scope": {"fluxgate:shop": true}}), false),
            (json!({"scp": "fluxgate:shop"}), false),
            (json!({}), false),
        ] {
            let claims = claims.as_object().expect("an object");
            assert_eq!(claim.is_in(claims), expected, "{claims:?}");
        }
    }

    #[test]
    fn a_claim_needs_a_name_and_a_value() {
        for bad in ["", "scope", "scope=", "=value", "scope=two words"] {
            assert!(bad.parse::<ShopClaim>().is_err(), "{bad}");
        }
    }
}
