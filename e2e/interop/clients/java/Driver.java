import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** Answers the operations of ../operations.ts with the Java clients, one JSON object a line. */
public final class Driver {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final String DEADLINE_MS = "60000";

    private final Map<String, KafkaProducer<byte[], byte[]>> producers = new HashMap<>();
    private final String bootstrap;
    private KafkaConsumer<byte[], byte[]> member;

    public static void main(String[] args) throws Exception {
        Driver driver = new Driver(args[0]);
        BufferedReader input = new BufferedReader(new InputStreamReader(System.in));
        for (String line = input.readLine(); line != null; line = input.readLine()) {
            System.out.println(JSON.writeValueAsString(driver.answer(JSON.readTree(line))));
        }
        // Clients that are still open must not keep the process alive.
        Runtime.getRuntime().halt(0);
    }

    private Driver(String bootstrap) {
        this.bootstrap = bootstrap;
    }

    private ObjectNode answer(JsonNode request) {
        ObjectNode answer = JSON.createObjectNode();
        try {
            perform(request, answer);
            return answer.put("ok", true);
        } catch (Exception exception) {
            Throwable cause = exception instanceof ExecutionException ? exception.getCause() : exception;
            return answer.put("ok", false).put("error", cause.toString());
        }
    }

    private void perform(JsonNode request, ObjectNode answer) throws Exception {
        switch (request.get("op").asText()) {
            case "produce" -> produce(request, answer);
            case "transact" -> transact(request);
            case "fetch" -> fetch(request, answer);
            case "join" -> join(request);
            case "poll" -> poll(request, answer);
            case "commit" -> member.commitSync();
            case "leave" -> leave();
            default -> administer(request, answer);
        }
    }

    private void produce(JsonNode request, ObjectNode answer) throws Exception {
        String compression = request.get("compression").asText();
        boolean isIdempotent = request.get("idempotent").asBoolean();
        KafkaProducer<byte[], byte[]> producer = producers.computeIfAbsent(
                compression + isIdempotent, name -> newProducer(compression, isIdempotent, null));
        List<Future<RecordMetadata>> acknowledgements = new ArrayList<>();
        for (JsonNode each : request.get("records")) {
            acknowledgements.add(producer.send(recordOf(request, each)));
        }
        ArrayNode offsets = answer.putArray("offsets");
        for (Future<RecordMetadata> acknowledgement : acknowledgements) {
            offsets.add(acknowledgement.get().offset());
        }
    }

    private void transact(JsonNode request) throws Exception {
        try (KafkaProducer<byte[], byte[]> producer =
                newProducer("none", true, request.get("transactionalId").asText())) {
            producer.initTransactions();
            producer.beginTransaction();
            for (JsonNode each : request.get("records")) {
                producer.send(recordOf(request, each));
            }
            // What is not sent yet when a transaction is aborted never is.
            producer.flush();
            if (request.get("commit").asBoolean()) {
                producer.commitTransaction();
            } else {
                producer.abortTransaction();
            }
        }
    }

    private KafkaProducer<byte[], byte[]> newProducer(
            String compression, boolean isIdempotent, String transactionalId) {
        Properties properties = properties();
        properties.put("compression.type", compression);
        properties.put("enable.idempotence", String.valueOf(isIdempotent));
        properties.put("acks", "all");
        properties.put("max.request.size", "10000000");
        properties.put("linger.ms", "5");
        properties.put("max.block.ms", transactionalId == null ? DEADLINE_MS : "15000");
        if (transactionalId != null) {
            properties.put("transactional.id", transactionalId);
        }
        return new KafkaProducer<>(properties, new ByteArraySerializer(), new ByteArraySerializer());
    }

    private static ProducerRecord<byte[], byte[]> recordOf(JsonNode request, JsonNode each) {
        ProducerRecord<byte[], byte[]> produced = new ProducerRecord<>(
                request.get("topic").asText(),
                request.get("partition").asInt(),
                bytes(each.get("key")),
                bytes(each.get("value")));
        for (JsonNode header : each.get("headers")) {
            produced.headers().add(header.get(0).asText(), bytes(header.get(1)));
        }
        return produced;
    }

    private void fetch(JsonNode request, ObjectNode answer) {
        ArrayNode fetched = answer.putArray("records");
        TopicPartition partition =
                new TopicPartition(request.get("topic").asText(), request.get("partition").asInt());
        try (KafkaConsumer<byte[], byte[]> consumer = newConsumer(properties())) {
            consumer.assign(List.of(partition));
            consumer.seek(partition, request.get("offset").asLong());
            long deadlineMs = System.currentTimeMillis() + request.get("timeoutMs").asLong();
            while (fetched.size() < request.get("count").asInt()
                    && System.currentTimeMillis() < deadlineMs) {
                consumer.poll(Duration.ofMillis(100)).forEach(each -> fetched.add(recordJson(each)));
            }
        }
    }

