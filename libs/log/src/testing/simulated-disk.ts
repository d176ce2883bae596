import { invariant } from '@fairlead/base'
import { type Disk, type DiskCallback, type DiskFile, StorageError } from '../disk.ts'

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
 * What the hook decides: `proceed`; fail with an error code of the operating system; or `crash`,
 * after which this disk answers nothing any more (`survivor` is what the next process finds).
 */
export type SimulatedFault =
  | { readonly kind: 'proceed' }
  | { readonly kind: 'fail'; readonly code: string }
  | { readonly kind: 'crash'; readonly keptBytes: number }

/** How much of what was not synced survives a crash. */
export type CrashChoices = {
  /** How many of the `count` unsynced changes of a file survive, in the order they were made. */
  readonly keptChanges: (count: number) => number
  /** How many bytes of the first change that does not survive whole. */
  readonly tornBytes: (sizeBytes: number) => number
  /** How many of the `count` unsynced creations, renames and removals survive, in order. */
  readonly keptEntries: (count: number) => number
}

export const LOSE_UNSYNCED: CrashChoices = {
  keptChanges: () => 0,
  tornBytes: () => 0,
  keptEntries: () => 0,
}

export const KEEP_UNSYNCED: CrashChoices = {
  keptChanges: (count) => count,
  tornBytes: (sizeBytes) => sizeBytes,
  keptEntries: (count) => count,
}

type Change =
  | { readonly kind: 'write'; readonly position: number; readonly bytes: Uint8Array }
  | { readonly kind: 'truncate'; readonly sizeBytes: number }

type Inode = { content: Uint8Array; durable: Uint8Array; unsynced: Change[] }

type EntryChange =
  | { readonly kind: 'put'; readonly path: string; readonly inode: Inode | null }
  | { readonly kind: 'remove'; readonly path: string }
  | {
      readonly kind: 'rename'
      readonly from: string
      readonly to: string
    }

const PROCEED: SimulatedFault = { kind: 'proceed' }

/**
 * A disk in memory that forgets as a real one does. Bytes survive a crash after `datasync` of their
 * file, names after `syncDirectory` of their parent; of everything else the crash keeps a prefix
 * that the test chooses, down to a byte of one write.
 *
 * Completions are immediate, or queued until the test runs them in an order of its choice. A path
 * maps to an inode, or to null for a directory.
 */
export class SimulatedDisk implements Disk {
  /** Consulted before each operation. */
  hook: (operation: SimulatedOperation) => SimulatedFault = () => PROCEED
  readonly #entries: Map<string, Inode | null>
  readonly #durableEntries: Map<string, Inode | null>
  #unsyncedEntries: EntryChange[] = []
  readonly #queue: (() => void)[] | undefined
  #hasCrashed = false
  #openFileCount = 0

  constructor(
    options: { readonly completion: 'immediate' | 'queued' } = { completion: 'immediate' },
  ) {
    this.#queue = options.completion === 'queued' ? [] : undefined
    this.#entries = new Map()
    this.#durableEntries = new Map()
  }

  get hasCrashed(): boolean {
    return this.#hasCrashed
  }

  /** Number of files that were opened and not closed. */
  get openFileCount(): number {
    return this.#openFileCount
  }

  /** Number of completions that wait for `complete`. */
  get queuedCount(): number {
    return this.#queue?.length ?? 0
  }

  /** Runs the queued completion at `index`. */
  complete(index: number): void {
    const [next] = this.#queue?.splice(index, 1) ?? []
    invariant(next !== undefined, 'there is a completion at this index')
    next()
  }

  /** Runs queued completions, oldest first, until none is left. */
  drain(): void {
    while (this.queuedCount > 0) this.complete(0)
  }

