use std::time::Duration;

use clap::ValueEnum;
use fluxgate_service::settings::KafkaSettings;
use rdkafka::ClientConfig;

/// How often a client reports statistics. The [`crate::BrokerWatchdog`], the lag and the state of the group depend on them.
const STATISTICS_INTERVAL: Duration = Duration::from_secs(1);
/// How long a connection may be quiet before the client closes it: shorter than NATs and firewalls remember one. A
/// connection that they have dropped in silence would cost the next message its timeout.
const IDLE_MAX: Duration = Duration::from_secs(30);

/// The options of any client. `client_id` is its name in the brokers' logs.
#[must_use]
pub fn client_config(settings: &KafkaSettings, client_id: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", &settings.kafka_brokers)
        .set("client.id", client_id)
        .set("allow.auto.create.topics", "false")
        // A new topic or leader should be seen within seconds.
        .set("topic.metadata.refresh.interval.ms", "5000")
        .set("socket.keepalive.enable", "true")
        .set("connections.max.idle.ms", IDLE_MAX.as_millis().to_string())
        .set("reconnect.backoff.ms", "50")
        .set("reconnect.backoff.max.ms", "1000")
        .set(
            "statistics.interval.ms",
            STATISTICS_INTERVAL.as_millis().to_string(),
        );
    secure(&mut config, settings);
    config
}

fn secure(config: &mut ClientConfig, settings: &KafkaSettings) {
    let protocol = settings.kafka_security_protocol;
    config.set("security.protocol", name(protocol));
    if let (true, Some(ca_certificates)) = (protocol.has_tls(), &settings.kafka_ca_file) {
        config.set("ssl.ca.location", ca_certificates.file().to_string_lossy());
    }
    if let (true, Some(username), Some(password)) = (
        protocol.has_sasl(),
        &settings.kafka_username,
        &settings.kafka_password,
    ) {
        config
            .set("sasl.mechanism", name(settings.kafka_sasl_mechanism))
            .set("sasl.username", username)
            .set("sasl.password", password);
    }
}

/// The name of a setting's value, which librdkafka shares.
fn name(value: impl ValueEnum) -> String {
    let value = value.to_possible_value();
    let value = value.expect("no value of these settings is hidden");
    value.get_name().to_owned()
}
