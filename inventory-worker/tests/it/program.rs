use std::process::Command;

#[test]
fn a_bad_or_missing_setting_ends_the_program_with_its_name() {
    let good = [
        ("DATABASE_URL", "postgres://u@127.0.0.1:1/d"),
        ("KAFKA_BROKERS", "127.0.0.1:1"),
    ];
    for (name, value) in [
        ("DATABASE_URL", None),
        ("KAFKA_BROKERS", None),
        ("DATABASE_URL", Some("postgres://u:secret@[")),
        ("BATCH_MAX_ROWS", Some("0")),
        ("KAFKA_PARTITIONS", Some("-1")),
        ("MIGRATE_ON_START", Some("perhaps")),
    ] {
        let mut settings: Vec<_> = good
            .iter()
            .copied()
            .filter(|(known, _)| *known != name)
            .collect();
        settings.extend(value.map(|value| (name, value)));
        let mut program = Command::new(env!("CARGO_BIN_EXE_inventory-worker"));
        let output = program.env_clear().envs(settings).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{name}: {stderr}");
        assert!(stderr.contains(name), "{name}: {stderr}");
        assert!(!stderr.contains("secret"), "{stderr}");
    }
}
