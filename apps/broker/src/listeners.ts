import { isIPv6 } from 'node:net'
import { hostname } from 'node:os'
import type { BrokerConfig } from './config.ts'

export type Address = { readonly host: string; readonly port: number }

export type ListenerConfig = {
  /** Upper case, as Kafka normalises it. */
  readonly name: string
  /** Where to listen; port 0 takes a free one, an empty host all interfaces. */
  readonly bind: Address
  /** What clients of this listener are told to connect to; port 0 means the port that was bound. */
  readonly advertised: Address
}

type Endpoint = { readonly name: string; readonly address: Address }

const PORT_MAX = 65_535
const LISTENER = /^(?<name>[A-Z][A-Z0-9_]*):\/\/(?<host>\[[^\]]*\]|[^:]*):(?<port>\d{1,5})$/i
const PROTOCOLS: readonly string[] = ['PLAINTEXT', 'SSL', 'SASL_PLAINTEXT', 'SASL_SSL']
const SUPPORTED_PROTOCOL = 'PLAINTEXT'
const META_ADDRESSES: readonly string[] = ['0.0.0.0', '::']

/**
 * The listeners that clients may use, by the rules of Kafka for `listeners`, `advertised.listeners`,
 * `listener.security.protocol.map`, `inter.broker.listener.name` and `controller.listener.names`.
 *
 * Every listener is advertised: in Kafka one that is not leads its clients to LISTENER_NOT_FOUND.
 * The listeners of the controller quorum are checked and left out.
 */
export function readListeners(config: BrokerConfig): {
  readonly listeners: readonly ListenerConfig[]
  /** One line each: key, rule and next step. With any of them `listeners` is not to be used. */
  readonly problems: readonly string[]
} {
  const all = readEndpoints('listeners', config.listeners)
  const advertised = readEndpoints('advertised.listeners', config['advertised.listeners'] ?? [])
  const malformed = [...all.problems, ...advertised.problems]
  if (malformed.length > 0) return { listeners: [], problems: malformed }

  const quorum = config['controller.listener.names'].map((name) => name.toUpperCase())
  const open = all.endpoints.filter(({ name }) => !quorum.includes(name))
  const told = advertised.endpoints.length === 0 ? open : advertised.endpoints
  const addresses = new Map(told.map(({ name, address }) => [name, address]))
  return {
    listeners: open.map(({ name, address }) => ({
      name,
      bind: address,
      advertised: withHost(addresses.get(name) ?? address),
    })),
    problems: [
      ...nameProblems('listeners', all.endpoints),
      ...nameProblems('advertised.listeners', advertised.endpoints),
      ...portProblems(all.endpoints),
      ...protocolProblems(open, config['listener.security.protocol.map']),
      ...advertisedProblems(open, told, all.endpoints),
      ...interBrokerProblems(open, config['inter.broker.listener.name']),
    ],
  }
}

/** Without a host a listener is advertised under the name of the machine, as in Kafka. */
function withHost({ host, port }: Address): Address {
  return { host: host === '' ? hostname() : host, port }
}

function readEndpoints(key: string, values: readonly string[]) {
  const problems: string[] = []
  const endpoints: Endpoint[] = []
  for (const value of values) {
    const { name, host, port } = LISTENER.exec(value)?.groups ?? {}
    if (name === undefined || host === undefined || Number(port) > PORT_MAX) {
      problems.push(
        `${key}: "${value}" is not of the form NAME://host:port; write it like PLAINTEXT://127.0.0.1:9092`,
      )
    } else {
      const address = { host: host.replaceAll(/[[\]]/g, ''), port: Number(port) }
      endpoints.push({ name: name.toUpperCase(), address })
    }
  }
  return { endpoints, problems }
}

function nameProblems(key: string, endpoints: readonly Endpoint[]): string[] {
  const names = endpoints.map(({ name }) => name)
  const repeated = new Set(names.filter((name, index) => names.indexOf(name) < index))
  return [...repeated].map(
    (name) => `${key}: ${name} is there twice; give each listener its own name`,
  )
}

/** Two listeners may share a port when one is IPv4 and the other IPv6; port 0 is never shared. */
function portProblems(endpoints: readonly Endpoint[]): string[] {
  const owners = new Map<string, string>()
  const problems: string[] = []
  for (const { name, address } of endpoints) {
    if (address.port === 0) continue
    const slot = `${address.port} ${isIPv6(address.host)}`
    const owner = owners.get(slot)
    if (owner === undefined) owners.set(slot, name)
    else {
      problems.push(
        `listeners: ${owner} and ${name} both use port ${address.port}; give each listener its own port`,
      )
    }
  }
  return problems
}

function protocolProblems(endpoints: readonly Endpoint[], entries: readonly string[]): string[] {
  const key = 'listener.security.protocol.map'
  const problems: string[] = []
  const protocols = new Map<string, string>()
  for (const entry of entries) {
    const [name, protocol, ...rest] = entry.toUpperCase().split(':')
    if (name === undefined || protocol === undefined || rest.length > 0) {
      problems.push(
        `${key}: "${entry}" is not of the form NAME:PROTOCOL; write it like PLAINTEXT:PLAINTEXT`,
      )
    } else if (PROTOCOLS.includes(protocol)) {
      protocols.set(name, protocol)
    } else {
      problems.push(
        `${key}: "${entry}" names no security protocol; the protocols are ${PROTOCOLS.join(', ')}`,
      )
    }
  }
  if (problems.length > 0) return problems
  for (const { name } of endpoints) {
    const protocol = protocols.get(name)
    if (protocol === undefined) {
      problems.push(
        `${key}: has no entry for the listener ${name}; add ${name}:${SUPPORTED_PROTOCOL}`,
      )
    } else if (protocol !== SUPPORTED_PROTOCOL) {
      problems.push(
        `${key}: the listener ${name} speaks ${protocol}, which is not supported yet; use ${SUPPORTED_PROTOCOL}`,
      )
    }
  }
  return problems
}

function advertisedProblems(
  open: readonly Endpoint[],
  told: readonly Endpoint[],
  all: readonly Endpoint[],
): string[] {
  const key = 'advertised.listeners'
  if (open.length === 0) {
    return ['listeners: no listener is for clients; add one, such as PLAINTEXT://127.0.0.1:9092']
  }
  const lacks = (endpoints: readonly Endpoint[], name: string): boolean =>
    !endpoints.some((endpoint) => endpoint.name === name)
  return [
    ...told
      .filter(({ name }) => lacks(all, name))
      .map(({ name }) => `${key}: ${name} is not one of listeners; add it there or remove it here`),
    ...open
      .filter(({ name }) => lacks(told, name))
      .map(({ name }) => `${key}: has no address for ${name}; add ${name}://host:port`),
    ...told
      .filter(({ name, address }) => !lacks(open, name) && META_ADDRESSES.includes(address.host))
      .map(
        ({ name, address }) =>
          `${key}: clients cannot connect to "${address.host}"; add ${name}://host:port with a host that they reach`,
      ),
  ]
}

function interBrokerProblems(open: readonly Endpoint[], name: string | undefined): string[] {
  if (name === undefined || open.some((endpoint) => endpoint.name === name.toUpperCase())) return []
  const names = open.map((endpoint) => endpoint.name).join(', ')
  return [`inter.broker.listener.name: ${name} is not a listener for brokers; choose from ${names}`]
}
