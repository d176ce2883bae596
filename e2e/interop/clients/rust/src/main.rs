//! Answers the operations of ../../operations.ts with the rdkafka crate, one JSON object a line.

use std::collections::HashMap;
use std::io::{BufRead, Write, stdin, stdout};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use base64::{Engine, engine::general_purpose::STANDARD};
use rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, NewPartitions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, DeliveryResult, Header, Headers, Message, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext, ThreadedProducer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::util::Timeout;
use rdkafka::ClientContext;
use serde_json::{Map, Value, json};

const DEADLINE: Duration = Duration::from_secs(60);
const TRANSACTION_DEADLINE: Duration = Duration::from_secs(15);

type Failure = Box<dyn std::error::Error>;
type Outcome = Result<Map<String, Value>, Failure>;

fn main() {
    let mut driver = Driver {
        bootstrap: std::env::args().nth(1).expect("the address of a broker"),
        producers: HashMap::new(),
        member: None,
    };
    for line in stdin().lock().lines() {
        let request: Value = serde_json::from_str(&line.expect("a line")).expect("a JSON object");
        let answer = match driver.perform(&request) {
            Ok(mut fields) => {
                fields.insert("ok".into(), json!(true));
                Value::Object(fields)
            }
            Err(failure) => json!({ "ok": false, "error": failure.to_string() }),
        };
        println!("{answer}");
        stdout().flush().expect("a reader");
    }
}

/// Offsets of one `produce`, in the order of its records; the first failure ends it.
#[derive(Default)]
struct Deliveries {
    offsets: Vec<Option<i64>>,
    failure: Option<String>,
}

type SharedDeliveries = Arc<Mutex<Deliveries>>;

struct Reports;

impl ClientContext for Reports {}

impl ProducerContext for Reports {
    type DeliveryOpaque = Box<(usize, SharedDeliveries)>;

    fn delivery(&self, result: &DeliveryResult<'_>, opaque: Self::DeliveryOpaque) {
        let (index, shared) = *opaque;
        let mut deliveries = shared.lock().expect("no panic");
        match result {
            Ok(message) => deliveries.offsets[index] = Some(message.offset()),
            Err((error, _)) => deliveries.failure = Some(error.to_string()),
        }
    }
}

struct Driver {
    bootstrap: String,
    producers: HashMap<(String, bool), ThreadedProducer<Reports>>,
    member: Option<BaseConsumer>,
}

impl Driver {
    fn perform(&mut self, request: &Value) -> Outcome {
        match text(request, "op") {
            "produce" => self.produce(request),
            "transact" => self.transact(request),
            "fetch" => self.fetch(request),
            "join" => self.join(request),
            "poll" => self.poll(request),
            "commit" => {
                self.member()?.commit_consumer_state(CommitMode::Sync)?;
                done()
            }
            "leave" => {
                self.member = None;
                done()
            }
            _ => self.administer(request),
        }
    }

