use std::borrow::Cow;
use std::str::FromStr;

use percent_encoding::percent_decode_str;

use super::UrlError;

const URL_PREFIXES: [&str; 2] = ["postgres://", "postgresql://"];
const PARAMETER: &str = "sslmode";

/// Whether a connection is encrypted, and how the server's certificate is verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SslMode {
    /// Not encrypted.
    Disable,
    /// Encrypted if the server offers it; the certificate is not verified.
    Prefer,
    /// Encrypted; the certificate must be signed by a trusted authority.
    VerifyCa,
    /// The certificate must also name the host.
    VerifyFull,
}

impl SslMode {
    /// What the driver has to do about it; it knows nothing of certificates.
    pub fn of_driver(self) -> tokio_postgres::config::SslMode {
        match self {
            Self::Disable => tokio_postgres::config::SslMode::Disable,
            Self::Prefer => tokio_postgres::config::SslMode::Prefer,
            Self::VerifyCa | Self::VerifyFull => tokio_postgres::config::SslMode::Require,
        }
    }
}

impl FromStr for SslMode {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        match text {
            "disable" => Ok(Self::Disable),
            "allow" | "prefer" => Ok(Self::Prefer),
            "verify-ca" => Ok(Self::VerifyCa),
            "require" | "verify-full" => Ok(Self::VerifyFull),
            _ => Err(UrlError::SslMode),
        }
    }
}

/// Splits a connection string, in either of libpq's forms, into its `sslmode` and all the rest. Of several modes
/// the last one counts.
///
/// The mode is read here because `tokio_postgres` knows neither `allow` nor `verify-ca` nor `verify-full`. Parameters
/// are told apart as the driver tells them apart, so it cannot find another mode in the rest.
pub fn take(connection: &str) -> Result<(String, Option<SslMode>), UrlError> {
    if URL_PREFIXES.iter().any(|it| connection.starts_with(it)) {
        take_from_url(connection)
    } else {
        take_from_pairs(connection)
    }
}

fn take_from_url(url: &str) -> Result<(String, Option<SslMode>), UrlError> {
    // The driver takes everything before the first `@` for user and password.
    let host = url.find('@').unwrap_or(0);
    let Some(query) = url[host..].find('?').map(|at| host + at + 1) else {
        return Ok((url.to_owned(), None));
    };
    let mut mode = None;
    let mut others = Vec::new();
    for pair in url[query..].split('&') {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        if decoded(key)? == PARAMETER {
            mode = Some(decoded(value)?.parse()?);
        } else {
            others.push(pair);
        }
    }
    Ok((format!("{}{}", &url[..query], others.join("&")), mode))
}

fn decoded(text: &str) -> Result<Cow<'_, str>, UrlError> {
    let text = percent_decode_str(text).decode_utf8();
    text.map_err(|_| UrlError::Malformed)
}

fn take_from_pairs(text: &str) -> Result<(String, Option<SslMode>), UrlError> {
    let mut mode = None;
    let mut others = String::new();
    for (key, value) in pairs(text).ok_or(UrlError::Malformed)? {
        if key == PARAMETER {
            mode = Some(value.parse()?);
        } else {
            let value = value.replace('\\', r"\\").replace('\'', r"\'");
            others += &format!("{key}='{value}' ");
        }
    }
    Ok((others, mode))
}

/// Splits `key = 'value'` pairs. The spaces around `=` and the quotes are optional; a backslash escapes the next
/// character of a value.
fn pairs(text: &str) -> Option<Vec<(String, String)>> {
    let mut pairs = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (key, value) = rest.split_once('=')?;
        let key = key.trim_end();
        if key.is_empty() || key.contains(char::is_whitespace) {
            return None;
        }
        let (value, after) = leading_value(value.trim_start())?;
        pairs.push((key.to_owned(), value));
        rest = after.trim_start();
    }
    Some(pairs)
}

/// Splits off the value that the text begins with.
fn leading_value(text: &str) -> Option<(String, &str)> {
    let quoted = text.strip_prefix('\'');
    let mut chars = quoted.unwrap_or(text).chars();
    let mut value = String::new();
    loop {
        match chars.next() {
            Some('\'') if quoted.is_some() => break,
            Some(c) if quoted.is_none() && c.is_whitespace() => break,
            Some('\\') => value.push(chars.next()?),
            Some(c) => value.push(c),
            None if quoted.is_some() => return None,
            None => break,
        }
    }
    Some((value, chars.as_str()))
}

