//! Who calls, and what they may do: the tokens of requests.

use actix_web::body::BoxBody;
use actix_web::dev::ServiceResponse;
use actix_web::http::header::AUTHORIZATION;
use actix_web::{HttpMessage, HttpRequest};
use prometheus::IntCounterVec;

use super::problem::{Kind, Problem};
use crate::identity::AdminTokens;

/// Who may make admin calls.
pub struct Access {
    admin_tokens: Option<AdminTokens>,
    refusals: IntCounterVec,
}

/// Who makes an admin call, for the log: the name of the token.
#[derive(Debug, Clone)]
struct Admin(String);

impl Access {
    /// Counts what it refuses in `refusals`, by code.
    pub fn new(admin_tokens: Option<AdminTokens>, refusals: IntCounterVec) -> Self {
        Self {
            admin_tokens,
            refusals,
        }
    }

    /// Checks the token of an admin call; the log names it once the call is answered.
    ///
    /// # Errors
    /// 403 if admin calls are disabled, 401 if the token is missing or wrong.
    pub fn admin(&self, request: &HttpRequest) -> Result<(), Problem> {
        let admin = self.counted(self.find_admin(request))?;
        request.extensions_mut().insert(admin);
        Ok(())
    }

    fn find_admin(&self, request: &HttpRequest) -> Result<Admin, Problem> {
        let Some(tokens) = &self.admin_tokens else {
            let detail = "ADMIN_TOKEN is not set on this instance";
            return Err(Problem::new(Kind::AdminDisabled, detail));
        };
        let name = bearer(request).and_then(|token| tokens.name_of(token));
        match name {
            Some(name) => Ok(Admin(name.to_owned())),
            None => Err(Problem::new(
                Kind::Unauthorized,
                "Authorization must be `Bearer` followed by a token that allows admin calls",
            )),
        }
    }

    fn counted<T>(&self, result: Result<T, Problem>) -> Result<T, Problem> {
        result.inspect_err(|problem| self.refusals.with_label_values(&[problem.code()]).inc())
    }
}

/// Logs an admin call with its token's name, if `response` answers one.
pub fn log_admin_call(response: &ServiceResponse<BoxBody>, request_id: &str) {
    let request = response.request();
    let Some(Admin(name)) = request.extensions_mut().remove() else {
        return;
    };
    tracing::info!(
        request.id = request_id,
        admin.token = name,
        http.method = %request.method(),
        url.path = request.path(),
        http.status = response.status().as_u16(),
        "admin call"
    );
}

/// The token of `Authorization: Bearer`.
fn bearer(request: &HttpRequest) -> Option<&str> {
    let value = request.headers().get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
