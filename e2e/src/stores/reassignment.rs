//! Moves a partition from one broker to another. librdkafka cannot ask for that.

use std::time::Duration;

use anyhow::{Result, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

const ANSWER_LIMIT: Duration = Duration::from_secs(10);
/// `AlterPartitionReassignments`, version 0 (KIP-455).
const REQUEST: [i16; 2] = [45, 0];
const CORRELATION_ID: i32 = 1;
const NO_CLIENT_ID: i16 = -1;
/// What a compact array or text of Kafka's protocol begins with: its length and one more.
const ONE_ELEMENT: u8 = 2;
const NO_TEXT: u8 = 0;
const NO_TAGGED_FIELDS: u8 = 0;
const NO_ERROR: i16 = 0;

/// Has `to` get the log of a partition and become its leader, instead of the brokers that have it. Returns when Kafka has
/// begun with that.
///
/// # Errors
/// When the broker does not answer or refuses.
pub async fn move_partition(broker: &str, topic: &str, partition: i32, to: i32) -> Result<()> {
    let partition = partition.to_be_bytes();
    let limit_ms = i32::try_from(ANSWER_LIMIT.as_millis())?;
    let mut request = Vec::new();
    request.extend(REQUEST.iter().flat_map(|it| it.to_be_bytes()));
    request.extend(CORRELATION_ID.to_be_bytes());
    request.extend(NO_CLIENT_ID.to_be_bytes());
    request.push(NO_TAGGED_FIELDS);
    request.extend(limit_ms.to_be_bytes());
    let name = compact(topic)?;
    request.push(ONE_ELEMENT);
    request.extend(&name);
    request.push(ONE_ELEMENT);
    request.extend(partition);
    request.push(ONE_ELEMENT);
    request.extend(to.to_be_bytes());
    request.extend([NO_TAGGED_FIELDS; 3]);

    let mut done = CORRELATION_ID.to_be_bytes().to_vec();
    done.push(NO_TAGGED_FIELDS);
    done.extend(0_i32.to_be_bytes()); // it need not wait
    done.extend(NO_ERROR.to_be_bytes());
    done.extend([NO_TEXT, ONE_ELEMENT]);
    done.extend(&name);
    done.push(ONE_ELEMENT);
    done.extend(partition);
    done.extend(NO_ERROR.to_be_bytes());
    done.push(NO_TEXT);
    done.extend([NO_TAGGED_FIELDS; 3]);

    let answer = timeout(ANSWER_LIMIT, ask(broker, &request)).await??;
    ensure!(answer == done, "Kafka refuses: {}", answer.escape_ascii());
    Ok(())
}

async fn ask(broker: &str, request: &[u8]) -> Result<Vec<u8>> {
    let mut stream = TcpStream::connect(broker).await?;
    stream.write_i32(request.len().try_into()?).await?;
    stream.write_all(request).await?;
    let mut answer = vec![0; stream.read_i32().await?.try_into()?];
    stream.read_exact(&mut answer).await?;
    Ok(answer)
}

/// A compact text. Its length has one byte while it is below 127.
fn compact(text: &str) -> Result<Vec<u8>> {
    ensure!(text.len() < 127, "{text} is too long");
    let mut compact = vec![u8::try_from(text.len())? + 1];
    compact.extend(text.bytes());
    Ok(compact)
}
