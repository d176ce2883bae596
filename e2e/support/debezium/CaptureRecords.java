import io.debezium.embedded.Connect;
import io.debezium.engine.ChangeEvent;
import io.debezium.engine.DebeziumEngine;
import io.debezium.engine.Header;
import io.debezium.engine.format.Avro;
import io.debezium.engine.format.Binary;
import io.debezium.engine.format.Json;
import io.debezium.engine.format.JsonByteArray;
import io.debezium.engine.format.KeyValueHeaderChangeEventFormat;
import io.debezium.engine.format.SerializationFormat;
import io.debezium.engine.format.SimpleString;
import java.io.FileReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.connect.source.SourceRecord;
import org.apache.kafka.connect.storage.Converter;
import org.apache.kafka.connect.storage.HeaderConverter;
import org.apache.kafka.connect.storage.SimpleHeaderConverter;

/**
 * Runs Debezium's engine with the properties of a file and prints each record as the converters
 * make it, one line of JSON each. Standard input ends it.
 *
 * With "fairlead.mode=server" the formats of Debezium Server are used (key, value and header format
 * by name); otherwise the three converters of a Connect worker.
 */
public final class CaptureRecords {
    private static final PrintStream OUT = new PrintStream(System.out, true, StandardCharsets.UTF_8);

    public static void main(String[] arguments) throws Exception {
        Properties properties = new Properties();
        try (FileReader reader = new FileReader(arguments[0], StandardCharsets.UTF_8)) {
            properties.load(reader);
        }
        CountDownLatch ended = new CountDownLatch(1);
        DebeziumEngine.CompletionCallback onEnd = (success, message, error) -> {
            OUT.println("{\"ended\":" + text(error == null ? String.valueOf(message) : message + ": " + error) + "}");
            ended.countDown();
        };
        DebeziumEngine.ConnectorCallback onConnector = new DebeziumEngine.ConnectorCallback() {
            @Override
            public void pollingStarted() {
                OUT.println("{\"started\":true}");
            }
        };
        boolean isServer = "server".equals(properties.getProperty("fairlead.mode"));
        DebeziumEngine<?> engine = isServer ? server(properties, onEnd, onConnector) : connect(properties, onEnd, onConnector);
        Thread thread = new Thread(engine);
        thread.start();
        while (System.in.read() >= 0) {
        }
        engine.close();
        ended.await(20, TimeUnit.SECONDS);
        System.exit(0);
    }

    private static DebeziumEngine<?> connect(Properties properties, DebeziumEngine.CompletionCallback onEnd,
            DebeziumEngine.ConnectorCallback onConnector) throws Exception {
        Converter key = (Converter) instance(properties, "key.converter", "org.apache.kafka.connect.json.JsonConverter");
        key.configure(prefixed(properties, "key.converter."), true);
        Converter value = (Converter) instance(properties, "value.converter", "org.apache.kafka.connect.json.JsonConverter");
        value.configure(prefixed(properties, "value.converter."), false);
        HeaderConverter header = (HeaderConverter) instance(properties, "header.converter", SimpleHeaderConverter.class.getName());
        Map<String, Object> headerConfig = prefixed(properties, "header.converter.");
        headerConfig.put("converter.type", "header");
        header.configure(headerConfig);
        return DebeziumEngine.create(Connect.class).using(properties).using(onEnd).using(onConnector)
                .notifying(event -> {
                    SourceRecord record = event.value();
                    try {
                        List<String> headers = new ArrayList<>();
                        record.headers().forEach(h -> headers.add("[" + text(h.key()) + ","
                                + bytes(header.fromConnectHeader(record.topic(), h.key(), h.schema(), h.value())) + "]"));
                        print(record.topic(), record.kafkaPartition(), record.timestamp(),
                                key.fromConnectData(record.topic(), record.headers().isEmpty() ? null : null, record.keySchema(), record.key()),
                                value.fromConnectData(record.topic(), null, record.valueSchema(), record.value()), headers);
                    } catch (RuntimeException error) {
                        OUT.println("{\"topic\":" + text(record.topic()) + ",\"failed\":" + text(error.toString()) + "}");
                    }
                }).build();
    }

    private static DebeziumEngine<?> server(Properties properties, DebeziumEngine.CompletionCallback onEnd,
            DebeziumEngine.ConnectorCallback onConnector) {
        var format = KeyValueHeaderChangeEventFormat.of(
                format(properties.getProperty("fairlead.format.key")),
                format(properties.getProperty("fairlead.format.value")),
                format(properties.getProperty("fairlead.format.header")));
        return DebeziumEngine.create((KeyValueHeaderChangeEventFormat) format).using(properties).using(onEnd).using(onConnector)
                .notifying(item -> {
                    ChangeEvent<?, ?> event = (ChangeEvent<?, ?>) item;
                    List<String> headers = new ArrayList<>();
                    for (Object entry : event.headers()) {
                        Header<?> h = (Header<?>) entry;
                        headers.add("[" + text(h.getKey()) + "," + bytes(asBytes(h.getValue())) + "]");
                    }
                    print(event.destination(), event.partition(), null, asBytes(event.key()), asBytes(event.value()), headers);
                }).build();
    }

    @SuppressWarnings({"unchecked", "rawtypes"})
    private static Class format(String name) {
        Class<? extends SerializationFormat> format = switch (name) {
            case "json" -> Json.class;
            case "jsonbytearray" -> JsonByteArray.class;
            case "simplestring" -> SimpleString.class;
            case "binary" -> Binary.class;
            case "avro" -> Avro.class;
            default -> throw new IllegalArgumentException(name);
        };
        return format;
    }

    private static byte[] asBytes(Object value) {
        return value instanceof String string ? string.getBytes(StandardCharsets.UTF_8) : (byte[]) value;
    }

    private static Object instance(Properties properties, String name, String orElse) throws Exception {
        return Class.forName(properties.getProperty(name, orElse)).getDeclaredConstructor().newInstance();
    }

    private static Map<String, Object> prefixed(Properties properties, String prefix) {
        Map<String, Object> found = new HashMap<>();
        for (String name : properties.stringPropertyNames()) {
            if (name.startsWith(prefix)) {
                found.put(name.substring(prefix.length()), properties.getProperty(name));
            }
        }
        return found;
    }

    private static void print(String topic, Integer partition, Long timestamp, byte[] key, byte[] value, List<String> headers) {
        OUT.println("{\"topic\":" + text(topic) + ",\"partition\":" + partition + ",\"timestamp\":" + timestamp + ",\"key\":"
                + bytes(key) + ",\"value\":" + bytes(value) + ",\"headers\":[" + String.join(",", headers) + "]}");
    }

    private static String bytes(byte[] value) {
        return value == null ? "null" : "\"" + Base64.getEncoder().encodeToString(value) + "\"";
    }

    private static String text(String value) {
        StringBuilder json = new StringBuilder("\"");
        for (char c : value.toCharArray()) {
            json.append(c < ' ' || c == '"' || c == '\\' || c > '~' ? String.format("\\u%04x", (int) c) : String.valueOf(c));
        }
        return json.append('"').toString();
    }
}
