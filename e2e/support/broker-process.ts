import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from './free-port.ts'
import { type ProcessLimits, RunningApp } from './running-app.ts'

const ENTRY = 'apps/broker/src/main.ts'

/** One broker on a port and a folder of its own, which a test kills and starts again. */
export class BrokerProcess {
  readonly port: number
  readonly #dataDirectory: string
  readonly #config: Readonly<Record<string, string | number>>
  readonly #limits: ProcessLimits
  #app: RunningApp

  static async start(
    config: Readonly<Record<string, string | number>> = {},
    limits: ProcessLimits = {},
  ): Promise<BrokerProcess> {
    const dataDirectory = await mkdtemp(join(tmpdir(), 'fairlead-broker-'))
    const broker = new BrokerProcess(dataDirectory, await freePort(), config, limits)
    await broker.ready()
    return broker
  }

  private constructor(
    dataDirectory: string,
    port: number,
    config: Readonly<Record<string, string | number>>,
    limits: ProcessLimits,
  ) {
    this.port = port
    this.#dataDirectory = dataDirectory
    this.#config = {
      listeners: `PLAINTEXT://127.0.0.1:${port}`,
      'log.dirs': join(dataDirectory, 'log'),
      'group.initial.rebalance.delay.ms': 0,
      ...config,
    }
    this.#limits = limits
    this.#app = RunningApp.launch(ENTRY, this.#config, {}, limits)
  }

  get address(): string {
    return `127.0.0.1:${this.port}`
  }

  /** The folder of its partitions. */
  get logDirectory(): string {
    return join(this.#dataDirectory, 'log')
  }

  /** Of its health, metrics and the questions of operators. */
  get httpUrl(): string {
    return this.#app.url
  }

  get pid(): number {
    return this.#app.pid
  }

  get logLines(): readonly string[] {
    return this.#app.logLines
  }

  ready(): Promise<void> {
    return this.#app.ready()
  }

  /** Resident memory now, and the most that it ever was. */
  async memory(): Promise<{ readonly residentBytes: number; readonly peakBytes: number }> {
    const status = await readFile(`/proc/${this.#app.pid}/status`, 'utf8')
    const bytesOf = (name: string): number =>
      Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1]) * 1024
    return { residentBytes: bytesOf('VmRSS'), peakBytes: bytesOf('VmHWM') }
  }

  /** The value of a metric without labels, or the sum over its series. */
  async metric(name: string): Promise<number> {
    const lines = await this.metricLines(name)
    return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0)
  }

  /** Every series of a metric, as it is scraped. */
  async metricLines(name: string): Promise<string[]> {
    const text = await (await fetch(`${this.httpUrl}/metrics`)).text()
    return text
      .split('\n')
      .filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
  }

  /** `kill -9`: no flush, no goodbye to the clients. */
  async kill(): Promise<void> {
    await this.#app.stop('SIGKILL')
  }

  /** SIGTERM; resolves with the exit code. The folder stays. */
  async terminate(): Promise<number | null> {
    await this.#app.stop()
    return this.#app.exitCode
  }

  /** Starts on the same port and folder; does not wait until it answers. */
  restart(): void {
    this.#app = RunningApp.launch(ENTRY, this.#config, {}, this.#limits)
  }

  async stop(): Promise<void> {
    await this.terminate()
    await rm(this.#dataDirectory, { recursive: true, force: true })
  }
}
