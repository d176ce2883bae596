/*
 * librdkafka's idempotent producer at acks=all, without a pause, until its standard input ends.
 * Usage: idempotent-producer BROKERS TOPIC PARTITIONS NAME
 *
 * Every record has NAME as its key and, as its value, its number within partition and producer.
 * Prints "acked N" as acknowledgements come in and "total PARTITION N" at the end; ends with 3 when an
 * acknowledgement is out of order, a record fails, or the producer says that it cannot go on.
 */
#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <librdkafka/rdkafka.h>

#define PARTITIONS_MAX 64
#define FLUSH_TIMEOUT_MS 120000
/* Some 4,000 records a second: always work in flight, and a log that can be read at the end. */
#define BURST 20
#define PAUSE_MICROSECONDS 5000

static int64_t sent[PARTITIONS_MAX];
static int64_t acked[PARTITIONS_MAX];
static int64_t acked_in_all;

static void fail(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vfprintf(stderr, format, arguments);
  va_end(arguments);
  fputc('\n', stderr);
  exit(3);
}

static void on_delivery(rd_kafka_t *producer, const rd_kafka_message_t *message, void *opaque) {
  (void)producer;
  (void)opaque;
  int64_t number = strtoll((const char *)message->payload, NULL, 10);
  if (message->err)
    fail("record %" PRId64 " of partition %" PRId32 ": %s", number, message->partition,
         rd_kafka_err2str(message->err));
  if (number != acked[message->partition])
    fail("partition %" PRId32 ": %" PRId64 " acknowledged when %" PRId64 " was due",
         message->partition, number, acked[message->partition]);
  acked[message->partition] += 1;
  acked_in_all += 1;
}

static void on_error(rd_kafka_t *producer, int error, const char *reason, void *opaque) {
  (void)opaque;
  char text[512];
  if (error == RD_KAFKA_RESP_ERR__FATAL) {
    rd_kafka_fatal_error(producer, text, sizeof text);
    fail("fatal: %s: %s", reason, text);
  }
}

static void set(rd_kafka_conf_t *config, const char *name, const char *value) {
  char text[512];
  if (rd_kafka_conf_set(config, name, value, text, sizeof text) != RD_KAFKA_CONF_OK)
    fail("%s: %s", name, text);
}

static rd_kafka_t *create(const char *brokers) {
  rd_kafka_conf_t *config = rd_kafka_conf_new();
  set(config, "bootstrap.servers", brokers);
  set(config, "enable.idempotence", "true");
  set(config, "acks", "all");
  set(config, "linger.ms", "2");
  set(config, "queue.buffering.max.messages", "5000");
  set(config, "message.timeout.ms", "0");
  set(config, "reconnect.backoff.ms", "10");
  set(config, "reconnect.backoff.max.ms", "50");
  set(config, "retry.backoff.ms", "20");
  set(config, "log_level", "2");
  rd_kafka_conf_set_dr_msg_cb(config, on_delivery);
  rd_kafka_conf_set_error_cb(config, on_error);
  char text[512];
  rd_kafka_t *producer = rd_kafka_new(RD_KAFKA_PRODUCER, config, text, sizeof text);
  if (!producer) fail("%s", text);
  return producer;
}

/* Sends the next record of a partition; what does not fit into the queue waits. */
static void send_next(rd_kafka_t *producer, const char *topic, int32_t partition, const char *key) {
  char value[32];
  int length = snprintf(value, sizeof value, "%" PRId64, sent[partition]);
  rd_kafka_resp_err_t error =
      rd_kafka_producev(producer, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(partition),
                        RD_KAFKA_V_KEY(key, strlen(key)), RD_KAFKA_V_VALUE(value, length + 1),
                        RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END);
  if (error == RD_KAFKA_RESP_ERR_NO_ERROR)
    sent[partition] += 1;
  else if (error != RD_KAFKA_RESP_ERR__QUEUE_FULL)
    fail("produce: %s", rd_kafka_err2str(error));
}

static int input_has_ended(void) {
  struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
  char byte;
  return poll(&input, 1, 0) > 0 && read(STDIN_FILENO, &byte, 1) <= 0;
}

int main(int argc, char **argv) {
  if (argc != 5) fail("usage: %s BROKERS TOPIC PARTITIONS NAME", argv[0]);
  int32_t partitions = (int32_t)strtol(argv[3], NULL, 10);
  if (partitions < 1 || partitions > PARTITIONS_MAX)
    fail("PARTITIONS: %s is not between 1 and %d", argv[3], PARTITIONS_MAX);
  rd_kafka_t *producer = create(argv[1]);
  int64_t told = 0;
  for (int32_t turn = 0; !input_has_ended(); turn++) {
    for (int count = 0; count < BURST; count++)
      send_next(producer, argv[2], (turn * BURST + count) % partitions, argv[4]);
    rd_kafka_poll(producer, 0);
    if (acked_in_all > told) {
      told = acked_in_all;
      printf("acked %" PRId64 "\n", told);
      fflush(stdout);
    }
    usleep(PAUSE_MICROSECONDS);
  }
  if (rd_kafka_flush(producer, FLUSH_TIMEOUT_MS)) fail("not everything was acknowledged in time");
  for (int32_t partition = 0; partition < partitions; partition++) {
    if (acked[partition] != sent[partition]) fail("partition %" PRId32 " lacks acks", partition);
    printf("total %" PRId32 " %" PRId64 "\n", partition, acked[partition]);
  }
  return 0;
}
