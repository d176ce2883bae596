import { invariant } from '@fairlead/base'
import { type Disk, type DiskCallback, type DiskFile, StorageError } from '@fairlead/log'
import type { CrashChoices } from './crash-choices.ts'
import { diskFailure } from './disk-failure.ts'
import type { SimulatedFile } from './simulated-file.ts'
import { SimulatedNames } from './simulated-names.ts'

/** What reaches the hook before each operation of a `SimulatedDisk`. */
export type SimulatedOperation = {
  readonly kind:
    | 'open'
    | 'size'
    | 'read'
    | 'write'
    | 'datasync'
    | 'truncate'
    | 'rename'
    | 'removeFile'
    | 'removeDirectory'
    | 'makeDirectory'
    | 'list'
    | 'syncDirectory'
  readonly path: string
  /** Bytes of a write; 0 otherwise. */
  readonly sizeBytes: number
}

/**
 * What the hook decides: `proceed`; `fail` with an error code of the operating system, after a part of
 * a write was done; `lie`, for a sync that is answered and not done; or `crash`, after which this
 * disk answers nothing any more (`survivor` is what the next process finds).
 */
export type SimulatedFault =
  | { readonly kind: 'proceed' }
  | { readonly kind: 'fail'; readonly code: string; readonly keptBytes?: number }
  | { readonly kind: 'lie' }
  | { readonly kind: 'crash'; readonly keptBytes: number }

/**
 * When an operation takes effect and completes: before the call returns; when the test runs it, in
 * an order of its choice; or when whoever is given it runs it, such as a kernel after a delay.
 */
export type Completion =
  | 'immediate'
  | 'queued'
  | ((complete: () => void, operation: Pick<SimulatedOperation, 'path'> & { kind: string }) => void)

const PROCEED: SimulatedFault = { kind: 'proceed' }

/**
 * A disk in memory that forgets as a real one does. Bytes survive a crash after `datasync` of their
 * file, names after `syncDirectory` of their parent; of everything else the crash keeps what the
 * test chooses, down to a byte of one write. A sync that fails loses what it should have covered.
 */
export class SimulatedDisk implements Disk {
  /** Consulted before each operation. */
  hook: (operation: SimulatedOperation) => SimulatedFault = () => PROCEED
  /** A write that would need more than this in all files fails with ENOSPC, after what fits. */
  capacityBytes: number = Number.POSITIVE_INFINITY
  readonly #names: SimulatedNames
  readonly #queue: (() => void)[] = []
  readonly #completion: Completion
  readonly #openFiles = new Map<SimulatedFile, number>()
  #hasCrashed = false

  constructor(options: { readonly completion?: Completion; readonly names?: SimulatedNames } = {}) {
    this.#completion = options.completion ?? 'immediate'
    this.#names = options.names ?? new SimulatedNames()
  }

  get hasCrashed(): boolean {
    return this.#hasCrashed
  }

