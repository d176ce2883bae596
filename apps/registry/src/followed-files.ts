import { stat } from 'node:fs/promises'

/** How soon a changed file is noticed. */
const LOOK_EVERY_MS = 5_000

export type FollowedFilesOptions = {
  readonly paths: readonly string[]
  /**
   * Reads them. What it throws the first time is thrown by `follow`; later it is told to `onFailure`,
   * and tried again at the next look.
   */
  readonly load: () => Promise<void>
  readonly onFailure: (error: unknown) => void
  readonly lookEveryMs?: number
}

/**
 * Loads files again when one of them has changed: by looking at them, which also sees the symbolic
 * links that Kubernetes exchanges. A file that cannot be read leaves in force what was read before.
 */
export class FollowedFiles {
  readonly #options: FollowedFilesOptions
  readonly #timer: NodeJS.Timeout
  #loaded: string
  #failed = ''
  #looking: Promise<void> | undefined

  /** Loads them for the first time. */
  static async follow(options: FollowedFilesOptions): Promise<FollowedFiles> {
    // Before the load: what changes during it is loaded again.
    const state = await stateOf(options.paths)
    await options.load()
    return new FollowedFiles(options, state)
  }

  private constructor(options: FollowedFilesOptions, loaded: string) {
    this.#options = options
    this.#loaded = loaded
    const everyMs = options.lookEveryMs ?? LOOK_EVERY_MS
    this.#timer = setInterval(() => {
      this.#looking ??= this.#look().finally(() => (this.#looking = undefined))
    }, everyMs).unref()
  }

  async close(): Promise<void> {
    clearInterval(this.#timer)
    await this.#looking
  }

  async #look(): Promise<void> {
    const state = await stateOf(this.#options.paths)
    if (state === this.#loaded) return
    try {
      await this.#options.load()
      this.#loaded = state
    } catch (error) {
      // Once per change: a file that is written piece by piece may be right at the next look.
      if (this.#failed !== state) this.#options.onFailure(error)
      this.#failed = state
    }
  }
}

async function stateOf(paths: readonly string[]): Promise<string> {
  const states = paths.map(async (path) => {
    const found = await stat(path, { bigint: true }).catch(() => undefined)
    return found === undefined ? '-' : `${found.ino} ${found.mtimeNs} ${found.size}`
  })
  return (await Promise.all(states)).join('|')
}
