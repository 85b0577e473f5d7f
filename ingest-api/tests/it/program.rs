use std::process::Command;

fn stderr_of(settings: &[(&str, &str)]) -> (Option<i32>, String) {
    let mut program = Command::new(env!("CARGO_BIN_EXE_ingest-api"));
    program.env_clear().envs(settings.iter().copied());
    let output = program.output().unwrap();
    (
        output.status.code(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

#[test]
fn a_bad_or_missing_setting_ends_the_program_with_its_name() {
    let good = [
        ("REDIS_URL", "redis://127.0.0.1:1"),
        ("KAFKA_BROKERS", "127.0.0.1:1"),
    ];
    for (name, value) in [
        ("REDIS_URL", None),
        ("KAFKA_BROKERS", None),
        ("REDIS_URL", Some("nonsense")),
        ("IN_FLIGHT_MAX", Some("many")),
        ("CONNECTIONS_MAX", Some("0")),
        ("HTTP_ADDR", Some("here")),
        ("LOG_FORMAT", Some("xml")),
        ("READ_DATABASE_URL", Some("postgres://u:secret@[")),
        ("COMPAT_ROUTES", Some("maybe")),
        ("OPS_ADDR", Some("there")),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", Some("collector:4318")),
    ] {
        let mut settings: Vec<_> = good
            .iter()
            .copied()
            .filter(|(known, _)| *known != name)
            .collect();
        settings.extend(value.map(|value| (name, value)));
        let (code, stderr) = stderr_of(&settings);
        assert_eq!(code, Some(2), "{name}: {stderr}");
        assert!(stderr.contains(name), "{name}: {stderr}");
        assert!(!stderr.contains("secret"), "{stderr}");
    }
}

#[test]
fn a_port_that_is_taken_ends_the_program_with_the_settings_name() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (code, stderr) = stderr_of(&[
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
