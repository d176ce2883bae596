/**
 * Every bound of the process that is not a configuration key, in one place. Overload is answered
 * with back pressure or an error code, never with growth.
 */

const KIB = 1024
const MIB = 1024 * KIB

/**
 * A frame gets this much memory without asking: small requests are served even while large ones
 * wait for the pool. It is bounded by `max.connections` times its size.
 */
export const FRAME_FIRST_STEP_BYTES = 4 * KIB

/**
 * A frame above the first step takes permits for this much at once, and then, when that has arrived,
 * for all of the rest.
 */
export const FRAME_SECOND_STEP_BYTES = 256 * KIB

/**
 * While others wait for the memory of large frames, one that holds some must come within this time,
 * in proportion, after a shorter grace.
 */
export const CONTENDED_FRAME_MS = 60_000
export const CONTENDED_FRAME_GRACE_MS = 5_000

/** What one read takes from a socket, beside the bulk of large frames. */
export const INPUT_BYTES = 64 * KIB

/**
 * The body of a larger frame grows by this factor as its bytes arrive, so that a peer holds at most
 * this many times what it really sent, whatever length it declared.
 */
export const FRAME_GROWTH_FACTOR = 4

/**
 * A frame may take this long, and a second more for each `FRAME_BYTES_PER_SECOND_MIN` that came: a
 * large one over a slow line is legal, one that stands still is not (slow loris).
 */
export const FRAME_GRACE_MS = 30_000
export const FRAME_BYTES_PER_SECOND_MIN = 16 * KIB

/**
 * Bodies of small requests that carry no records (heartbeats, commits, metadata) have this much of
 * their own, on top of `queued.max.request.bytes`: producers cannot starve groups.
 */
export const RESERVED_REQUEST_BYTES = 8 * MIB

/**
 * Requests of one connection that are being worked on. librdkafka pipelines without a limit of its
 * own; more than this many bring no more throughput.
 */
export const IN_FLIGHT_PER_CONNECTION_MAX = 64

/** A peer that leaves this much of its responses unread is not read from until it catches up. */
export const UNREAD_RESPONSE_BYTES_MAX = 4 * MIB

/**
 * When the responses of all connections that are not on the socket pass this, a peer is read from
 * only while it has nothing to read itself.
 */
export const UNSENT_BYTES_MAX = 64 * MIB

/** A peer that reads nothing of its responses for this long is closed. */
export const SLOW_READER_MS = 30_000

/** A peer that reads, yet never catches up, is closed after this time. */
export const UNREAD_DEADLINE_MS = 600_000

/** The same while the load of all connections is high. */
export const UNREAD_HIGH_LOAD_MS = 10_000

/** How long the last words for a peer wait to be read before its connection is cut. */
export const LINGER_MS = 1_000

/** What all fetches hold in memory: batches that are not yet on the socket, and the buffers around them. */
export const FETCH_MEMORY_BYTES = 128 * MIB

/**
 * What one answer to a fetch holds, unless the client wants more or is far away: it stays in the caches of
 * the processor on its way from the disk to the socket.
 */
export const FETCH_ANSWER_BYTES_MIN = 1 * MIB

/** An answer of many partitions holds as much for each: looking at one costs as much as reading it. */
export const FETCH_ANSWER_BYTES_PER_PARTITION = 32 * KIB

/** What was read ahead for a client that has not asked again within this time is read again. */
export const READ_AHEAD_MS = 1_000

/** The least that a fetch gets once there is any room: progress, one batch at a time. */
export const FETCH_MINIMUM_BYTES = 64 * KIB

/** Partitions of all fetch sessions together, at some 200 bytes each. */
export const FETCH_SESSION_PARTITIONS_MAX = 250_000

/**
 * Buffers of requests, responses and the tail cache that are kept for the next one. What is in use has its
 * own bounds. V8 keeps what is smaller than the minimum on its own heap.
 */
export const BUFFER_POOL = {
  pooledBytesMin: 64,
  pooledBytesMax: 4 * MIB,
  freeBytesMax: 16 * MIB,
} as const

