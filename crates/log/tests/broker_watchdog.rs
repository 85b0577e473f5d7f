//! A client drops its brokers when the cluster names none. A real broker does not do that on command, so
//! this cluster is a fake: it implements as much of Kafka's protocol as a client needs to learn which brokers exist.

use std::io::Result;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};
use std::time::{Duration, Instant};

use fluxgate_log::BrokerWatchdog;
use rdkafka::ClientConfig;
use rdkafka::client::ClientContext;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _, ProducerContext};
use rdkafka::statistics::Statistics;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const PATIENCE: Duration = Duration::from_secs(20);
const TOPIC: &str = "orders";

#[tokio::test(flavor = "multi_thread")]
async fn a_client_whose_cluster_named_no_brokers_recovers() {
    let cluster = Cluster::start().await.unwrap();
    let brokers = cluster.address.to_string();
    let watchdog = BrokerWatchdog::new(&brokers);
    let producer: BaseProducer<Context> = ClientConfig::new()
        .set("bootstrap.servers", &brokers)
        .set("statistics.interval.ms", "50")
        .set("topic.metadata.refresh.interval.ms", "50")
        .create_with_context(Context(watchdog.clone()))
        .unwrap();
    // A client asks only about topics that it has records for.
    let record = BaseRecord::<str, str>::to(TOPIC).payload("an order");
    producer.send(record).unwrap();
    cluster.is_asked(&producer, &watchdog).await;
    // Several rounds: now and then librdkafka recovers by itself.
    for _ in 0..5 {
        cluster.names_itself.store(false, SeqCst);
        cluster.is_asked(&producer, &watchdog).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        cluster.names_itself.store(true, SeqCst);
        cluster.is_asked(&producer, &watchdog).await;
    }
}

struct Context(BrokerWatchdog);

impl ClientContext for Context {
    fn stats(&self, statistics: Statistics) {
        self.0.observe(&statistics);
    }
}

impl ProducerContext for Context {
    type DeliveryOpaque = ();

    fn delivery(&self, _: &rdkafka::message::DeliveryResult<'_>, (): ()) {}
}

/// One broker, which can leave itself out of the list of brokers.
struct Cluster {
    address: SocketAddr,
    names_itself: Arc<AtomicBool>,
    questions: Arc<AtomicU32>,
}

impl Cluster {
    async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let names_itself = Arc::new(AtomicBool::new(true));
        let questions = Arc::default();
        let cluster = Self {
            address,
            names_itself: Arc::clone(&names_itself),
            questions: Arc::clone(&questions),
        };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (names_itself, questions) = (Arc::clone(&names_itself), Arc::clone(&questions));
                tokio::spawn(async move {
                    // Ends when the client disconnects.
                    let _ = serve(stream, address, &names_itself, &questions).await;
                });
            }
        });
        Ok(cluster)
    }

    /// Waits until it was asked for its brokers three more times.
    async fn is_asked(&self, producer: &BaseProducer<Context>, watchdog: &BrokerWatchdog) {
        let begin = Instant::now();
        let enough = self.questions.load(SeqCst) + 3;
        while self.questions.load(SeqCst) < enough {
            assert!(begin.elapsed() < PATIENCE, "the client asks no broker");
            producer.poll(Duration::ZERO);
            watchdog.recover(producer.client());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

const METADATA: i16 = 3;
const API_VERSIONS: i16 = 18;
const UNSUPPORTED_VERSION: i16 = 35;

async fn serve(
    mut stream: TcpStream,
    address: SocketAddr,
    names_itself: &AtomicBool,
    questions: &AtomicU32,
) -> Result<()> {
    loop {
        let length = stream.read_i32().await?;
        let mut request = vec![0; usize::try_from(length).expect("a length")];
        stream.read_exact(&mut request).await?;
        let number = |at: usize| i16::from_be_bytes([request[at], request[at + 1]]);
        let mut answer = request[4..8].to_vec(); // the correlation id
        match (number(0), number(2)) {
            (API_VERSIONS, 0) => api_versions(&mut answer),
            (API_VERSIONS, _) => {
                answer.extend(UNSUPPORTED_VERSION.to_be_bytes());
                answer.extend(0_i32.to_be_bytes());
            }
            (METADATA, _) => {
                questions.fetch_add(1, SeqCst);
                metadata(&mut answer, address, names_itself.load(SeqCst));
            }
            (other, _) => panic!("request {other} was not offered"),
        }
        let length = i32::try_from(answer.len()).expect("a short answer");
        stream.write_i32(length).await?;
        stream.write_all(&answer).await?;
    }
}

/// Version 0: no error, two requests, from which version to which each.
fn api_versions(answer: &mut Vec<u8>) {
    answer.extend(0_i16.to_be_bytes());
    answer.extend(2_i32.to_be_bytes());
    for (request, newest) in [(METADATA, 1_i16), (API_VERSIONS, 0)] {
        answer.extend(request.to_be_bytes());
        answer.extend(0_i16.to_be_bytes());
        answer.extend(newest.to_be_bytes());
    }
}

/// Version 1: the brokers, the controller, and a topic without a leader.
fn metadata(answer: &mut Vec<u8>, address: SocketAddr, names_itself: bool) {
    const LEADER_NOT_AVAILABLE: i16 = 5;
    answer.extend(i32::from(names_itself).to_be_bytes());
    if names_itself {
        answer.extend(1_i32.to_be_bytes()); // its id
        text(answer, &address.ip().to_string());
        answer.extend(i32::from(address.port()).to_be_bytes());
        answer.extend((-1_i16).to_be_bytes()); // no rack
    }
    answer.extend(1_i32.to_be_bytes()); // the controller
    answer.extend(1_i32.to_be_bytes()); // topics
    answer.extend(0_i16.to_be_bytes()); // no error
    text(answer, TOPIC);
    answer.push(0); // not an internal one
    answer.extend(1_i32.to_be_bytes()); // partitions
    answer.extend(LEADER_NOT_AVAILABLE.to_be_bytes());
    answer.extend(0_i32.to_be_bytes()); // partition 0
    answer.extend((-1_i32).to_be_bytes()); // its leader
    answer.extend(0_i32.to_be_bytes()); // replicas
    answer.extend(0_i32.to_be_bytes()); // replicas in sync
}

fn text(answer: &mut Vec<u8>, text: &str) {
    let length = i16::try_from(text.len()).expect("a short text");
    answer.extend(length.to_be_bytes());
    answer.extend(text.as_bytes());
}
