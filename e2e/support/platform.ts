import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, readFile, readdir, readlink, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { waitFor } from './wait-for.ts'

export const ROOT: string = join(import.meta.dirname, '../..')

export type Endpoints = Readonly<
  Record<'kafka' | 'registry' | 'relay' | 'projector' | 'shop' | 'postgres' | 'broker', string>
>

/** The parts of the platform that a test can kill. */
export const PARTS = ['broker', 'relay', 'registry', 'projector', 'postgres', 'shop'] as const
export type Part = (typeof PARTS)[number]

const ENTRIES: Readonly<Record<Exclude<Part, 'postgres'>, string>> = {
  broker: 'apps/broker/src/main.ts',
  relay: 'apps/relay/src/main.ts',
  registry: 'apps/registry/src/main.ts',
  projector: 'apps/projector/src/main.ts',
  shop: 'examples/shop/src/main.ts',
}

const START_DEADLINE_MS = 180_000

/** `npm start` on a temporary folder, as a user would run it; `await using` stops it. */
export class RunningPlatform {
  readonly endpoints: Endpoints
  readonly dataDirectory: string
  readonly readyAfterMs: number
  readonly #child: ChildProcess
  readonly #output: string[]

  static async start(
    flags: readonly string[] = [],
    env: Readonly<Record<string, string>> = {},
  ): Promise<RunningPlatform> {
    const dataDirectory = await mkdtemp(join(tmpdir(), 'fairlead-e2e-'))
    await chmod(dataDirectory, 0o711)
    const startedMs = performance.now()
    const child = spawn('npm', ['start', '--', '--data-dir', dataDirectory, ...flags], {
      cwd: ROOT,
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
      env: { ...process.env, ...env },
    })
    // `close` comes when nobody holds the output any more: when the supervisor has ended, too.
    const closed = once(child, 'close')
    const output: string[] = []
    child.stdout.setEncoding('utf8').on('data', (text: string) => output.push(text))
    child.stderr.setEncoding('utf8').on('data', (text: string) => output.push(text))
    const platform = await ready(child, output, dataDirectory).catch(async (error: unknown) => {
      if (child.exitCode === null && child.signalCode === null) signalGroup(child, 'SIGKILL')
      await closed
      throw new Error(`the platform did not start:\n${output.join('')}`, { cause: error })
    })
    return new RunningPlatform({
      child,
      output,
      dataDirectory,
      endpoints: platform,
      readyAfterMs: performance.now() - startedMs,
    })
  }

  private constructor(options: {
    readonly child: ChildProcess
    readonly output: string[]
    readonly dataDirectory: string
    readonly endpoints: Endpoints
    readonly readyAfterMs: number
  }) {
    this.#child = options.child
    this.#output = options.output
    this.dataDirectory = options.dataDirectory
    this.endpoints = options.endpoints
    this.readyAfterMs = options.readyAfterMs
  }

  /** What it has printed so far. */
  get output(): string {
    return this.#output.join('')
  }

  /** Ends one part without warning, as kill -9 or a lost machine would. */
  async killPart(part: Part): Promise<void> {
    const pid = await this.pidOf(part)
    if (pid !== undefined) process.kill(pid, 'SIGKILL')
  }

  async pidOf(part: Part): Promise<number | undefined> {
    if (part === 'postgres') return this.#postmasterPid()
    for (const entry of await readdir('/proc')) {
      if (/^\d+$/.test(entry) && (await isPart(entry, part, this.dataDirectory))) {
        return Number(entry)
      }
    }
    return undefined
  }

  async logOf(part: Part): Promise<string> {
    return readFile(join(this.dataDirectory, 'logs', `${part}.log`), 'utf8')
  }

  /** Ctrl-C; resolves with the time that the stop took. npm itself dies of the signal it got. */
  async interrupt(): Promise<{ readonly tookMs: number }> {
    const startedMs = performance.now()
    // `close` comes when nobody holds the output any more: when the supervisor has ended, too.
    const closed = once(this.#child, 'close')
    signalGroup(this.#child, 'SIGINT')
    await closed
    return { tookMs: performance.now() - startedMs }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) await this.interrupt()
    // For finding out what happened: E2E_KEEP_DATA=1 leaves data and logs behind.
    if (process.env['E2E_KEEP_DATA'] !== undefined) return
    await rm(this.dataDirectory, { recursive: true, force: true, maxRetries: 5 })
  }

  async #postmasterPid(): Promise<number | undefined> {
    const file = join(this.dataDirectory, 'postgres', 'postmaster.pid')
    const pid = Number((await readFile(file, 'utf8').catch(() => '')).split('\n')[0])
    return Number.isInteger(pid) && pid > 0 ? pid : undefined
  }
}

async function ready(
  child: ChildProcess,
  output: readonly string[],
  dataDirectory: string,
): Promise<Endpoints> {
  await waitFor('the platform to be ready', START_DEADLINE_MS, () => {
    if (child.exitCode !== null) throw new Error(`npm start ended with code ${child.exitCode}`)
    return output.join('').includes('Fairlead is ready')
  })
  return JSON.parse(await readFile(join(dataDirectory, 'endpoints.json'), 'utf8')) as Endpoints
}

/** A terminal sends Ctrl-C to the whole process group. */
function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid !== undefined) process.kill(-child.pid, signal)
}

/** Whether a process is this part of the platform that keeps its data in `dataDirectory`. */
async function isPart(
  pid: string,
  part: Exclude<Part, 'postgres'>,
  dataDirectory: string,
): Promise<boolean> {
  const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')
  if (!command.includes(ENTRIES[part])) return false
  // Another platform may run beside: ours writes its log through a pipe of our supervisor.
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '')
  const parent = /^PPid:\t(\d+)$/m.exec(status)?.[1]
  return parent !== undefined && (await holdsFileBelow(parent, dataDirectory))
}

async function holdsFileBelow(pid: string, directory: string): Promise<boolean> {
  const descriptors = await readdir(`/proc/${pid}/fd`).catch(() => [])
  for (const descriptor of descriptors) {
    const target = await readlink(`/proc/${pid}/fd/${descriptor}`).catch(() => '')
    if (target.startsWith(`${directory}/`)) return true
  }
  return false
}
