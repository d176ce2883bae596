import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { ROOT } from './platform.ts'
import { waitFor } from './wait-for.ts'

/** As `npm start` has it. */
const COMPILE_CACHE = join(ROOT, 'node_modules/.cache/node')
const READY_DEADLINE_MS = 120_000

/** What the system grants the process, where it is less than what it grants this one. */
export type ProcessLimits = { readonly openFilesMax?: number }

/** One app as a process of its own, with its HTTP server on a free port. */
export class RunningApp {
  readonly #child: ChildProcess
  readonly #lines: string[] = []
  readonly #entry: string
  #hasEnded = false

  static async start(
    entry: string,
    config: Readonly<Record<string, string | number>>,
  ): Promise<RunningApp> {
    const app = RunningApp.launch(entry, config)
    await app.ready()
    return app
  }

  /** Starts the process and does not wait. */
  static launch(
    entry: string,
    config: Readonly<Record<string, string | number>>,
    env: Readonly<Record<string, string>> = {},
    limits: ProcessLimits = {},
  ): RunningApp {
    return new RunningApp(entry, config, env, limits)
  }

  private constructor(
    entry: string,
    config: Readonly<Record<string, string | number>>,
    env: Readonly<Record<string, string>>,
    { openFilesMax }: ProcessLimits,
  ) {
    this.#entry = entry
    const flags = Object.entries({ 'http.port': 0, ...config }).map(
      ([key, value]) => `--${key}=${value}`,
    )
    const command = [process.execPath, join(ROOT, entry), ...flags]
    const limited =
      openFilesMax === undefined ? command : ['prlimit', `--nofile=${openFilesMax}`, ...command]
    this.#child = spawn(limited[0] ?? '', limited.slice(1), {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { NODE_COMPILE_CACHE: COMPILE_CACHE, ...process.env, ...env },
    })
    process.prependOnceListener('exit', this.#killWithParent)
    this.#child.once('exit', () => process.off('exit', this.#killWithParent))
    // `exit` comes before the last of what it has printed.
    this.#child.once('close', () => {
      this.#hasEnded = true
    })
    let rest = ''
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      const lines = (rest + text).split('\n')
      rest = lines.pop() ?? ''
      this.#lines.push(...lines)
    })
  }

  async ready(): Promise<void> {
    await waitFor(`${this.#entry} to be ready`, READY_DEADLINE_MS, () => this.#isReady())
  }

  get pid(): number {
    const { pid } = this.#child
    if (pid === undefined) throw new Error(`${this.#entry} was not started`)
    return pid
  }

  get url(): string {
    const port = this.logField('httpPort')
    if (typeof port !== 'number') throw new Error(`${this.#entry} has not said its port`)
    return `http://127.0.0.1:${port}`
  }

  /** What it has logged so far: one JSON object a line. */
  get logLines(): readonly string[] {
    return this.#lines
  }

  /** The value of a field in the first log line that has it. */
  logField(name: string): unknown {
    for (const line of this.#lines) {
      const entry = JSON.parse(line) as Record<string, unknown>
      if (name in entry) return entry[name]
    }
    return undefined
  }

  /** Null while it runs, and when a signal ended it. */
  get exitCode(): number | null {
    return this.#child.exitCode
  }

  /** Until it has ended, and all that it logged is here. */
  get isRunning(): boolean {
    return !this.#hasEnded
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    if (!this.isRunning) return
    const closed = once(this.#child, 'close')
    this.#child.kill(signal)
    await closed
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  readonly #killWithParent = (): void => {
    this.#child.kill('SIGKILL')
  }

  async #isReady(): Promise<boolean> {
    if (!this.isRunning) {
      throw new Error(`${this.#entry} ended: ${this.#lines.slice(-5).join('\n')}`)
    }
    if (this.logField('httpPort') === undefined) return false
    const response = await fetch(`${this.url}/readyz`).catch(() => undefined)
    return response?.ok === true
  }
}
