import { readFileSync } from 'node:fs'
import { errorMessage } from '@fairlead/base'
import {
  BROKER_SECURITY_CONFIG,
  brokerSecurity,
  brokerSecurityProblems,
} from '@fairlead/broker-security'
import type { ClientSecurity } from '@fairlead/kafka'
import {
  ConfigError,
  type ConfigOf,
  type RawValue,
  checkConfig,
  defineConfig,
  parseConfigFile,
} from '@fairlead/service'
import { UsageError } from './command.ts'

/** What of the properties of Kafka's clients means something to the clients of a command. */
const CLIENT_CONFIG = defineConfig({
  'bootstrap.servers': { type: 'list', default: [], doc: 'Brokers to begin with.' },
  'client.id': { type: 'string', doc: 'What brokers call us in their logs and quotas.' },
  'request.timeout.ms': {
    type: 'int',
    min: 1,
    max: 600_000,
    doc: 'Deadline of each request.',
  },
  ...BROKER_SECURITY_CONFIG,
})

const BOOTSTRAP_DEFAULT = '127.0.0.1:9092'

/** Without its meaning a connection would be less safe than its author thinks. */
const SECURITY_KEY = /^(security|sasl|ssl)\./

export type ClientConfig = Pick<
  ConfigOf<typeof CLIENT_CONFIG>,
  'bootstrap.servers' | 'client.id' | 'request.timeout.ms'
> & {
  readonly security: ClientSecurity | undefined
  /** Sentences for the user: keys without an effect. */
  readonly warnings: readonly string[]
}

/** The properties in a file, such as Kafka's tools take with `--command-config`. @throws {UsageError} */
export function readProperties(path: string): ReadonlyMap<string, RawValue> {
  try {
    return parseConfigFile(path, readFileSync(path, 'utf8'))
  } catch (error) {
    throw new UsageError(`cannot read ${path}: ${errorMessage(error)}`)
  }
}

/**
 * Properties of a client of Kafka. Those that other clients have, such as `acks`, are passed over, as
 * Kafka's own tools do.
 *
 * @throws {UsageError} with all problems: keys of security that are not known, values that
 *   break a rule, files that cannot be read.
 */
export function clientConfig(
  properties: ReadonlyMap<string, RawValue>,
  origin: string,
): ClientConfig {
  const meant = [...properties].filter(
    ([key]) => SECURITY_KEY.test(key) || Object.hasOwn(CLIENT_CONFIG, key),
  )
  try {
    const { config, warnings } = checkConfig(CLIENT_CONFIG, new Map(meant), origin)
    const problems = brokerSecurityProblems(config)
    if (problems.length > 0) throw new ConfigError(problems)
    return { ...config, security: brokerSecurity(config), warnings }
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    throw new UsageError(`${origin}: ${error.problems.join('; ')}`)
  }
}

/** Of what was typed, else of the properties, else the broker of this machine. */
export function bootstrapServers(
  typed: string | undefined,
  config: Pick<ClientConfig, 'bootstrap.servers'>,
): readonly string[] {
  if (typed !== undefined) return typed.split(',').map((server) => server.trim())
  const configured = config['bootstrap.servers']
  return configured.length > 0 ? configured : [BOOTSTRAP_DEFAULT]
}
