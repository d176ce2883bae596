import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.BooleanNode;
import com.fasterxml.jackson.databind.node.DoubleNode;
import com.fasterxml.jackson.databind.node.IntNode;
import com.fasterxml.jackson.databind.node.LongNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.databind.node.TextNode;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.Map;
import org.apache.kafka.common.message.ApiMessageType;
import org.apache.kafka.common.protocol.ApiMessage;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.ObjectSerializationCache;

/**
 * Writes the bytes of every message of Apache Kafka, in every version, with the codecs of Kafka's own
 * client library: one line per message, `API version direction kind hex`.
 *
 * Of each message there are two: `full` has a value in every field that the version has, made from
 * the name of the field alone; `empty` is what Kafka's class holds when it was just made. The test
 * beside the file makes the same values from our tables: bytes are equal when the tables are.
 *
 *     java -cp <kafka-clients and Jackson> WriteGolden.java > kafka-clients-4.4.0.txt
 */
public class WriteGolden {
    private static final ObjectMapper JSON =
        JsonMapper.builder().enable(JsonParser.Feature.ALLOW_COMMENTS).build();

    public static void main(String[] arguments) throws Exception {
        for (ApiMessageType api : ApiMessageType.values()) {
            for (String direction : new String[] {"Request", "Response"}) {
                JsonNode spec = load(api.name + direction);
                for (short version = api.lowestSupportedVersion();
                        version <= api.highestSupportedVersion(true);
                        version++) {
                    write(api, direction, version, spec);
                }
            }
        }
    }

    private static JsonNode load(String name) throws Exception {
        String path = "/common/message/" + name + ".json";
        try (InputStream in = WriteGolden.class.getResourceAsStream(path)) {
            return JSON.readTree(in);
        }
    }

    private static void write(ApiMessageType api, String direction, short version, JsonNode spec)
            throws Exception {
        Map<String, JsonNode> structs = new HashMap<>();
        spec.path("commonStructs").forEach(s -> structs.put(s.get("name").asText(), s.get("fields")));
        String type = "org.apache.kafka.common.message." + api.name + direction + "Data";
        Class<?> converter = Class.forName(type + "JsonConverter");
        ApiMessage full = (ApiMessage) converter
            .getMethod("read", JsonNode.class, short.class)
            .invoke(null, struct(spec.get("fields"), version, structs), version);
        ApiMessage empty = direction.equals("Request") ? api.newRequest() : api.newResponse();
        line(api, direction, version, "full", full);
        line(api, direction, version, "empty", empty);
    }

    private static void line(
            ApiMessageType api, String direction, short version, String kind, ApiMessage message) {
        ObjectSerializationCache cache = new ObjectSerializationCache();
        String hex;
        try {
            ByteBuffer buffer = ByteBuffer.allocate(message.size(cache, version));
            message.write(new ByteBufferAccessor(buffer), cache, version);
            hex = HexFormat.of().formatHex(buffer.array());
        } catch (NullPointerException | org.apache.kafka.common.errors.UnsupportedVersionException e) {
            return; // A field that must be set, and is not in an empty message.
        }
        System.out.printf("%s %d %s %s %s%n", api.name, version, direction.toLowerCase(), kind, hex);
    }

    private static ObjectNode struct(
            JsonNode fields, short version, Map<String, JsonNode> structs) {
        ObjectNode node = JSON.createObjectNode();
        for (JsonNode field : fields) {
            if (!includes(field.get("versions").asText(), version)) continue;
            String name = lowerFirst(field.get("name").asText());
            node.set(name, value(field, name, field.get("type").asText(), version, structs));
        }
        return node;
    }

    private static JsonNode value(
            JsonNode field, String name, String type, short version, Map<String, JsonNode> structs) {
        if (type.startsWith("[]")) {
            ArrayNode array = JSON.createArrayNode();
            for (int index = 0; index < 2; index++) {
                // A set of structs takes each key once.
                if (index == 1 && structs(field, type, structs) != null) break;
                array.add(value(field, name, type.substring(2), version, structs));
            }
            return array;
        }
        int length = name.length();
        switch (type) {
            case "bool": return BooleanNode.TRUE;
            case "int8": return IntNode.valueOf(2 + length);
            case "int16": return IntNode.valueOf(3 + length);
            case "uint16": return IntNode.valueOf(50_000 + length);
            case "int32": return IntNode.valueOf(70_000 + length);
            case "int64": return LongNode.valueOf((1L << 40) + length);
            case "float64": return DoubleNode.valueOf(0.5 + length);
            case "string": return TextNode.valueOf(name);
            case "bytes":
            case "records": return JSON.getNodeFactory().binaryNode(name.getBytes(StandardCharsets.UTF_8));
            case "uuid": return TextNode.valueOf(uuid(length));
            default: return struct(structs(field, type, structs), version, structs);
        }
    }

    /** The fields of a struct or of an array of structs; null for a primitive. */
    private static JsonNode structs(JsonNode field, String type, Map<String, JsonNode> structs) {
        if (field.has("fields")) return field.get("fields");
        return structs.get(type.replace("[]", ""));
    }

    private static String uuid(int length) {
        byte[] bytes = new byte[16];
        bytes[0] = 1;
        bytes[15] = (byte) length;
        return Base64.getUrlEncoder().withoutPadding().encodeToString(bytes);
    }

    private static String lowerFirst(String name) {
        return Character.toLowerCase(name.charAt(0)) + name.substring(1);
    }

    private static boolean includes(String range, short version) {
        if (range.equals("none")) return false;
        if (range.endsWith("+")) return version >= Short.parseShort(range.replace("+", ""));
        String[] ends = range.split("-");
        return version >= Short.parseShort(ends[0]) && version <= Short.parseShort(ends[ends.length - 1]);
    }
}
