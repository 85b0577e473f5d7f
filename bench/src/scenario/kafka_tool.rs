//! Kafka's `ProducerPerformance`, which is in none of the jars that a broker needs.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::process::Command;

use crate::load::run_tool;
use crate::stack::Stack;

const CLASS: &str = "org.apache.kafka.tools.ProducerPerformance";
const COPY: &str = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy";
const FETCH_LIMIT: Duration = Duration::from_secs(300);

/// The tool, with the Java and the jars that the broker runs with. Fetched the first time.
pub async fn command(stack: &Stack) -> Result<Command> {
    let line = std::fs::read_to_string(format!("/proc/{}/cmdline", stack.pid("kafka")?))?;
    let broker = Broker::parse(&line).context("the broker's command has no class path")?;
    let jar = jar(stack.repository(), &broker.version).await?;
    let jars = format!("{}:{}", broker.jars, jar.display());
    let mut tool = Command::new(broker.java);
    tool.args(["-Xmx256m", "-XX:-UsePerfData", "-cp", &jars, CLASS]);
    Ok(tool)
}

/// From Maven Central, checked by its checksum, as the stack's Kafka is.
async fn jar(repository: &Path, version: &str) -> Result<PathBuf> {
    let folder = repository.join(format!(".local/kafka-tools-{version}"));
    let jar = folder.join(format!("kafka-tools-{version}.jar"));
    if !jar.is_file() {
        let mut maven = Command::new("mvn");
        maven
            .args(["-B", "-q", "-ntp", "-C", "-Dstyle.color=never", COPY])
            .arg(format!("-Dartifact=org.apache.kafka:kafka-tools:{version}"))
            .arg(format!("-DoutputDirectory={}", folder.display()));
        let fetched = run_tool(&mut maven, FETCH_LIMIT).await;
        fetched.context("Maven could not fetch Kafka's tools")?;
    }
    Ok(jar)
}

#[derive(Debug, PartialEq, Eq)]
struct Broker {
    java: String,
    jars: String,
    version: String,
}

impl Broker {
    /// Of its command line; the jars are all in a folder `kafka-<version>`.
    fn parse(line: &str) -> Option<Self> {
        let mut arguments = line.split('\0');
        let java = arguments.next()?.to_owned();
        let jars = arguments.skip_while(|argument| *argument != "-cp").nth(1)?;
        let version = jars.strip_suffix("/*")?.rsplit_once("/kafka-")?.1;
        Some(Self {
            java,
            jars: jars.to_owned(),
            version: version.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn java_jars_and_version_are_the_brokers() {
        let line = "/usr/bin/java\0-Xmx1g\0-cp\0/some where/kafka-4.1.0/*\0kafka.Kafka\0";
        let broker = Broker::parse(line).unwrap();
        assert_eq!(broker.java, "/usr/bin/java");
        assert_eq!(broker.jars, "/some where/kafka-4.1.0/*");
        assert_eq!(broker.version, "4.1.0");
        assert_eq!(Broker::parse("java\0-jar\0x"), None);
    }
}