    fn config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.bootstrap)
            .set("client.id", "rust")
            .set("reconnect.backoff.max.ms", "500");
        config
    }

    fn produce(&mut self, request: &Value) -> Outcome {
        let name = (text(request, "compression").to_string(), flag(request, "idempotent"));
        if !self.producers.contains_key(&name) {
            let producer = self
                .config()
                .set("compression.type", &name.0)
                .set("enable.idempotence", name.1.to_string())
                .set("acks", "all")
                .set("message.max.bytes", "10000000")
                .set("linger.ms", "5")
                .create_with_context(Reports)?;
            self.producers.insert(name.clone(), producer);
        }
        let producer = &self.producers[&name];
        let records = list(request, "records");
        let shared: SharedDeliveries = Arc::default();
        shared.lock().expect("no panic").offsets = vec![None; records.len()];
        for (index, record) in records.iter().enumerate() {
            let opaque = Box::new((index, shared.clone()));
            let fields = Fields::of(record)?;
            let base = BaseRecord::<[u8], [u8], _>::with_opaque_to(text(request, "topic"), opaque);
            producer.send(fields.fill(base, request)).map_err(|(error, _)| error)?;
        }
        producer.flush(DEADLINE)?;
        let deliveries = shared.lock().expect("no panic");
        match &deliveries.failure {
            Some(failure) => Err(failure.clone().into()),
            None => fields([("offsets", json!(deliveries.offsets))]),
        }
    }

    fn transact(&self, request: &Value) -> Outcome {
        let producer: BaseProducer =
            self.config().set("transactional.id", text(request, "transactionalId")).create()?;
        producer.init_transactions(TRANSACTION_DEADLINE)?;
        producer.begin_transaction()?;
        for record in list(request, "records") {
            let fields = Fields::of(record)?;
            let base = BaseRecord::<[u8], [u8]>::to(text(request, "topic"));
            producer.send(fields.fill(base, request)).map_err(|(error, _)| error)?;
        }
        if flag(request, "commit") {
            producer.commit_transaction(TRANSACTION_DEADLINE)?;
        } else {
            producer.abort_transaction(TRANSACTION_DEADLINE)?;
        }
        done()
    }

    fn fetch(&self, request: &Value) -> Outcome {
        let consumer: BaseConsumer =
            self.config().set("group.id", "fetch").set("enable.auto.commit", "false").create()?;
        let mut assigned = TopicPartitionList::new();
        let partition = number(request, "partition") as i32;
        let offset = Offset::Offset(number(request, "offset"));
        assigned.add_partition_offset(text(request, "topic"), partition, offset)?;
        consumer.assign(&assigned)?;
        let timeout = Duration::from_millis(number(request, "timeoutMs") as u64);
        let fetched = poll_for(&consumer, timeout, number(request, "count") as usize)?;
        fields([("records", json!(fetched))])
    }

    fn join(&mut self, request: &Value) -> Outcome {
        let mut config = self.config();
        config
            .set("group.id", text(request, "group"))
            .set("auto.offset.reset", "earliest")
            .set("enable.auto.commit", "false")
            .set("session.timeout.ms", "15000")
            .set("heartbeat.interval.ms", "500");
        if let Some(instance) = request["instanceId"].as_str() {
            config.set("group.instance.id", instance);
        }
        if flag(request, "cooperative") {
            config.set("partition.assignment.strategy", "cooperative-sticky");
        }
        let member: BaseConsumer = config.create()?;
        member.subscribe(&[text(request, "topic")])?;
        self.member = Some(member);
        done()
    }

    fn poll(&self, request: &Value) -> Outcome {
        let timeout = Duration::from_millis(number(request, "timeoutMs") as u64);
        let polled = poll_for(self.member()?, timeout, usize::MAX)?;
        let assigned = self.member()?.assignment()?;
        let mut assignment: Vec<i32> =
            assigned.elements().iter().map(|element| element.partition()).collect();
        assignment.sort_unstable();
        fields([("records", json!(polled)), ("assignment", json!(assignment))])
    }

    fn member(&self) -> Result<&BaseConsumer, Failure> {
        self.member.as_ref().ok_or_else(|| "join first".into())
    }

    fn administer(&self, request: &Value) -> Outcome {
        let topic = text(request, "topic");
        let options = AdminOptions::new();
        let admin: AdminClient<DefaultClientContext> = self.config().create()?;
        let client: BaseConsumer = self.config().set("group.id", group_of(request)).create()?;
        match text(request, "op") {
            "createTopic" => {
                let count = number(request, "partitions") as i32;
                let mut made = NewTopic::new(topic, count, TopicReplication::Fixed(1));
                for (name, value) in request["config"].as_object().into_iter().flatten() {
                    made = made.set(name, value.as_str().unwrap_or_default());
                }
                check(wait(admin.create_topics([&made], &options))?)
            }
            "deleteTopic" => check(wait(admin.delete_topics(&[topic], &options))?),
            "listTopics" => {
                let metadata = client.fetch_metadata(None, DEADLINE)?;
                let names: Vec<&str> = metadata.topics().iter().map(|each| each.name()).collect();
                fields([("topics", json!(names))])
            }
            "describeTopic" => {
                let metadata = client.fetch_metadata(Some(topic), DEADLINE)?;
                fields([("partitions", json!(metadata.topics()[0].partitions().len()))])
            }
            "createPartitions" => {
                let grown = NewPartitions::new(topic, number(request, "total") as usize);
                check(wait(admin.create_partitions([&grown], &options))?)
            }
            "describeConfig" => {
                let asked = [ResourceSpecifier::Topic(topic)];
                let described = wait(admin.describe_configs(&asked, &options))?;
                let resource = described.into_iter().next().ok_or("no resource")?;
                let resource = resource.map_err(KafkaError::AdminOp)?;
                let value = resource.get(text(request, "name")).and_then(|entry| entry.value.clone());
                fields([("value", json!(value))])
            }
            "alterConfig" => {
                let change = AlterConfig::new(ResourceSpecifier::Topic(topic))
                    .set(text(request, "name"), text(request, "value"));
                for altered in wait(admin.alter_configs([&change], &options))? {
                    altered.map_err(|(_, code)| KafkaError::AdminOp(code))?;
                }
                done()
            }
            "deleteRecords" => {
                let mut before = TopicPartitionList::new();
                let partition = number(request, "partition") as i32;
                let offset = Offset::Offset(number(request, "before"));
                before.add_partition_offset(topic, partition, offset)?;
                wait(admin.delete_records(&before, &options))?;
                done()
            }
            "listGroups" => {
                let listed = client.fetch_group_list(None, DEADLINE)?;
                let names: Vec<&str> = listed.groups().iter().map(|each| each.name()).collect();
                fields([("groups", json!(names))])
            }
            "committed" => {
                let metadata = client.fetch_metadata(Some(topic), DEADLINE)?;
                let mut asked = TopicPartitionList::new();
                for partition in metadata.topics()[0].partitions() {
                    asked.add_partition(topic, partition.id());
                }
                let committed = client.committed_offsets(asked, DEADLINE)?;
                let mut offsets = Map::new();
                for element in committed.elements() {
                    if let Offset::Offset(offset) = element.offset() {
                        offsets.insert(element.partition().to_string(), json!(offset));
                    }
                }
                fields([("offsets", Value::Object(offsets))])
            }
            "deleteGroup" => {
                let name = text(request, "group");
                check(wait(admin.delete_groups(&[name], &options))?)
            }
            unknown => Err(format!("no operation {unknown}").into()),
        }
    }
}

