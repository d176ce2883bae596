import { OperationalError, errorMessage } from '@fairlead/base'
import type { BrokerConfig } from './config.ts'
import { readListeners } from './listeners.ts'
import { wholeName } from './metrics/series.ts'

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
  ]
}

function logDirsProblems(config: BrokerConfig): string[] {
  const key = config['log.dirs'] === undefined ? 'log.dir' : 'log.dirs'
  const directories = config[key] ?? []
  if (directories.length === 1) return []
  return [`${key}: holds ${directories.length} directories; give exactly one`]
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
