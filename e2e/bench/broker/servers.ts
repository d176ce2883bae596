import { ApacheKafka } from '../../support/apache-kafka.ts'
import { freePort } from '../../support/free-port.ts'
import { RunningApp } from '../../support/running-app.ts'

/** What an acknowledgement says: written to the page cache, or on the disk. */
export type Durability = 'written' | 'synced'

/** A broker under test. */
export type BenchServer = AsyncDisposable & {
  readonly name: string
  readonly port: number
  readonly address: string
  readonly pid: number
  /** The topic configuration that makes an acknowledgement say it. */
  readonly topicConfigs: Readonly<Record<Durability, Readonly<Record<string, string>>>>
  /** SIGTERM; what it has stored stays. */
  terminate(): Promise<void>
  /** Starts the process again, and does not wait. */
  restart(): void
}

export const APACHE_KAFKA = 'Apache Kafka'

export async function startFairlead(logDirectory: string): Promise<BenchServer> {
  const port = await freePort()
  const address = `127.0.0.1:${port}`
  const launch = (): RunningApp =>
    RunningApp.launch('apps/broker/src/main.ts', {
      listeners: `PLAINTEXT://${address}`,
      'log.dirs': logDirectory,
      'group.initial.rebalance.delay.ms': 0,
    })
  let app = launch()
  await app.ready()
  return {
    name: 'Fairlead',
    port,
    address,
    get pid() {
      return app.pid
    },
    topicConfigs: { written: { 'flush.mode': 'os' }, synced: { 'flush.mode': 'group' } },
    terminate: () => app.stop(),
    restart: () => {
      app = launch()
    },
    [Symbol.asyncDispose]: () => app.stop(),
  }
}

export async function startApacheKafka(): Promise<BenchServer> {
  const kafka = await ApacheKafka.start()
  return {
    name: APACHE_KAFKA,
    port: kafka.port,
    address: kafka.address,
    get pid() {
      return kafka.pid
    },
    topicConfigs: { written: {}, synced: { 'flush.messages': '1' } },
    terminate: () => kafka.terminate(),
    restart: () => kafka.restart(),
    [Symbol.asyncDispose]: () => kafka.stop(),
  }
}