#[cfg(test)]
mod tests {
    use tokio_postgres::Config;

    use super::*;

    /// The mode, and the driver's view of the rest.
    fn read(connection: &str) -> (Option<SslMode>, Config) {
        let (rest, mode) = take(connection).unwrap_or_else(|error| panic!("{connection}: {error}"));
        let config: Config = rest.parse().unwrap_or_else(|_| panic!("{rest}"));
        let default = Config::new().get_ssl_mode();
        assert_eq!(config.get_ssl_mode(), default, "{connection}");
        (mode, config)
    }

    #[test]
    fn a_mode_is_found_however_it_is_spelled() {
        use SslMode::{Disable, Prefer, VerifyCa, VerifyFull};
        for (connection, mode) in [
            ("postgres://db/f?sslmode=require", VerifyFull),
            (
                "postgresql://db/f?sslmode=verify-full&connect_timeout=1",
                VerifyFull,
            ),
            ("postgres://ada:hush@db?sslmode=verify-ca", VerifyCa),
            ("postgres://db/f?sslmode=%72equire", VerifyFull),
            (
                "postgres://db/f?connect_timeout=1&ssl%6Dode=verify%2Dca",
                VerifyCa,
            ),
            (
                "postgres://db/f?sslmode=disable&sslmode=require",
                VerifyFull,
            ),
            ("postgres://db/f?sslmode=require&sslmode=disable", Disable),
            ("postgres://db/f?sslmode=allow", Prefer),
            ("host=db sslmode=require", VerifyFull),
            ("host=db sslmode='require'", VerifyFull),
            ("host=db sslmode = require", VerifyFull),
            ("sslmode= 'verify-ca' host=db", VerifyCa),
            ("sslmode\t=\n'verify\\-full'host=db", VerifyFull),
            ("host=db sslmode=r\\equire", VerifyFull),
            ("host=db sslmode=prefer sslmode=verify-ca", VerifyCa),
        ] {
            assert_eq!(read(connection).0, Some(mode), "{connection}");
        }
    }

    #[test]
    fn what_only_looks_like_a_mode_is_none() {
        for connection in [
            "postgres://ada@db/fluxgate",
            "postgres://ada:sslmode=disable@db/f",
            "postgres://ada:?sslmode=disable@db/f",
            "postgres://db/f?application_name=sslmode%3Drequire",
            "host=db password=sslmode=disable",
            "host=db password='a sslmode=disable'",
            "host=db password=a\\ sslmode=disable",
        ] {
            assert_eq!(read(connection).0, None, "{connection}");
        }
    }

    #[test]
    fn the_rest_reaches_the_driver_unchanged() {
        let (_, config) =
            read(r"password='it\'s \\ a \= secret' sslmode=require user=ada dbname=''");
        assert_eq!(config.get_password(), Some(r"it's \ a = secret".as_bytes()));
        assert_eq!(config.get_user(), Some("ada"));
        let (_, config) = read("postgres://ada:a%40b@db/f?sslmode=require&options=-c%20a%3Db");
        assert_eq!(config.get_password(), Some("a@b".as_bytes()));
        assert_eq!(config.get_options(), Some("-c a=b"));
    }

    #[test]
    fn an_unknown_mode_or_a_malformed_string_is_refused_without_its_text() {
        for connection in [
            "postgres://ada:hush@db/f?sslmode=hush",
            "postgres://ada:hush@db/f?sslmode",
            "postgres://ada:hush@db/f?sslmode=Require",
            "postgres://ada:hush@db/f?sslmode=%ffhush",
            "host=db password=hush sslmode=verify",
            "host=db password=hush =a sslmode=require",
            "host=db password=hush hush sslmode=require",
            "host=db password='hush",
            "host=db password=hush\\",
            "POSTGRES://ada:hush@db/f",
        ] {
            let text = take(connection).expect_err(connection).to_string();
            assert!(!text.contains("hush"), "{text}");
        }
    }
}
