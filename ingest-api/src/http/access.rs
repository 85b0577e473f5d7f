//! Who calls, and what they may do: the tokens of requests.

use std::sync::Arc;

use actix_web::body::BoxBody;
use actix_web::dev::ServiceResponse;
use actix_web::http::Method;
use actix_web::http::header::{AUTHORIZATION, COOKIE, HOST, HeaderName, ORIGIN};
use actix_web::{HttpMessage, HttpRequest};
use fluxgate_domain::ids::UserId;
use prometheus::IntCounterVec;

use super::problem::{Kind, Problem};
use crate::config::Origins;
use crate::identity::{AdminTokens, TokenVerifier, VerifiedToken};

/// Who may call. Without an identity provider anybody may place and read orders.
pub struct Access {
    admin_tokens: Option<AdminTokens>,
    identity: Option<Identity>,
    refusals: IntCounterVec,
}

/// How tokens of the identity provider are taken.
pub struct Identity {
    /// Verifies them.
    pub verifier: Arc<TokenVerifier>,
    /// The cookie that may hold them.
    pub cookie: Option<String>,
    /// Besides the instance's own, the origins whose pages may call with the cookie.
    pub origins: Option<Origins>,
}

/// Who places or reads an order.
#[derive(Debug)]
pub enum Caller {
    /// Nobody is asked who they are.
    Anyone,
    /// A buyer, by the `sub` of a token.
    Buyer(UserId),
    /// The shop, for any user.
    Shop,
}

/// Who makes an admin call, for the log.
#[derive(Debug, Clone)]
enum Admin {
    /// A token of ADMIN_TOKEN, by its name.
    Named(String),
    /// A token of the identity provider, by its `sub`.
    Subject(UserId),
}

/// The token of a request.
#[derive(Debug, Clone, Copy)]
struct Credential<'a> {
    token: &'a str,
    is_cookie: bool,
}

impl Access {
    /// Counts what it refuses in `refusals`, by code.
    pub fn new(
        admin_tokens: Option<AdminTokens>,
        identity: Option<Identity>,
        refusals: IntCounterVec,
    ) -> Self {
        Self {
            admin_tokens,
            identity,
            refusals,
        }
    }

    /// Whether buyers need a token.
    pub fn has_identity(&self) -> bool {
        self.identity.is_some()
    }

    /// Checks the token of an admin call; the log names it once the call is answered.
    ///
    /// # Errors
    /// 403 if admin calls are disabled or the token does not allow them, 401 if it is missing or wrong.
    pub fn admin(&self, request: &HttpRequest) -> Result<(), Problem> {
        let admin = self.counted(self.find_admin(request))?;
        request.extensions_mut().insert(admin);
        Ok(())
    }

    /// The same for one that only reads. The log does not name it: a board makes many.
    ///
    /// # Errors
    /// As [`Self::admin`].
    pub fn admin_read(&self, request: &HttpRequest) -> Result<(), Problem> {
        self.counted(self.find_admin(request)).map(drop)
    }

    /// Who places or reads an order.
    ///
    /// # Errors
    /// With an identity provider: 401 if the token is missing or wrong, 403 if a cookie came from another origin.
    pub fn caller(&self, request: &HttpRequest) -> Result<Caller, Problem> {
        match &self.identity {
            None if self.has_admin_token(request) => Ok(Caller::Shop),
            None => Ok(Caller::Anyone),
            Some(identity) => self.counted(self.find_caller(identity, request)),
        }
    }

    /// The buyer whose token the request has; `None` also for the shop, and for a token that is not accepted.
    pub fn buyer(&self, request: &HttpRequest) -> Option<UserId> {
        let identity = self.identity.as_ref()?;
        match self.find_caller(identity, request) {
            Ok(Caller::Buyer(user)) => Some(user),
            Ok(Caller::Anyone | Caller::Shop) | Err(_) => None,
        }
    }

    /// Whether the request has a token of ADMIN_TOKEN.
    fn has_admin_token(&self, request: &HttpRequest) -> bool {
        let credential = self.credential(request);
        credential.is_some_and(|it| self.admin_name(it).is_some())
    }

    /// The user of an order: the caller, or whom the shop names.
    ///
    /// # Errors
    /// 403 if a buyer names another user, 400 if nobody is named.
    pub fn user(&self, caller: Caller, named: Option<UserId>) -> Result<UserId, Problem> {
        match (caller, named) {
            (Caller::Buyer(user), Some(named)) if user != named => {
                let detail = "userId must be the `sub` of the token, or be left out";
                self.counted(Err(Problem::new(Kind::UserMismatch, detail)))
            }
            (Caller::Buyer(user), _) => Ok(user),
            (Caller::Anyone | Caller::Shop, Some(named)) => Ok(named),
            // What serde says of a missing field.
            (Caller::Anyone | Caller::Shop, None) => {
                Err(Problem::invalid("missing field `userId`"))
            }
        }
    }

