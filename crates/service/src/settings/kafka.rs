use clap::{Args, ValueEnum};

use super::CaCertificates;

/// Brokers, security and topic.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Kafka")]
pub struct KafkaSettings {
    /// Bootstrap brokers, comma-separated: host:port,host:port
    #[arg(long, env = "KAFKA_BROKERS", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub kafka_brokers: String,

    /// Topic of sales and orders, keyed by product id
    #[arg(long, env = "KAFKA_TOPIC", default_value = "orders")]
    pub kafka_topic: String,

    /// Protocol of the connections to the brokers
    #[arg(long, env = "KAFKA_SECURITY_PROTOCOL", default_value = "plaintext")]
    pub kafka_security_protocol: SecurityProtocol,

    /// PEM file with the certificate authorities for the brokers [default: the system's]
    #[arg(long, env = "KAFKA_CA_FILE")]
    pub kafka_ca_file: Option<CaCertificates>,

    /// SASL mechanism
    #[arg(long, env = "KAFKA_SASL_MECHANISM", default_value = "SCRAM-SHA-512")]
    pub kafka_sasl_mechanism: SaslMechanism,

    /// SASL user name, required by sasl_plaintext and sasl_ssl [default: none]
    #[arg(long, env = "KAFKA_USERNAME", requires = "kafka_password", required_if_eq_any = WITH_SASL)]
    pub kafka_username: Option<String>,

    /// SASL password, required with KAFKA_USERNAME [default: none]
    #[arg(
        long,
        env = "KAFKA_PASSWORD",
        hide_env_values = true,
        requires = "kafka_username"
    )]
    pub kafka_password: Option<String>,
}

const WITH_SASL: [(&str, &str); 2] = [
    ("kafka_security_protocol", "sasl_plaintext"),
    ("kafka_security_protocol", "sasl_ssl"),
];

/// librdkafka's `security.protocol`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum SecurityProtocol {
    /// No encryption, no password.
    Plaintext,
    /// TLS.
    Ssl,
    /// Password without encryption.
    SaslPlaintext,
    /// TLS and password.
    SaslSsl,
}

impl SecurityProtocol {
    /// Whether it needs a password.
    pub fn has_sasl(self) -> bool {
        matches!(self, Self::SaslPlaintext | Self::SaslSsl)
    }

    /// Whether it is encrypted.
    pub fn has_tls(self) -> bool {
        matches!(self, Self::Ssl | Self::SaslSsl)
    }
}

/// librdkafka's `sasl.mechanism`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SaslMechanism {
    /// The password itself; use it over TLS only.
    #[value(name = "PLAIN")]
    Plain,
    /// RFC 5802 with SHA-256: the password is never sent.
    #[value(name = "SCRAM-SHA-256")]
    ScramSha256,
    /// RFC 5802 with SHA-512.
    #[value(name = "SCRAM-SHA-512")]
    ScramSha512,
}