/** Longest time that a fetch may wait; clients ask for 500 ms, Kafka sets no limit. */
export const FETCH_WAIT_MAX_MS = 300_000

/** Log lines about failed connections, per window: a flood of them must not fill the disk. */
export const CONNECTION_LOG_LINES_MAX = 20
export const CONNECTION_LOG_WINDOW_MS = 10_000

/** What is in flight gets this long to finish after SIGTERM. */
export const DRAIN_DEADLINE_MS = 5_000

/** Records of one compressed batch that the broker opens: some 30 ms of the event loop. */
export const DECOMPRESSED_BYTES_MAX = 16 * MIB

/** A batch of at most so many bytes is opened on the event loop, where a topic demands it … */
export const OPENED_AT_ONCE_BYTES_MAX = 16 * KIB

/** … unless it holds more than this: about a millisecond. Larger ones go to a thread. */
export const OPENED_AT_ONCE_DECOMPRESSED_BYTES_MAX = 128 * KIB

/** Distinct topics that get metric series of their own. */
export const METRIC_TOPICS_MAX = 2_000

/** Log lines about rebalances, per window. */
export const GROUP_LOG_LINES_MAX = 100
export const GROUP_LOG_WINDOW_MS = 10_000

/** Records read at once when a log is replayed at start. */
export const REPLAY_READ_BYTES = 1 * MIB

/** Indexes of closed segments in memory: about 32 bytes per 4 KiB of what is read from the disk. */
export const INDEX_CACHE_BYTES = 64 * MIB

/** How often the logs of topics with flush.ms are looked at: so much later than asked they may sync. */
export const FLUSH_CHECK_INTERVAL_MS = 50

/** What a start after a crash may have to read of all logs: about a second's worth. */
export const RECOVERY_BYTES_MAX = 512 * MIB
export const RECOVERY_CHECK_INTERVAL_MS = 1_000

/** How often the file systems are asked for their free space. */
export const SPACE_CHECK_INTERVAL_MS = 1_000

/** How often files of deleted segments are looked at: so much later than asked they may go. */
export const DELETED_FILES_CHECK_INTERVAL_MS = 1_000

/** How often a partition that had no room, or no file, is tried again: one vain attempt at a time. */
export const AWAITED_OPEN_INTERVAL_MS = 1_000

/** How often durable states are written, as Kafka does (`log.flush.offset.checkpoint…`). */
export const CHECKPOINT_INTERVAL_MS = 60_000

/** The scrub begins this long after a start, and rests at least this long between two rounds. */
export const SCRUB_DELAY_MS = 60_000

/** Read at a time by the scrub: large enough for the disk, small enough for an even rate. */
export const SCRUB_BUFFER_BYTES = 256 * KIB

/** Groups of this broker: each costs its members and its offsets. */
export const GROUPS_MAX = 10_000

/** Metadata of all protocols of one member: subscriptions, and what the assignor adds. */
export const MEMBER_METADATA_BYTES_MAX = 1 * MIB

/** Partitions with a committed offset, per group. */
export const COMMITTED_PARTITIONS_MAX = 50_000

/**
 * Of `memory.limit.bytes`, for what no other part counts: Node, code, garbage, objects of requests,
 * state of groups and topics. At rest the process has 130 MB.
 */
export const UNCOUNTED_MEMORY_BYTES = 192 * MIB

/**
 * Array elements of all requests under way: a decoded element, and what its answer takes, are some
 * 300 bytes. A request that would pass this is refused; one alone always may.
 */
export const ELEMENTS_UNDER_WAY_MAX = 200_000

/**
 * Lookups by time under way, over all requests: each reads batches, of `message.max.bytes` or more, into
 * memory, and opens them.
 */
export const LOOKUPS_MAX = 16

/** Partitions whose records are being deleted, over all requests: each has files open for it. */
export const DELETIONS_MAX = 16

/** Clients with a quota whose use is measured, of each of the four kinds of quota, at some 2 kB each. */
export const QUOTA_SENSORS_MAX = 5_000

/** Requests that wait for the controller; each holds its frame, and what it was decoded to. */
export const METADATA_CHANGES_WAITING_MAX = 1_000
