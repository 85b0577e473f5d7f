//! The program: settings and exit codes.

use std::process::Command;

/// Runs the program with these settings until it ends: its exit code and what it printed.
pub fn run_with(settings: &[(&str, &str)]) -> (Option<i32>, String) {
    let mut program = Command::new(env!("CARGO_BIN_EXE_ingest-api"));
    program.env_clear().envs(settings.iter().copied());
    let output = program.output().unwrap();
    (
        output.status.code(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

#[test]
fn an_invalid_or_missing_setting_ends_the_program_with_its_name() {
    let valid = [
        ("REDIS_URL", "redis://127.0.0.1:1"),
        ("KAFKA_BROKERS", "127.0.0.1:1"),
    ];
    for (name, value) in [
        ("REDIS_URL", None),
        ("KAFKA_BROKERS", None),
        ("REDIS_URL", Some("nonsense")),
        ("IN_FLIGHT_MAX", Some("many")),
        ("CONNECTIONS_MAX", Some("0")),
        ("STREAMS_MAX", Some("0")),
        ("REQUEST_TIMEOUT_SECONDS", Some("14")),
        ("HTTP_ADDR", Some("here")),
        ("LOG_FORMAT", Some("xml")),
        ("READ_DATABASE_URL", Some("postgres://u:secret@[")),
        ("COMPAT_ROUTES", Some("maybe")),
        ("ADMIN_TOKEN", Some("")),
        ("ADMIN_TOKEN", Some("only-15-secrets")),
        ("ADMIN_TOKEN", Some("a-long-secret,but-with-a-comma")),
        ("ADMIN_TOKEN", Some("a-long-secret with a space")),
        ("ADMIN_TOKEN", Some("a-long-and-good-secret,too-short")),
        (
            "ADMIN_TOKEN",
            Some("a-long-and-good-secret,a-long-and-good-secret"),
        ),
        ("AUTH_JWKS_FILE", Some("/no/such/file")),
        ("AUTH_JWKS_URL", Some("ftp://login.example/keys")),
        (
            "AUTH_JWKS_URL",
            Some("https://me:secret@login.example/keys"),
        ),
        ("AUTH_JWKS_CA_FILE", Some("/no/such/file")),
        ("AUTH_HS256_SECRET", Some("only-31-characters-of-a-secret!")),
        ("AUTH_ISSUER", Some("")),
        ("AUTH_SHOP_CLAIM", Some("scope")),
        ("AUTH_COOKIE", Some("a b")),
        ("AUTH_CACHE_MAX", Some("0")),
        ("CORS_ORIGINS", Some("*")),
        ("RATE_LIMIT_PER_ADDRESS", Some("20")),
        ("RATE_LIMIT_PER_USER", Some("0/1s")),
        ("TRUSTED_PROXIES", Some("10.0.0.0/8,ingress")),
        ("TRUSTED_PROXIES", Some("0.0.0.0/0")),
        ("RATE_LIMIT_KEYS_MAX", Some("15")),
        ("OPS_ADDR", Some("there")),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", Some("collector:4318")),
    ] {
        let mut settings: Vec<_> = valid
            .iter()
            .copied()
            .filter(|(known, _)| *known != name)
            .collect();
        settings.extend(value.map(|value| (name, value)));
        let (code, stderr) = run_with(&settings);
        assert_eq!(code, Some(2), "{name}: {stderr}");
        let said = match value {
            None => format!("error: {name} is not set: "),
            Some(_) => "error: invalid value ".to_owned(),
        };
        let mut lines = stderr.lines();
        let is_named = lines.any(|line| line.starts_with(&said) && line.contains(name));
        assert!(is_named, "{name}: {stderr}");
        assert!(!stderr.contains("secret"), "{stderr}");
    }
}

#[test]
fn settings_of_identity_that_do_not_fit_together_end_the_program_with_their_names() {
    let secret = ("AUTH_HS256_SECRET", "0123456789abcdef0123456789abcdef");
    let url = ("AUTH_JWKS_URL", "https://login.example/keys");
    let (issuer, audience) = (("AUTH_ISSUER", "me"), ("AUTH_AUDIENCE", "shop"));
    for (settings, named) in [
        (vec![secret], "AUTH_ISSUER"),
        (vec![secret, audience], "AUTH_ISSUER"),
        (vec![url, issuer], "AUTH_AUDIENCE"),
        (vec![issuer, audience], "AUTH_JWKS_URL"),
        (vec![("AUTH_COOKIE", "token")], "AUTH_JWKS_URL"),
        (vec![secret, url, issuer, audience], "AUTH_HS256_SECRET"),
        (vec![secret, issuer, audience, ("PAGES", "on")], "PAGES"),
    ] {
        let mut all = vec![
            ("REDIS_URL", "redis://127.0.0.1:1"),
            ("KAFKA_BROKERS", "127.0.0.1:1"),
        ];
        all.extend(&settings);
        let (code, stderr) = run_with(&all);
        assert_eq!(code, Some(2), "{settings:?}: {stderr}");
        assert!(stderr.contains(named), "{settings:?}: {stderr}");
        assert!(!stderr.contains("0123456789"), "{stderr}");
    }
}

#[test]
fn as_many_streams_as_connections_end_the_program_with_the_name_of_the_setting() {
    let (code, stderr) = run_with(&[
        ("REDIS_URL", "redis://127.0.0.1:1"),
        ("KAFKA_BROKERS", "127.0.0.1:1"),
        ("CONNECTIONS_MAX", "100"),
        ("STREAMS_MAX", "100"),
    ]);
    assert_eq!(code, Some(2), "{stderr}");
    assert!(stderr.contains("STREAMS_MAX"), "{stderr}");
}

#[test]
fn changed_settings_are_logged_without_secrets_and_misspelled_ones_are_warned_about() {
    let in_use = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = in_use.local_addr().unwrap().to_string();
    // The port in use ends the program after it has read its settings.
    let (_, stderr) = run_with(&[
        ("REDIS_URL", "redis://:secret@127.0.0.1:1"),
        ("KAFKA_BROKERS", "127.0.0.1:1"),
        ("HTTP_ADDR", &address),
        ("IN_FLIGHT_MAX", "7"),
        ("BODY_LIMIT_BYTES", "16384"),
        ("IN_FLIGTH_MAX", "misspelled"),
        ("REDIS_SERVICE_HOST", "10.0.0.1"),
        ("REDIS_PORT_6379_TCP", "tcp://10.0.0.1:6379"),
        ("REDIS_PORT", "tcp://10.0.0.1:6379"),
    ]);
    let lines = |text: &str| stderr.lines().filter(|line| line.contains(text)).count();
    let expected = format!(
        r#"settings="HTTP_ADDR={address} IN_FLIGHT_MAX=7 REDIS_URL=(set) KAFKA_BROKERS=127.0.0.1:1""#
    );
    assert_eq!(lines(&expected), 1, "{stderr}");
    assert_eq!(lines("resembles"), 1, "{stderr}");
    assert_eq!(
        lines(r#"variable="IN_FLIGTH_MAX" setting="IN_FLIGHT_MAX""#),
        1,
        "{stderr}"
    );
    assert!(
        !stderr.contains("secret") && !stderr.contains("misspelled"),
        "{stderr}"
    );
}

#[test]
fn a_port_in_use_ends_the_program_with_the_name_of_the_setting() {
    let in_use = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = in_use.local_addr().unwrap().to_string();
    let (code, stderr) = run_with(&[
        ("REDIS_URL", "redis://127.0.0.1:1"),
        ("KAFKA_BROKERS", "127.0.0.1:1"),
        ("HTTP_ADDR", &address),
    ]);
    assert_eq!(code, Some(2), "{stderr}");
    assert!(
        stderr.contains("HTTP_ADDR") && stderr.contains(&address),
        "{stderr}"
    );
}
