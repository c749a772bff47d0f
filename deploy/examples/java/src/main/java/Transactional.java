import java.math.BigDecimal;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * Publishes usage in transactions, as a service does that writes its own results with it: both are
 * there, or neither.
 *
 * <p>Some transactions are aborted. Their events lie in the log and are never counted: Meterline
 * reads what is committed. Their places, and those of the markers, are holes in the offsets.
 */
public final class Transactional {
    private static final String SOURCE = "//examples/java";
    private static final String[] TENANTS = {"acme", "globex", "initech"};
    private static final String[] MODELS = {"small", "large"};
    private static final int EVENTS_PER_TRANSACTION = 25;
    /** One transaction in so many is aborted. */
    private static final int ABORT_EVERY = 4;

    /** One answer of a language model. */
    record Use(String id, String tenant, Instant time, BigDecimal tokens, String model) {
        /** CloudEvents 1.0, structured JSON; no text here needs escaping. */
        String cloudEvent() {
            return """
                {"specversion":"1.0","id":"%s","source":"%s","type":"llm.completion",\
                "subject":"%s","time":"%s","data":{"quantity":"%s","model":"%s"}}"""
                .formatted(id, SOURCE, tenant, time, tokens.toPlainString(), model);
        }
    }

    private Transactional() {}

    public static void main(String[] arguments) throws Exception {
        Map<String, String> options = new HashMap<>(Map.of(
            "--brokers", "localhost:9092", "--topic", "usage.events", "--events", "1000"));
        for (int at = 0; at + 1 < arguments.length; at += 2) {
            if (options.replace(arguments[at], arguments[at + 1]) == null) {
                System.err.println("known are " + options.keySet());
                System.exit(2);
            }
        }
        int events = Integer.parseInt(options.get("--events"));
        try (KafkaProducer<String, String> producer = producer(options.get("--brokers"))) {
            producer.initTransactions();
            publish(producer, options.get("--topic"), events);
        }
    }

    private static KafkaProducer<String, String> producer(String brokers) {
        // The default partitioner is the right one: murmur2 of the key, which is the tenant.
        return new KafkaProducer<>(
            Map.of(
                ProducerConfig.BOOTSTRAP_SERVERS_CONFIG, brokers,
                // Stable in a service, so that a restarted instance ends its predecessor's work.
                ProducerConfig.TRANSACTIONAL_ID_CONFIG, "example-" + UUID.randomUUID(),
                ProducerConfig.COMPRESSION_TYPE_CONFIG, "lz4"),
            new StringSerializer(),
            new StringSerializer());
    }

    private static void publish(KafkaProducer<String, String> producer, String topic, int events)
            throws ExecutionException, InterruptedException {
        String run = UUID.randomUUID().toString();
        int committed = 0;
        int aborted = 0;
        for (int transaction = 0; committed < events; transaction++) {
            int count = Math.min(EVENTS_PER_TRANSACTION, events - committed);
            producer.beginTransaction();
            List<Future<RecordMetadata>> sent = new ArrayList<>();
            for (int n = 0; n < count; n++) {
                Use use = use(run, transaction, n);
                sent.add(producer.send(new ProducerRecord<>(topic, use.tenant(), use.cloudEvent())));
            }
            producer.flush();
            for (Future<RecordMetadata> record : sent) {
                record.get();
            }
            // Aborted after its events are in the log: the harder case for a reader.
            if (transaction % ABORT_EVERY == 1) {
                producer.abortTransaction();
                aborted += count;
            } else {
                producer.commitTransaction();
                committed += count;
            }
        }
        System.out.printf("events=%d records=%d aborted=%d%n", committed, committed, aborted);
    }

    private static Use use(String run, int transaction, int n) {
        return new Use(
            run + "-" + transaction + "-" + n,
            TENANTS[n % TENANTS.length],
            Instant.now().truncatedTo(ChronoUnit.MICROS),
            new BigDecimal(n).add(new BigDecimal("0.125")),
            MODELS[n % MODELS.length]);
    }
}
