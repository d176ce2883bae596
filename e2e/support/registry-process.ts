import { freePort } from './free-port.ts'
import { RunningApp } from './running-app.ts'

const ENTRY = 'apps/registry/src/main.ts'

/** One schema registry on a port of its own, which a test kills and starts again. */
export class RegistryProcess {
  readonly url: string
  readonly #config: Readonly<Record<string, string | number>>
  #app: RunningApp

  static async start(bootstrapServers: string): Promise<RegistryProcess> {
    const registry = new RegistryProcess(bootstrapServers, await freePort())
    await registry.ready()
    return registry
  }

  private constructor(bootstrapServers: string, port: number) {
    this.url = `http://127.0.0.1:${port}`
    this.#config = { 'kafkastore.bootstrap.servers': bootstrapServers, 'http.port': port }
    this.#app = RunningApp.launch(ENTRY, this.#config)
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
