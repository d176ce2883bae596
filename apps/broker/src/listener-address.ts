import { OperationalError } from '@fairlead/base'
import type { BrokerConfig } from './config.ts'

export type ListenerAddress = { readonly host: string; readonly port: number }

const PORT_MAX = 65_535
const LISTENER = /^(?<name>[A-Z][A-Z0-9_]*):\/\/(?<host>\[[^\]]*\]|[^:]*):(?<port>\d+)$/i

/** A configuration that parses key by key, yet makes no sense as a whole. */
export class ConfigurationError extends OperationalError {
  override readonly name = 'ConfigurationError'

  constructor(message: string) {
    super(message, { code: 'INVALID_CONFIG', retryable: false })
  }
}

/** Where to listen: the one PLAINTEXT listener. */
export function listenerAddress(config: BrokerConfig): ListenerAddress {
  return onlyAddress('listeners', config.listeners)
}

/** What Metadata tells clients, given the port that was bound. */
export function advertisedAddress(config: BrokerConfig, boundPort: number): ListenerAddress {
  const advertised = config['advertised.listeners']
  const { host, port } =
    advertised === undefined || advertised.length === 0
      ? listenerAddress(config)
      : onlyAddress('advertised.listeners', advertised)
  if (host === '' || host === '0.0.0.0' || host === '::') {
    throw new ConfigurationError(
      `advertised.listeners: clients cannot connect to "${host}"; give a host name they can reach`,
    )
  }
  return { host, port: port === 0 ? boundPort : port }
}

function onlyAddress(key: string, values: readonly string[]): ListenerAddress {
  const [value] = values
  if (value === undefined || values.length > 1) {
    throw new ConfigurationError(`${key}: give exactly one listener, such as PLAINTEXT://host:9092`)
  }
  const { name, host, port } = LISTENER.exec(value)?.groups ?? {}
  if (name === undefined || host === undefined || Number(port) > PORT_MAX) {
    throw new ConfigurationError(`${key}: "${value}" is not of the form PLAINTEXT://host:port`)
  }
  if (name.toUpperCase() !== 'PLAINTEXT') {
    throw new ConfigurationError(`${key}: "${name}" is not supported; only PLAINTEXT is`)
  }
  return { host: host.replaceAll(/[[\]]/g, ''), port: Number(port) }
}
