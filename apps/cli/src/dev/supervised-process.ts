import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { type WriteStream, createWriteStream } from 'node:fs'
import { randomInt } from 'node:crypto'
import { RestartPolicy } from './restart-policy.ts'

export type ProcessSpec = {
  readonly name: string
  readonly command: string
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string | undefined>>
  /** Run as this user: Postgres refuses to run as root. */
  readonly user?: { readonly uid: number; readonly gid: number }
  /** Its standard output and error, appended. */
  readonly logPath: string
  readonly stopSignal: 'SIGTERM' | 'SIGINT'
  /** True when it serves. Must not throw, and must end within a second or so. */
  isReady(): Promise<boolean>
}

type State =
  | { readonly kind: 'idle' }
  | { readonly kind: 'running'; readonly child: ChildProcess; readonly startedMs: number }
  | { readonly kind: 'waiting'; readonly timer: NodeJS.Timeout }
  | { readonly kind: 'stopped' }

const READY_POLL_MS = 50

/**
 * One child process that is kept alive: started again with back-off whenever it dies, until `stop`.
 *
 * Children are their own process group, so that Ctrl-C reaches only the supervisor, which stops them
 * in order. They hold a channel to it: our apps stop when it closes, so none outlives a supervisor
 * that was killed.
 */
export class SupervisedProcess {
  readonly spec: ProcessSpec
  readonly #report: (line: string) => void
  readonly #policy: RestartPolicy
  #log: WriteStream | undefined
  #state: State = { kind: 'idle' }

  constructor(spec: ProcessSpec, report: (line: string) => void) {
    this.spec = spec
    this.#report = report
    this.#policy = new RestartPolicy({ int: randomInt })
  }

  get pid(): number | undefined {
    return this.#state.kind === 'running' ? this.#state.child.pid : undefined
  }

  start(): void {
    if (this.#state.kind === 'stopped') return
    this.#log ??= createWriteStream(this.spec.logPath, { flags: 'a' })
    const { command, args, env, user } = this.spec
    const child = spawn(command, args, {
      env: { ...process.env, ...env },
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      ...user,
    })
    child.stdout?.pipe(this.#log, { end: false })
    child.stderr?.pipe(this.#log, { end: false })
    this.#state = { kind: 'running', child, startedMs: performance.now() }
    child.once('error', (error) => this.#died(child, `cannot start: ${error.message}`))
    child.once('exit', (code, signal) => this.#died(child, describeExit(code, signal)))
  }

  /** Resolves when the process serves; rejects when it does not within `timeoutMs`. */
  async waitUntilReady(timeoutMs: number): Promise<void> {
    const deadlineMs = performance.now() + timeoutMs
    while (!(await this.spec.isReady())) {
      if (this.#state.kind === 'stopped') throw new Error(`${this.spec.name} was stopped`)
      if (performance.now() > deadlineMs) {
        throw new Error(
          `${this.spec.name} is not ready after ${timeoutMs / 1000} s: see ${this.spec.logPath}`,
        )
      }
      await new Promise((resolve) => setTimeout(resolve, READY_POLL_MS))
    }
  }

  /** Asks the process to stop, and kills it after `graceMs`. Resolves when it is gone. */
  async stop(graceMs: number): Promise<void> {
    const state = this.#state
    this.#state = { kind: 'stopped' }
    if (state.kind === 'waiting') clearTimeout(state.timer)
    if (state.kind === 'running') await this.#end(state.child, graceMs)
    this.#log?.end()
  }

  async #end(child: ChildProcess, graceMs: number): Promise<void> {
    if (child.exitCode !== null || child.signalCode !== null) return
    const exit = once(child, 'exit')
    const kill = setTimeout(() => {
      this.#report(`${this.spec.name} did not stop within ${graceMs} ms: killed`)
      child.kill('SIGKILL')
    }, graceMs)
    child.kill(this.spec.stopSignal)
    await exit
    clearTimeout(kill)
  }

  #died(child: ChildProcess, how: string): void {
    if (this.#state.kind !== 'running' || this.#state.child !== child) return
    const delayMs = this.#policy.delayAfterDeathMs(performance.now() - this.#state.startedMs)
    this.#report(
      `${this.spec.name} ${how}; starting it again in ${Math.round(delayMs)} ms (log: ${this.spec.logPath})`,
    )
    this.#state = { kind: 'waiting', timer: setTimeout(() => this.start(), delayMs) }
  }
}

function describeExit(code: number | null, signal: NodeJS.Signals | null): string {
  return signal === null ? `exited with code ${code}` : `was killed by ${signal}`
}
