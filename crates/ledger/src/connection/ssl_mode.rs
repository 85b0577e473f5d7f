const PARAMETER: &str = "sslmode=";

/// How a server's certificate is verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SslMode {
    /// Not at all; TLS itself may be optional.
    Unverified,
    /// By the certificate authorities.
    Ca,
    /// By the certificate authorities and the host name.
    CaAndHost,
}

/// Splits off the `sslmode` of a connection string, in either of libpq's forms. `tokio_postgres` does not know
/// `verify-ca` and `verify-full`: in the string that is returned they are replaced by `require`.
pub fn take(url: &str) -> (String, SslMode) {
    let Some(start) = url.find(PARAMETER).map(|at| at + PARAMETER.len()) else {
        return (url.to_owned(), SslMode::Unverified);
    };
    let length = url[start..].find(['&', ' ']).unwrap_or(url.len() - start);
    let (before, rest) = url.split_at(start);
    let (value, after) = rest.split_at(length);
    let mode = match value {
        "require" | "verify-full" => SslMode::CaAndHost,
        "verify-ca" => SslMode::Ca,
        _ => return (url.to_owned(), SslMode::Unverified),
    };
    (format!("{before}require{after}"), mode)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_without_a_mode_is_not_changed() {
        let url = "postgres://ada@db/fluxgate";
        assert_eq!(take(url), (url.to_owned(), SslMode::Unverified));
    }

    #[test]
    fn a_verifying_mode_is_found_in_both_forms() {
        let of = |url| {
            let (url, mode) = take(url);
            url.parse::<tokio_postgres::Config>().unwrap();
            (url, mode)
        };
        assert_eq!(
            of("postgres://db/f?sslmode=verify-full&connect_timeout=1"),
            (
                "postgres://db/f?sslmode=require&connect_timeout=1".into(),
                SslMode::CaAndHost
            )
        );
        assert_eq!(
            of("host=db sslmode=verify-ca user=ada"),
            ("host=db sslmode=require user=ada".into(), SslMode::Ca)
        );
        assert_eq!(of("host=db sslmode=require").1, SslMode::CaAndHost);
    }

    #[test]
    fn an_unknown_mode_is_left_for_the_driver_to_refuse() {
        let (url, _) = take("postgres://db/f?sslmode=verify-nothing");
        assert!(url.parse::<tokio_postgres::Config>().is_err());
    }
}
