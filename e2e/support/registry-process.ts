import { freePort } from './free-port.ts'
import { RunningApp } from './running-app.ts'

const ENTRY = 'apps/registry/src/main.ts'

/** One schema registry on a port of its own, which a test kills and starts again. */
export class RegistryProcess {
  readonly url: string
  readonly #config: Readonly<Record<string, string | number>>
  #app: RunningApp

  static async start(
    bootstrapServers: string,
    config: Readonly<Record<string, string | number>> = {},
  ): Promise<RegistryProcess> {
    const registry = new RegistryProcess(bootstrapServers, await freePort(), config)
    await registry.ready()
    return registry
  }

  private constructor(
    bootstrapServers: string,
    port: number,
    config: Readonly<Record<string, string | number>>,
  ) {
    this.url = `http://127.0.0.1:${port}`
    this.#config = {
      'kafkastore.bootstrap.servers': bootstrapServers,
      'http.port': port,
      // A broker that shares its machine with other tests may take longer than the default.
      'kafkastore.timeout.ms': 30_000,
      ...config,
    }
    this.#app = RunningApp.launch(ENTRY, this.#config)
  }

  get pid(): number {
    return this.#app.pid
  }

  /** What it has logged since its last start: one JSON object a line. */
  get logLines(): readonly string[] {
    return this.#app.logLines
  }

  ready(): Promise<void> {
    return this.#app.ready()
  }

  /** `kill -9`. */
  async kill(): Promise<void> {
    await this.#app.stop('SIGKILL')
  }

  /** Starts on the same port; does not wait until it answers. */
  restart(): void {
    this.#app = RunningApp.launch(ENTRY, this.#config)
  }

  async stop(): Promise<void> {
    await this.#app.stop()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }
}
