import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Ports } from './ports.ts'

/** Where each part answers: a URL, or host:port for Kafka clients. */
export type Endpoints = {
  readonly kafka: string
  readonly registry: string
  readonly relay: string
  readonly projector: string
  readonly shop: string
  readonly postgres: string
  /** Health and metrics of the broker. */
  readonly broker: string
}

export function endpointsOf(ports: Ports, databaseUrl: string): Endpoints {
  return {
    kafka: `127.0.0.1:${ports.kafka}`,
    registry: `http://127.0.0.1:${ports.registry}`,
    relay: `http://127.0.0.1:${ports.relay}`,
    projector: `http://127.0.0.1:${ports.projector}`,
    shop: `http://127.0.0.1:${ports.shop}`,
    postgres: databaseUrl,
    broker: `http://127.0.0.1:${ports.broker}`,
  }
}

const PURPOSES: Readonly<Record<keyof Endpoints, string>> = {
  kafka: 'Kafka clients (bootstrap.servers)',
  registry: 'schema registry, REST',
  relay: 'outbox relay: health, metrics, status',
  projector: 'projections and dead letters',
  shop: 'the shop: orders and /stats',
  postgres: 'orders, outbox and read models',
  broker: "the broker's health and metrics",
}

/** For programs: what `endpointsTable` shows to people. */
export async function writeEndpoints(directory: string, endpoints: Endpoints): Promise<string> {
  const path = join(directory, 'endpoints.json')
  await writeFile(path, `${JSON.stringify(endpoints, null, 2)}\n`)
  return path
}

export function endpointsTable(endpoints: Endpoints): string {
  const rows = Object.entries(PURPOSES).map(
    ([name, purpose]) => [name, endpoints[name as keyof Endpoints], purpose] as const,
  )
  const widths = [0, 1].map((column) => Math.max(...rows.map((row) => row[column as 0 | 1].length)))
  return rows
    .map(([name, address, purpose]) =>
      `  ${name.padEnd(widths[0] ?? 0)}  ${address.padEnd(widths[1] ?? 0)}  ${purpose}`.trimEnd(),
    )
    .join('\n')
}

/** Three commands that show the pipeline at work, complete as printed. */
export function commandsToTry(endpoints: Endpoints): readonly string[] {
  const order = JSON.stringify({ customerId: 'ana', sku: 'tea', quantity: 2, unitPriceCents: 450 })
  return [
    `curl -s -X POST ${endpoints.shop}/orders -H 'content-type: application/json' -d '${order}'`,
    `curl -s ${endpoints.shop}/stats`,
    `curl -s ${endpoints.registry}/subjects`,
  ]
}