  /** Number of files that were opened and not closed. */
  get openFileCount(): number {
    return [...this.#openFiles.values()].reduce((sum, count) => sum + count, 0)
  }

  /** Of all files that have a name or are open. */
  get usedBytes(): number {
    const files = new Set([...this.#names.files(), ...this.#openFiles.keys()])
    return [...files].reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
  }

  /** Number of completions that wait for `complete`. */
  get queuedCount(): number {
    return this.#queue.length
  }

  /** Runs the queued completion at `index`. */
  complete(index: number): void {
    const [next] = this.#queue.splice(index, 1)
    invariant(next !== undefined, 'there is a completion at this index')
    next()
  }

  /** Runs queued completions, oldest first, until none is left. */
  drain(): void {
    while (this.queuedCount > 0) this.complete(0)
  }

  /** No operation has an effect or completes any more. */
  crash(): void {
    this.#hasCrashed = true
  }

  /** The process is killed: the next one finds every effect, synced or not, in the page cache. */
  afterKill(completion: Completion = this.#completion): SimulatedDisk {
    this.crash()
    const disk = new SimulatedDisk({ completion, names: this.#names })
    disk.capacityBytes = this.capacityBytes
    return disk
  }

  /** Power is lost: the disk that the next process finds. This one stays as it is. */
  survivor(choices: CrashChoices, completion: Completion = this.#completion): SimulatedDisk {
    const survivor = new SimulatedDisk({ completion, names: this.#names.afterCrash(choices) })
    survivor.capacityBytes = this.capacityBytes
    return survivor
  }

  /** For tests that damage a file behind its owner's back: the content, to be changed in place. */
  contentOf(path: string): Uint8Array {
    return this.#names.file(path).expose()
  }

  paths(): string[] {
    return this.#names.paths()
  }

  open(path: string, mode: 'existing' | 'create', done: DiskCallback<DiskFile>): void {
    this.#run({ kind: 'open', path, sizeBytes: 0 }, done, () => {
      if (mode === 'create' && !this.#names.has(path)) this.#names.create(path)
      return this.#file(path, this.#names.file(path))
    })
  }

  fileSizeBytes(path: string, done: DiskCallback<number>): void {
    const operation = { kind: 'size', path, sizeBytes: 0 } as const
    this.#run(operation, done, () => this.#names.file(path).sizeBytes)
  }

  rename(from: string, to: string, done: DiskCallback<void>): void {
    const operation = { kind: 'rename', path: from, sizeBytes: 0 } as const
    this.#run(operation, done, () => this.#names.rename(from, to))
  }

  removeFile(path: string, done: DiskCallback<void>): void {
    const operation = { kind: 'removeFile', path, sizeBytes: 0 } as const
    this.#run(operation, done, () => this.#names.removeFile(path))
  }

  removeDirectory(path: string, done: DiskCallback<void>): void {
    const operation = { kind: 'removeDirectory', path, sizeBytes: 0 } as const
    this.#run(operation, done, () => this.#names.removeDirectory(path))
  }

  makeDirectory(path: string, done: DiskCallback<void>): void {
    const operation = { kind: 'makeDirectory', path, sizeBytes: 0 } as const
    this.#run(operation, done, () => this.#names.makeDirectory(path))
  }

  list(path: string, done: DiskCallback<readonly string[]>): void {
    const operation = { kind: 'list', path, sizeBytes: 0 } as const
    this.#run(operation, done, () => this.#names.list(path))
  }

  syncDirectory(path: string, done: DiskCallback<void>): void {
    const operation = { kind: 'syncDirectory', path, sizeBytes: 0 } as const
    this.#run(operation, done, () => this.#names.sync(path))
  }

  #file(path: string, file: SimulatedFile): DiskFile {
    this.#openFiles.set(file, (this.#openFiles.get(file) ?? 0) + 1)
    let isOpen = true
    const start = <Value>(
      kind: 'read' | 'write' | 'truncate' | 'datasync',
      done: DiskCallback<Value>,
      effect: () => Value,
      write: { readonly sizeBytes: number; readonly onFailure: (keptBytes: number) => void } = {
        sizeBytes: 0,
        onFailure: () => {},
      },
    ): void => {
      const whileOpen = (): Value => {
        if (!isOpen) throw diskFailure('EBADF', path)
        return effect()
      }
      this.#run({ kind, path, sizeBytes: write.sizeBytes }, done, whileOpen, write.onFailure)
    }
    return {
      read: (position, target, done) => {
        start('read', done, () => file.read(position, target))
      },
      write: (position, chunks, done) => {
        const bytes = concatenated(chunks)
        const keep = (keptBytes: number) =>
          file.change({ kind: 'write', position, bytes: bytes.subarray(0, keptBytes) })
        const effect = (): void => {
          const roomBytes = this.#roomBytes(file, position)
          keep(Math.min(roomBytes, bytes.length))
          if (roomBytes < bytes.length) throw diskFailure('ENOSPC', path)
        }
        start('write', done, effect, { sizeBytes: bytes.length, onFailure: keep })
      },
      truncate: (sizeBytes, done) => {
        start('truncate', done, () => file.change({ kind: 'truncate', sizeBytes }))
      },
      datasync: (done) => {
        // Only what was written when the sync began is sure to be covered.
        const covered = file.changeCount
        const onFailure = () => file.syncFailed(covered)
        start('datasync', done, () => file.synced(covered), { sizeBytes: 0, onFailure })
      },
      close: (done) =>
        this.#complete({ kind: 'close', path }, () => {
          invariant(isOpen, () => `${path} is closed once`)
          isOpen = false
          const count = this.#openFiles.get(file) ?? 0
          if (count > 1) this.#openFiles.set(file, count - 1)
          else this.#openFiles.delete(file)
          done({ ok: true, value: undefined })
        }),
    }
  }

  /** How many bytes a write at `position` may have. */
  #roomBytes(file: SimulatedFile, position: number): number {
    if (this.capacityBytes === Number.POSITIVE_INFINITY) return Number.POSITIVE_INFINITY
    const freeBytes = Math.max(0, this.capacityBytes - this.usedBytes)
    return Math.max(0, file.sizeBytes - position + freeBytes)
  }

  #run<Value>(
    operation: SimulatedOperation,
    done: DiskCallback<Value>,
    effect: () => Value,
    onFailure: (keptBytes: number) => void = () => {},
  ): void {
    this.#complete(operation, () => {
      const fault = this.hook(operation)
      switch (fault.kind) {
        case 'proceed':
          done(attempt(effect))
          break
        case 'fail':
          onFailure(fault.keptBytes ?? 0)
          done({ ok: false, error: diskFailure(fault.code, operation.path) })
          break
        case 'lie':
          invariant(/sync/i.test(operation.kind), 'only a sync can lie')
          done({ ok: true, value: undefined as Value })
          break
        case 'crash':
          if (operation.kind === 'write') onFailure(fault.keptBytes)
          this.crash()
          break
      }
    })
  }

  #complete(
    operation: { readonly kind: string; readonly path: string },
    completion: () => void,
  ): void {
    const guarded = () => {
      if (!this.#hasCrashed) completion()
    }
    if (this.#completion === 'immediate') guarded()
    else if (this.#completion === 'queued') this.#queue.push(guarded)
    else this.#completion(guarded, operation)
  }
}

function attempt<Value>(effect: () => Value) {
  try {
    return { ok: true, value: effect() } as const
  } catch (error) {
    if (error instanceof StorageError) return { ok: false, error } as const
    throw error
  }
}

function concatenated(chunks: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0))
  let position = 0
  for (const chunk of chunks) {
    bytes.set(chunk, position)
    position += chunk.length
  }
  return bytes
}
