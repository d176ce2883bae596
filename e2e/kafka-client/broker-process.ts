import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createAdmin } from '@fairlead/kafka'

const ENTRY = join(import.meta.dirname, '../../apps/broker/src/main.ts')
const STOP_DEADLINE_MS = 20_000

/** One broker on a port and a folder of its own, which a test kills and starts again. */
export class BrokerProcess {
  readonly address: string
  readonly #dataDirectory: string
  readonly #httpPort: number
  readonly #output: string[] = []
  #child: ChildProcess

  private constructor(dataDirectory: string, ports: { kafka: number; http: number }) {
    this.address = `127.0.0.1:${ports.kafka}`
    this.#dataDirectory = dataDirectory
    this.#httpPort = ports.http
    this.#child = this.#spawn()
  }

  static async start(): Promise<BrokerProcess> {
    const dataDirectory = await mkdtemp(join(tmpdir(), 'fairlead-kafka-client-'))
    const ports = { kafka: await freePort(), http: await freePort() }
    const broker = new BrokerProcess(dataDirectory, ports)
    await broker.#ready()
    return broker
  }

  /** `kill -9`: no flush, no goodbye to the clients. */
  async kill(): Promise<void> {
    const exited = once(this.#child, 'exit')
    this.#child.kill('SIGKILL')
    await exited
  }

  /** Starts on the same port and folder; does not wait until it answers. */
  restart(): void {
    this.#child = this.#spawn()
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const exited = once(this.#child, 'exit', { signal: AbortSignal.timeout(STOP_DEADLINE_MS) })
      this.#child.kill('SIGTERM')
      await exited
    }
    await rm(this.#dataDirectory, { recursive: true, force: true })
  }

  #spawn(): ChildProcess {
    const flags = [
      `--listeners=PLAINTEXT://${this.address}`,
      `--log.dirs=${join(this.#dataDirectory, 'log')}`,
      `--http.port=${this.#httpPort}`,
    ]
    const child = spawn(process.execPath, [ENTRY, ...flags], { stdio: ['ignore', 'pipe', 'pipe'] })
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => this.#output.push(text))
    }
    return child
  }

  async #ready(): Promise<void> {
    const admin = createAdmin({ bootstrapServers: [this.address], clientId: 'ready' })
    try {
      await admin.listTopics()
    } catch (error) {
      throw new Error(`the broker did not start:\n${this.#output.join('')}`, { cause: error })
    } finally {
      await admin.close()
    }
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
