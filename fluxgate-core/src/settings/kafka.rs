use clap::Args;

/// Where the brokers are and what the topics are called.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Kafka")]
pub struct KafkaSettings {
    /// Bootstrap brokers, comma separated: host:port,host:port
    #[arg(long, env = "KAFKA_BROKERS", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub kafka_brokers: String,

    /// Topic that carries sales and orders, keyed by product id
    #[arg(long, env = "KAFKA_TOPIC", default_value = "orders")]
    pub kafka_topic: String,
}
