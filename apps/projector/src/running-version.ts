import { PauseGate } from './pause-gate.ts'
import type { ProjectionRunner } from './projection-runner.ts'
import type { RegisteredProjection } from './store/registered-projection.ts'
import { type Version, isRunning } from './store/versions.ts'

/**
 * One version whose code is here: follows the log while its state in the database says so, and is
 * quiet while it is built, after it failed, and once it is retired.
 */
export class RunningVersion {
  readonly registered: RegisteredProjection
  readonly #gate = new PauseGate()
  readonly #start: (gate: PauseGate) => ProjectionRunner
  #runner: ProjectionRunner | undefined
  #isStopped = false
  #left: Promise<void> | undefined

  constructor(registered: RegisteredProjection, start: (gate: PauseGate) => ProjectionRunner) {
    this.registered = registered
    this.#start = start
  }

  get runner(): ProjectionRunner | undefined {
    return this.#runner
  }

  /** Does what the database says of the version. One call at a time. */
  async obey({ state, pausedBy }: Version): Promise<void> {
    this.#gate.set(pausedBy ?? undefined)
    if (!isRunning(state)) return this.#leave()
    if (this.#runner !== undefined || this.#isStopped) return
    this.#runner = this.#start(this.#gate)
    await this.#runner.start()
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    await this.#leave()
  }

  async #leave(): Promise<void> {
    if (this.#runner !== undefined) this.#left = this.#runner.stop()
    this.#runner = undefined
    await this.#left
  }
}