/// A record of a request, decoded.
struct Fields {
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: OwnedHeaders,
}

impl Fields {
    fn of(record: &Value) -> Result<Self, Failure> {
        let mut headers = OwnedHeaders::new();
        for pair in list(record, "headers") {
            let value = bytes(&pair[1])?;
            let key = pair[0].as_str().unwrap_or_default();
            headers = headers.insert(Header { key, value: value.as_deref() });
        }
        Ok(Self { key: bytes(&record["key"])?, value: bytes(&record["value"])?, headers })
    }

    fn fill<'a, Opaque: rdkafka::util::IntoOpaque>(
        &'a self,
        base: BaseRecord<'a, [u8], [u8], Opaque>,
        request: &Value,
    ) -> BaseRecord<'a, [u8], [u8], Opaque> {
        let mut filled =
            base.partition(number(request, "partition") as i32).headers(self.headers.clone());
        filled.key = self.key.as_deref();
        filled.payload = self.value.as_deref();
        filled
    }
}

fn poll_for(
    consumer: &BaseConsumer,
    timeout: Duration,
    count_max: usize,
) -> Result<Vec<Value>, Failure> {
    let deadline = Instant::now() + timeout;
    let mut records = Vec::new();
    while records.len() < count_max && Instant::now() < deadline {
        let left = deadline.saturating_duration_since(Instant::now());
        match consumer.poll(Timeout::After(left.min(Duration::from_millis(100)))) {
            Some(Ok(message)) => records.push(record_json(&message)),
            Some(Err(error)) => eprintln!("{error}"),
            None => {}
        }
    }
    Ok(records)
}

fn record_json(message: &BorrowedMessage<'_>) -> Value {
    let headers: Vec<Value> = message
        .headers()
        .map(|headers| headers.iter().map(|each| json!([each.key, base64(each.value)])).collect())
        .unwrap_or_default();
    json!({
        "partition": message.partition(),
        "offset": message.offset(),
        "key": base64(message.key()),
        "value": base64(message.payload()),
        "headers": headers,
    })
}

fn check(results: Vec<Result<String, (String, RDKafkaErrorCode)>>) -> Outcome {
    for result in results {
        result.map_err(|(_, code)| KafkaError::AdminOp(code))?;
    }
    done()
}

/// Waits for an answer of librdkafka, whose own thread completes it.
fn wait<Output>(future: impl Future<Output = Output>) -> Output {
    struct Unpark(std::thread::Thread);
    impl std::task::Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Arc::new(Unpark(std::thread::current())).into();
    let mut context = std::task::Context::from_waker(&waker);
    let mut future = std::pin::pin!(future);
    loop {
        if let std::task::Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
        std::thread::park();
    }
}

fn done() -> Outcome {
    Ok(Map::new())
}

fn fields<const COUNT: usize>(named: [(&str, Value); COUNT]) -> Outcome {
    Ok(named.into_iter().map(|(name, value)| (name.to_string(), value)).collect())
}

fn group_of(request: &Value) -> &str {
    request["group"].as_str().unwrap_or("admin")
}

fn text<'a>(request: &'a Value, name: &str) -> &'a str {
    request[name].as_str().unwrap_or_default()
}

fn number(request: &Value, name: &str) -> i64 {
    request[name].as_i64().unwrap_or_default()
}

fn flag(request: &Value, name: &str) -> bool {
    request[name].as_bool().unwrap_or_default()
}

fn list<'a>(request: &'a Value, name: &str) -> &'a [Value] {
    request[name].as_array().map(Vec::as_slice).unwrap_or_default()
}

fn bytes(value: &Value) -> Result<Option<Vec<u8>>, Failure> {
    Ok(value.as_str().map(|text| STANDARD.decode(text)).transpose()?)
}

fn base64(bytes: Option<&[u8]>) -> Option<String> {
    bytes.map(|bytes| STANDARD.encode(bytes))
}
