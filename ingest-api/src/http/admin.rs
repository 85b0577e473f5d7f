use actix_web::HttpRequest;
use actix_web::http::header::AUTHORIZATION;
use subtle::ConstantTimeEq;

use super::problem::{Kind, Problem};

/// The token that admin calls must carry; `None`: there are no admin calls.
#[derive(Clone)]
pub struct AdminToken(pub Option<String>);

impl AdminToken {
    /// Lets an admin pass.
    ///
    /// # Errors
    /// 403 when no token is set, 401 when the request carries no or another one.
    pub fn check(&self, request: &HttpRequest) -> Result<(), Problem> {
        let Some(token) = &self.0 else {
            let detail = "set ADMIN_TOKEN to enable admin calls";
            return Err(Problem::new(Kind::AdminDisabled, detail));
        };
        let given = request
            .headers()
            .get(AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, token)| token.trim());
        // Constant time: how long a wrong token takes must not tell how much of it was right.
        match given {
            Some(given) if bool::from(given.as_bytes().ct_eq(token.as_bytes())) => Ok(()),
            _ => Err(Problem::new(
                Kind::Unauthorized,
                "send Authorization: Bearer with the admin token",
            )),
        }
    }
}