    private void join(JsonNode request) {
        Properties properties = properties();
        properties.put("group.id", request.get("group").asText());
        properties.put("auto.offset.reset", "earliest");
        properties.put("session.timeout.ms", "15000");
        properties.put("heartbeat.interval.ms", "500");
        if (!request.get("instanceId").isNull()) {
            properties.put("group.instance.id", request.get("instanceId").asText());
        }
        if (request.get("cooperative").asBoolean()) {
            properties.put(
                    "partition.assignment.strategy",
                    "org.apache.kafka.clients.consumer.CooperativeStickyAssignor");
        }
        member = newConsumer(properties);
        member.subscribe(List.of(request.get("topic").asText()));
    }

    private void poll(JsonNode request, ObjectNode answer) {
        ArrayNode polled = answer.putArray("records");
        member.poll(Duration.ofMillis(request.get("timeoutMs").asLong()))
                .forEach(each -> polled.add(recordJson(each)));
        ArrayNode assignment = answer.putArray("assignment");
        member.assignment().stream().map(TopicPartition::partition).sorted().forEach(assignment::add);
    }

    private void leave() {
        member.close();
        member = null;
    }

    private KafkaConsumer<byte[], byte[]> newConsumer(Properties properties) {
        properties.put("enable.auto.commit", "false");
        return new KafkaConsumer<>(
                properties, new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    private void administer(JsonNode request, ObjectNode answer) throws Exception {
        try (Admin admin = Admin.create(properties())) {
            administer(admin, request, answer);
        }
    }

    private static void administer(Admin admin, JsonNode request, ObjectNode answer)
            throws Exception {
        String topic = request.path("topic").asText();
        String group = request.path("group").asText();
        ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
        switch (request.get("op").asText()) {
            case "createTopic" -> {
                NewTopic created =
                        new NewTopic(topic, request.get("partitions").asInt(), (short) 1);
                created.configs(JSON.convertValue(request.get("config"), Map.class));
                admin.createTopics(List.of(created)).all().get();
            }
            case "deleteTopic" -> admin.deleteTopics(List.of(topic)).all().get();
            case "listTopics" -> {
                ArrayNode topics = answer.putArray("topics");
                admin.listTopics().names().get().forEach(topics::add);
            }
            case "describeTopic" -> answer.put("partitions", admin.describeTopics(List.of(topic))
                    .allTopicNames().get().get(topic).partitions().size());
            case "createPartitions" -> admin.createPartitions(Map.of(
                    topic, NewPartitions.increaseTo(request.get("total").asInt()))).all().get();
            case "describeConfig" -> answer.put("value", admin.describeConfigs(List.of(resource))
                    .all().get().get(resource).get(request.get("name").asText()).value());
            case "alterConfig" -> admin.incrementalAlterConfigs(Map.of(resource, List.of(
                    new AlterConfigOp(
                            new ConfigEntry(
                                    request.get("name").asText(), request.get("value").asText()),
                            AlterConfigOp.OpType.SET)))).all().get();
            case "deleteRecords" -> admin.deleteRecords(Map.of(
                    new TopicPartition(topic, request.get("partition").asInt()),
                    RecordsToDelete.beforeOffset(request.get("before").asLong()))).all().get();
            case "listGroups" -> {
                ArrayNode groups = answer.putArray("groups");
                admin.listConsumerGroups().all().get().forEach(each -> groups.add(each.groupId()));
            }
            case "committed" -> {
                ObjectNode offsets = answer.putObject("offsets");
                Map<TopicPartition, OffsetAndMetadata> committed =
                        admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get();
                committed.forEach((partition, offset) ->
                        offsets.put(String.valueOf(partition.partition()), offset.offset()));
            }
            case "deleteGroup" -> admin.deleteConsumerGroups(List.of(group)).all().get();
            default -> throw new IllegalArgumentException("no operation " + request.get("op"));
        }
    }

    private Properties properties() {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", bootstrap);
        properties.put("client.id", "java");
        properties.put("reconnect.backoff.max.ms", "500");
        return properties;
    }

    private static ObjectNode recordJson(ConsumerRecord<byte[], byte[]> consumed) {
        ObjectNode json = JSON.createObjectNode();
        json.put("partition", consumed.partition()).put("offset", consumed.offset());
        json.put("key", text(consumed.key())).put("value", text(consumed.value()));
        ArrayNode headers = json.putArray("headers");
        for (Header header : consumed.headers()) {
            headers.addArray().add(header.key()).add(text(header.value()));
        }
        return json;
    }

    private static byte[] bytes(JsonNode base64) {
        return base64.isNull() ? null : Base64.getDecoder().decode(base64.asText());
    }

    private static String text(byte[] bytes) {
        return Optional.ofNullable(bytes).map(Base64.getEncoder()::encodeToString).orElse(null);
    }
}