  /** The disk that the next process finds after a crash now. This one stays as it is. */
  survivor(
    choices: CrashChoices,
    completion: 'immediate' | 'queued' = this.#queue === undefined ? 'immediate' : 'queued',
  ): SimulatedDisk {
    const survivor = new SimulatedDisk({ completion })
    const entries = new Map(this.#durableEntries)
    const kept = choices.keptEntries(this.#unsyncedEntries.length)
    for (const change of this.#unsyncedEntries.slice(0, kept)) applyEntry(entries, change)
    const copies = new Map<Inode, Inode>()
    for (const [path, inode] of entries) {
      const copy = inode === null ? null : (copies.get(inode) ?? afterCrash(inode, choices))
      if (inode !== null && copy !== null) copies.set(inode, copy)
      survivor.#entries.set(path, copy)
      survivor.#durableEntries.set(path, copy)
    }
    return survivor
  }

  /** For tests that damage a file behind the log's back: the content, to be changed in place. */
  contentOf(path: string): Uint8Array {
    const inode = this.#entries.get(path)
    invariant(inode !== undefined && inode !== null, () => `${path} is a file`)
    inode.content = inode.content.slice()
    inode.durable = inode.content
    inode.unsynced = []
    return inode.content
  }

  paths(): string[] {
    return [...this.#entries.keys()].sort()
  }

  open(path: string, mode: 'existing' | 'create', done: DiskCallback<DiskFile>): void {
    this.#run({ kind: 'open', path, sizeBytes: 0 }, done, () => {
      const found = this.#entries.get(path)
      if (found === null) throw failure('EISDIR', path)
      if (found !== undefined) return this.#file(path, found)
      if (mode === 'existing') throw failure('ENOENT', path)
      this.#requireDirectory(parentOf(path))
      const inode: Inode = { content: new Uint8Array(), durable: new Uint8Array(), unsynced: [] }
      this.#change({ kind: 'put', path, inode })
      return this.#file(path, inode)
    })
  }

  fileSizeBytes(path: string, done: DiskCallback<number>): void {
    this.#run({ kind: 'size', path, sizeBytes: 0 }, done, () => this.#inode(path).content.length)
  }

  rename(from: string, to: string, done: DiskCallback<void>): void {
    this.#run({ kind: 'rename', path: from, sizeBytes: 0 }, done, () => {
      const moved = this.#entries.get(from)
      if (moved === undefined) throw failure('ENOENT', from)
      if (moved === null && this.#namesIn(to).length > 0) throw failure('ENOTEMPTY', to)
      this.#requireDirectory(parentOf(to))
      this.#change({ kind: 'rename', from, to })
    })
  }

  removeFile(path: string, done: DiskCallback<void>): void {
    this.#run({ kind: 'removeFile', path, sizeBytes: 0 }, done, () => {
      this.#inode(path)
      this.#change({ kind: 'remove', path })
    })
  }

  removeDirectory(path: string, done: DiskCallback<void>): void {
    this.#run({ kind: 'removeDirectory', path, sizeBytes: 0 }, done, () => {
      this.#requireDirectory(path)
      if (this.#namesIn(path).length > 0) throw failure('ENOTEMPTY', path)
      this.#change({ kind: 'remove', path })
    })
  }

  makeDirectory(path: string, done: DiskCallback<void>): void {
    this.#run({ kind: 'makeDirectory', path, sizeBytes: 0 }, done, () => {
      for (const directory of [...ancestorsOf(path), path]) {
        const found = this.#entries.get(directory)
        if (found !== undefined && found !== null) throw failure('EEXIST', directory)
        if (found === undefined) this.#change({ kind: 'put', path: directory, inode: null })
      }
    })
  }

  list(path: string, done: DiskCallback<readonly string[]>): void {
    this.#run({ kind: 'list', path, sizeBytes: 0 }, done, () => {
      this.#requireDirectory(path)
      return this.#namesIn(path)
    })
  }

  syncDirectory(path: string, done: DiskCallback<void>): void {
    this.#run({ kind: 'syncDirectory', path, sizeBytes: 0 }, done, () => {
      this.#requireDirectory(path)
      const isBelow = (change: EntryChange) =>
        parentOf(change.kind === 'rename' ? change.to : change.path) === path
      // File systems log changes of names in order: whatever came before is durable too.
      const last = this.#unsyncedEntries.findLastIndex(isBelow)
      const synced = this.#unsyncedEntries.splice(0, last + 1)
      for (const change of synced) applyEntry(this.#durableEntries, change)
    })
  }

  #file(path: string, inode: Inode): DiskFile {
    this.#openFileCount += 1
    let isOpen = true
    const whileOpen = <Value>(effect: () => Value) => {
      return (): Value => {
        if (!isOpen) throw failure('EBADF', path)
        return effect()
      }
    }
    return {
      read: (position, target, done) =>
        this.#run(
          { kind: 'read', path, sizeBytes: 0 },
          done,
          whileOpen(() => {
            const found = inode.content.subarray(position, position + target.length)
            target.set(found)
            return found.length
          }),
        ),
      write: (position, chunks, done) => {
        const bytes = concatenated(chunks)
        const torn = (keptBytes: number) => alter(inode, writeOf(position, bytes, keptBytes))
        this.#run(
          { kind: 'write', path, sizeBytes: bytes.length },
          done,
          whileOpen(() => alter(inode, { kind: 'write', position, bytes })),
          torn,
        )
      },
      truncate: (sizeBytes, done) =>
        this.#run(
          { kind: 'truncate', path, sizeBytes: 0 },
          done,
          whileOpen(() => {
            alter(inode, { kind: 'truncate', sizeBytes })
          }),
        ),
      datasync: (done) => {
        // Only what was written when the sync began is sure to be covered.
        const covered = inode.unsynced.length
        const content = inode.content
        this.#run(
          { kind: 'datasync', path, sizeBytes: 0 },
          done,
          whileOpen(() => {
            inode.durable = content
            inode.unsynced = inode.unsynced.slice(covered)
          }),
        )
      },
      close: (done) =>
        this.#complete(() => {
          invariant(isOpen, () => `${path} is closed once`)
          isOpen = false
          this.#openFileCount -= 1
          done({ ok: true, value: undefined })
        }),
    }
  }

  #run<Value>(
    operation: SimulatedOperation,
    done: DiskCallback<Value>,
    effect: () => Value,
    torn?: (keptBytes: number) => void,
  ): void {
    this.#complete(() => {
      const fault = this.hook(operation)
      if (fault.kind === 'crash') {
        torn?.(fault.keptBytes)
        this.#hasCrashed = true
        return
      }
      if (fault.kind === 'fail') {
        done({ ok: false, error: failure(fault.code, operation.path) })
        return
      }
      done(attempt(effect))
    })
  }

  #complete(completion: () => void): void {
    const guarded = () => {
      if (!this.#hasCrashed) completion()
    }
    if (this.#queue === undefined) guarded()
    else this.#queue.push(guarded)
  }

  #change(change: EntryChange): void {
    applyEntry(this.#entries, change)
    this.#unsyncedEntries.push(change)
  }

  #inode(path: string): Inode {
    const inode = this.#entries.get(path)
    if (inode === undefined) throw failure('ENOENT', path)
    if (inode === null) throw failure('EISDIR', path)
    return inode
  }

  #requireDirectory(path: string): void {
    if (path === '' || path === '/') return
    const found = this.#entries.get(path)
    if (found === undefined) throw failure('ENOENT', path)
    if (found !== null) throw failure('ENOTDIR', path)
  }

  #namesIn(directory: string): string[] {
    const names = [...this.#entries.keys()].filter((path) => parentOf(path) === directory)
    return names.map((path) => path.slice(directory.length + 1)).sort()
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

function applyEntry(entries: Map<string, Inode | null>, change: EntryChange): void {
  switch (change.kind) {
    case 'put':
      entries.set(change.path, change.inode)
      break
    case 'remove':
      entries.delete(change.path)
      break
    case 'rename':
      for (const [path, inode] of entries) {
        if (path !== change.from && !path.startsWith(`${change.from}/`)) continue
        entries.delete(path)
        entries.set(change.to + path.slice(change.from.length), inode)
      }
      break
  }
}

function afterCrash(inode: Inode, choices: CrashChoices): Inode {
  const survivor: Inode = { content: inode.durable, durable: inode.durable, unsynced: [] }
  const kept = choices.keptChanges(inode.unsynced.length)
  for (const change of inode.unsynced.slice(0, kept)) alter(survivor, change)
  const torn = inode.unsynced[kept]
  if (torn?.kind === 'write') {
    alter(survivor, writeOf(torn.position, torn.bytes, choices.tornBytes(torn.bytes.length)))
  }
  return { content: survivor.content, durable: survivor.content, unsynced: [] }
}

function writeOf(position: number, bytes: Uint8Array, keptBytes: number): Change {
  return { kind: 'write', position, bytes: bytes.subarray(0, keptBytes) }
}

/** Never in place: `durable` may share the content. */
function alter(inode: Inode, change: Change): void {
  const { content } = inode
  if (change.kind === 'truncate') {
    inode.content = new Uint8Array(change.sizeBytes)
    inode.content.set(content.subarray(0, change.sizeBytes))
  } else if (change.bytes.length > 0) {
    const end = change.position + change.bytes.length
    inode.content = new Uint8Array(Math.max(content.length, end))
    inode.content.set(content)
    inode.content.set(change.bytes, change.position)
  }
  inode.unsynced.push(change)
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

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/'))
}

function ancestorsOf(path: string): string[] {
  const parts = path.split('/').slice(1, -1)
  return parts.map((_, index) => `/${parts.slice(0, index + 1).join('/')}`)
}

function failure(code: string, path: string): StorageError {
  return new StorageError(`${code}: ${path}`, { code })
}
