const PARAMETER: &str = "sslmode=";

/// What a server's certificate is held against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SslMode {
    /// Nothing, if there is one at all.
    Unchecked,
    /// The authorities.
    AnyName,
    /// The authorities, and the server's name.
    Checked,
}

/// What a connection string, in either of libpq's forms, asks for; and the string as
/// `tokio_postgres` reads it, which knows no `verify-ca` and `verify-full`.
pub fn take(url: &str) -> (String, SslMode) {
    let Some(start) = url.find(PARAMETER).map(|at| at + PARAMETER.len()) else {
        return (url.to_owned(), SslMode::Unchecked);
    };
    let length = url[start..].find(['&', ' ']).unwrap_or(url.len() - start);
    let (before, rest) = url.split_at(start);
    let (value, after) = rest.split_at(length);
    let mode = match value {
        "require" | "verify-full" => SslMode::Checked,
        "verify-ca" => SslMode::AnyName,
        _ => return (url.to_owned(), SslMode::Unchecked),
    };
    (format!("{before}require{after}"), mode)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_without_a_mode_is_left_as_it_is() {
        let url = "postgres://ada@db/fluxgate";
        assert_eq!(take(url), (url.to_owned(), SslMode::Unchecked));
    }

    #[test]
    fn a_mode_that_checks_is_found_in_both_forms() {
        let of = |url| {
            let (url, mode) = take(url);
            url.parse::<tokio_postgres::Config>().unwrap();
            (url, mode)
        };
        assert_eq!(
            of("postgres://db/f?sslmode=verify-full&connect_timeout=1"),
            (
                "postgres://db/f?sslmode=require&connect_timeout=1".into(),
                SslMode::Checked
            )
        );
        assert_eq!(
            of("host=db sslmode=verify-ca user=ada"),
            ("host=db sslmode=require user=ada".into(), SslMode::AnyName)
        );
        assert_eq!(of("host=db sslmode=require").1, SslMode::Checked);
    }

    #[test]
    fn a_mode_that_does_not_exist_is_left_for_the_driver_to_refuse() {
        let (url, _) = take("postgres://db/f?sslmode=verify-nothing");
        assert!(url.parse::<tokio_postgres::Config>().is_err());
    }
}
