import { resolve } from 'node:path'
import { OperationalError, errorMessage } from '@fairlead/base'
import type { BrokerConfig } from './config.ts'
import {
  FETCH_MEMORY_BYTES,
  INDEX_CACHE_BYTES,
  RESERVED_REQUEST_BYTES,
  UNCOUNTED_MEMORY_BYTES,
  UNSENT_BYTES_MAX,
} from './limits.ts'
import { readListeners } from './listeners.ts'
import { wholeName } from './metrics/series.ts'
import { overrideProblems } from './network/connection-limits.ts'
import { largestFrameBytes } from './network/request-memory.ts'

/** A configuration that parses key by key, yet makes no sense as a whole. */
export class ConfigurationError extends OperationalError {
  override readonly name = 'ConfigurationError'

  constructor(message: string) {
    super(message, { code: 'INVALID_CONFIG', retryable: false })
  }
}

/** The rules over several keys that a configuration breaks; one line each, with the next step. */
export function configProblems(config: BrokerConfig): readonly string[] {
  return [
    ...readListeners(config).problems,
    ...logDirsProblems(config),
    ...roleProblems(config),
    ...sessionTimeoutProblems(config),
    ...topicPatternProblems(config),
    ...cleanerProblems(config),
    ...overrideProblems(config),
    ...memoryProblems(config),
  ]
}

function logDirsProblems(config: BrokerConfig): string[] {
  const key = config['log.dirs'] === undefined ? 'log.dir' : 'log.dirs'
  const directories = config[key] ?? []
  if (directories.length === 0) return [`${key}: is empty; name a directory for the data`]
  const paths = directories.map((path) => resolve(path))
  const twice = paths.find((path, index) => paths.indexOf(path) !== index)
  return twice === undefined ? [] : [`${key}: holds ${twice} twice; remove one of them`]
}

function roleProblems({ 'process.roles': roles }: BrokerConfig): string[] {
  if ([...roles].sort().join() === 'broker,controller') return []
  return [`process.roles: "${roles.join()}" is not supported; write broker,controller`]
}

function sessionTimeoutProblems(config: BrokerConfig): string[] {
  const minMs = config['group.min.session.timeout.ms']
  const maxMs = config['group.max.session.timeout.ms']
  if (minMs <= maxMs) return []
  return [
    `group.min.session.timeout.ms: ${minMs} is above group.max.session.timeout.ms ${maxMs}; lower it`,
  ]
}

const TOPIC_PATTERNS = ['metrics.topic.include', 'metrics.topic.exclude'] as const

function topicPatternProblems(config: BrokerConfig): string[] {
  return TOPIC_PATTERNS.flatMap((key) => {
    try {
      wholeName(config[key])
      return []
    } catch (error) {
      return [`${key}: is a regular expression for topic names (${errorMessage(error)})`]
    }
  })
}

/** As Kafka: with less memory for keys, a large log would be read many times. */
const DEDUPE_BYTES_PER_THREAD_MIN = 1_048_576

function cleanerProblems(config: BrokerConfig): string[] {
  const threads = config['log.cleaner.threads']
  const bytes = config['log.cleaner.dedupe.buffer.size']
  const minBytes = threads * DEDUPE_BYTES_PER_THREAD_MIN
  if (bytes >= minBytes) return []
  return [
    `log.cleaner.dedupe.buffer.size: ${bytes} is too little for ${threads} log.cleaner.threads; give at least ${minBytes}`,
  ]
}

/** The parts must fit the whole: a limit that cannot be kept is no limit. */
function memoryProblems(config: BrokerConfig): string[] {
  const requestBytes = config['queued.max.request.bytes']
  const frameBytesMax = config['socket.request.max.bytes']
  if (frameBytesMax > largestFrameBytes(requestBytes)) {
    return [
      `queued.max.request.bytes: ${requestBytes} is too little for socket.request.max.bytes ${frameBytesMax}, which may take three quarters of it; raise it to ${Math.ceil((frameBytesMax * 4) / 3)}, or lower the other`,
    ]
  }
  const limitBytes = config['memory.limit.bytes']
  const fixedBytes =
    UNCOUNTED_MEMORY_BYTES +
    INDEX_CACHE_BYTES +
    RESERVED_REQUEST_BYTES +
    FETCH_MEMORY_BYTES +
    UNSENT_BYTES_MAX
  const tailBytes = config['log.tail.cache.bytes']
  const dedupeBytes = config['log.cleaner.dedupe.buffer.size']
  const neededBytes = fixedBytes + requestBytes + tailBytes + dedupeBytes
  if (neededBytes <= limitBytes) return []
  return [
    `memory.limit.bytes: ${limitBytes} is less than its parts: ${fixedBytes} that are fixed, queued.max.request.bytes ${requestBytes}, log.tail.cache.bytes ${tailBytes} and log.cleaner.dedupe.buffer.size ${dedupeBytes}; raise it to ${neededBytes}, or lower them`,
  ]
}