    fn find_admin(&self, request: &HttpRequest) -> Result<Admin, Problem> {
        if self.admin_tokens.is_none() && self.identity.is_none() {
            let detail = "ADMIN_TOKEN is not set on this instance";
            return Err(Problem::new(Kind::AdminDisabled, detail));
        }
        let detail = "Authorization must be `Bearer` followed by a token that allows admin calls";
        let unauthorized = || Problem::new(Kind::Unauthorized, detail);
        let credential = self.credential(request).ok_or_else(unauthorized)?;
        if let Some(name) = self.admin_name(credential) {
            return Ok(Admin::Named(name.to_owned()));
        }
        let identity = self.identity.as_ref().ok_or_else(unauthorized)?;
        let (token, user) = identity.verify(credential, request)?;
        match token.may_administer {
            true => Ok(Admin::Subject(user)),
            false => {
                let detail = "the token lacks the claim that allows admin calls";
                Err(Problem::new(Kind::InsufficientScope, detail))
            }
        }
    }

    fn find_caller(&self, identity: &Identity, request: &HttpRequest) -> Result<Caller, Problem> {
        let credential = self.credential(request).ok_or_else(|| {
            let detail = "Authorization must be `Bearer` followed by a token";
            Problem::new(Kind::Unauthorized, detail)
        })?;
        if self.admin_name(credential).is_some() {
            return Ok(Caller::Shop);
        }
        let (token, user) = identity.verify(credential, request)?;
        Ok(match token.may_administer {
            true => Caller::Shop,
            false => Caller::Buyer(user),
        })
    }

    /// The token of `Authorization`, else that of the cookie.
    fn credential<'a>(&self, request: &'a HttpRequest) -> Option<Credential<'a>> {
        if let Some(token) = bearer(request) {
            return Some(Credential {
                token,
                is_cookie: false,
            });
        }
        let name = self.identity.as_ref()?.cookie.as_deref()?;
        let token = cookie(request, name)?;
        Some(Credential {
            token,
            is_cookie: true,
        })
    }

    /// The name of an admin token, which no cookie holds.
    fn admin_name(&self, credential: Credential<'_>) -> Option<&str> {
        let tokens = self.admin_tokens.as_ref()?;
        let is_header = !credential.is_cookie;
        tokens.name_of(credential.token).filter(|_| is_header)
    }

    fn counted<T>(&self, result: Result<T, Problem>) -> Result<T, Problem> {
        result.inspect_err(|problem| self.refusals.with_label_values(&[problem.code()]).inc())
    }
}

impl Identity {
    fn verify(
        &self,
        credential: Credential<'_>,
        request: &HttpRequest,
    ) -> Result<(Arc<VerifiedToken>, UserId), Problem> {
        if credential.is_cookie && !self.may_use_cookie(request) {
            let detail =
                "a call with a cookie must come from a page of this host or of CORS_ORIGINS";
            return Err(Problem::new(Kind::OriginNotAllowed, detail));
        }
        let token = self.verifier.verify(credential.token)?;
        let user = UserId::parse(&token.subject).map_err(|_| {
            let detail = "the claim `sub` must be 1-128 bytes without control characters";
            Problem::new(Kind::InvalidToken, detail)
        })?;
        Ok((token, user))
    }

    /// A browser sends the cookie with the requests of any page, and names the page's origin in all but plain reads, whose
    /// answers other pages cannot see.
    fn may_use_cookie(&self, request: &HttpRequest) -> bool {
        if matches!(*request.method(), Method::GET | Method::HEAD) {
            return true;
        }
        let Some(origin) = header(request, &ORIGIN) else {
            return false;
        };
        let own = origin.split_once("://").map(|(_, host)| host);
        let is_own = own.is_some() && own == header(request, &HOST);
        let listed = self.origins.as_ref();
        is_own || listed.is_some_and(|listed| listed.contains(origin))
    }
}

impl Caller {
    /// Whether they may see an order of this user.
    pub fn may_see_order_of(&self, user: &str) -> bool {
        match self {
            Self::Anyone | Self::Shop => true,
            Self::Buyer(own) => own.as_str() == user,
        }
    }
}

/// Logs an admin call with its token's name, if `response` answers one.
pub fn log_admin_call(response: &ServiceResponse<BoxBody>, request_id: &str) {
    let request = response.request();
    let Some(admin) = request.extensions_mut().remove::<Admin>() else {
        return;
    };
    let (token, subject) = match &admin {
        Admin::Named(name) => (Some(name.as_str()), None),
        Admin::Subject(user) => (None, Some(user.as_str())),
    };
    tracing::info!(
        request.id = request_id,
        admin.token = token,
        admin.sub = subject,
        http.method = %request.method(),
        url.path = request.path(),
        http.status = response.status().as_u16(),
        "admin call"
    );
}

fn header<'a>(request: &'a HttpRequest, name: &HeaderName) -> Option<&'a str> {
    request.headers().get(name)?.to_str().ok()
}

/// The token of `Authorization: Bearer`.
fn bearer(request: &HttpRequest) -> Option<&str> {
    let (scheme, token) = header(request, &AUTHORIZATION)?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// The value of a cookie; the first one, if several have the name (the most specific path, RFC 6265, 5.4).
fn cookie<'a>(request: &'a HttpRequest, name: &str) -> Option<&'a str> {
    let headers = request.headers().get_all(COOKIE);
    let texts = headers.filter_map(|it| it.to_str().ok());
    let mut pairs = texts.flat_map(|text| text.split(';'));
    pairs.find_map(|pair| {
        let (own, value) = pair.trim().split_once('=')?;
        (own == name).then_some(value)
    })
}
