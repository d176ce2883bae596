import { Worker } from 'node:worker_threads'
import { errorMessage } from '@fairlead/base'
import type { ClientSecurity } from '@fairlead/kafka'
import type { RegistryCredentials } from '@fairlead/service'
import type { Letter } from '@fairlead/projection'
import type { PartitionProgress } from '../store/checkpoints.ts'
import type { LogSection } from './merged-log.ts'
import type { EventBound } from './event-bound.ts'

const THREAD = new URL('./fold-thread-main.ts', import.meta.url)
/**
 * Nearly all that a fold makes lives for as long as the row does not change: the less often V8 looks for
 * what is dead among it, the less often it moves what is not.
 */
const YOUNG_MEGABYTES_MAX = 128

/** How the schema registry is asked. */
type RegistryAccess = RegistryCredentials & { readonly url: readonly string[] }

/** Where threads find what the process was started with. */
export type FoldSources = {
  /** Paths of the modules with the definitions. */
  readonly modules: readonly string[]
  readonly bootstrapServers: readonly string[]
  readonly clientId: string
  readonly security: ClientSecurity | undefined
  readonly registry: RegistryAccess
}

/** Some partitions of the topic of a fold, of which no key is in any other partition. */
export type FoldJob = {
  readonly sources: FoldSources
  readonly projection: { readonly name: string; readonly version: number }
  readonly sections: readonly LogSection[]
  /** Of the topic. */
  readonly partitionCount: number
  readonly bound: EventBound
  readonly aheadMaxMs: number
  readonly tenantHeader: string | undefined
  readonly includedTenants: readonly string[] | undefined
  readonly fetchBytesMax: number
  readonly memoryBytesMax: number
}

export type FoldProgress = { readonly readCount: number; readonly parkedCount: number }

/** What the events of a thread have led to; the rows themselves are asked for. */
export type Folded = {
  readonly rowCount: number
  readonly positions: readonly PartitionProgress[]
  readonly letters: readonly Letter[]
}

/** What the thread tells. A chunk of rows is an answer to a request (`null`), null behind the last one. */
export type FoldMessage =
  | { readonly kind: 'progress'; readonly progress: FoldProgress }
  | { readonly kind: 'trouble'; readonly reason: string }
  | { readonly kind: 'folded'; readonly folded: Folded }
  | { readonly kind: 'gaveUp'; readonly reason: string }
  | { readonly kind: 'rows'; readonly chunk: Uint8Array | null }

type FoldThreadOptions = {
  readonly onProgress: () => void
  /** A peer is away; the thread goes on by itself. */
  readonly onTrouble: (reason: string) => void
}

/** A thread cannot do its part. It says nothing about the events: one who takes all of them finds out. */
export class ThreadGaveUp extends Error {
  override readonly name = 'ThreadGaveUp'
}

/** One thread of a rebuild: folds its partitions, and then gives their rows as text of COPY. */
export class FoldThread {
  readonly #worker: Worker
  readonly #options: FoldThreadOptions
  readonly #folded = awaited<Folded>()
  #chunk = awaited<Uint8Array | null>()
  #progress: FoldProgress = { readCount: 0, parkedCount: 0 }

  constructor(job: FoldJob, options: FoldThreadOptions) {
    this.#options = options
    this.#worker = new Worker(THREAD, {
      name: 'rebuild',
      workerData: job,
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MEGABYTES_MAX },
    })
    this.#worker.on('message', (message: FoldMessage) => this.#onMessage(message))
    this.#worker.on('error', (error) => this.#fail(errorMessage(error)))
    this.#worker.on('exit', (code) => this.#fail(`the thread ended with ${code}`))
  }

  get progress(): FoldProgress {
    return this.#progress
  }

  /** @throws {ThreadGaveUp} */
  get folded(): Promise<Folded> {
    return this.#folded.promise
  }

  /** The rows, once they are folded; the first chunk is made at once. @throws {ThreadGaveUp} */
  chunks(): AsyncGenerator<Uint8Array> {
    this.#askForChunk()
    return this.#chunks()
  }

  async *#chunks(): AsyncGenerator<Uint8Array> {
    for (;;) {
      const chunk = await this.#chunk.promise
      if (chunk === null) return
      this.#chunk = awaited()
      // The next one is made while this one is sent.
      this.#askForChunk()
      yield chunk
    }
  }

  #askForChunk(): void {
    this.#worker.postMessage(null, [])
  }

  async stop(): Promise<void> {
    await this.#worker.terminate()
  }

  #onMessage(message: FoldMessage): void {
    switch (message.kind) {
      case 'progress':
        this.#progress = message.progress
        this.#options.onProgress()
        break
      case 'trouble':
        this.#options.onTrouble(message.reason)
        break
      case 'folded':
        this.#folded.resolve(message.folded)
        break
      case 'gaveUp':
        this.#fail(message.reason)
        break
      case 'rows':
        this.#chunk.resolve(message.chunk)
        break
    }
  }

  #fail(reason: string): void {
    const error = new ThreadGaveUp(reason)
    this.#folded.reject(error)
    this.#chunk.reject(error)
  }
}

/** Nobody may have asked yet, or any more, when the thread fails. */
function awaited<T>(): PromiseWithResolvers<T> {
  const resolvers = Promise.withResolvers<T>()
  resolvers.promise.catch(() => undefined)
  return resolvers
}
