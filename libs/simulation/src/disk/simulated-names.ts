import type { CrashChoices } from './crash-choices.ts'
import { diskFailure } from './disk-failure.ts'
import { SimulatedFile } from './simulated-file.ts'

/** Path → file, or null for a directory. */
type Entries = Map<string, SimulatedFile | null>

type EntryChange =
  | { readonly kind: 'put'; readonly path: string; readonly file: SimulatedFile | null }
  | { readonly kind: 'remove'; readonly path: string }
  | { readonly kind: 'rename'; readonly from: string; readonly to: string }

/**
 * The tree of names of a simulated disk, as the process sees it and as a crash leaves it.
 *
 * Invariant: the durable names are those of the last synced change and all before it; `#unsynced`
 * holds the changes since, oldest first.
 */
export class SimulatedNames {
  readonly #entries: Entries
  readonly #durable: Entries
  #unsynced: EntryChange[] = []
  /** Every name that a new directory has had since its parent was synced. */
  readonly #unsyncedDirectories = new Set<string>()

  constructor(entries: ReadonlyMap<string, SimulatedFile | null> = new Map()) {
    this.#entries = new Map(entries)
    this.#durable = new Map(entries)
  }

  has(path: string): boolean {
    return this.#entries.has(path)
  }

  paths(): string[] {
    return [...this.#entries.keys()].sort()
  }

  *files(): Iterable<SimulatedFile> {
    for (const file of this.#entries.values()) if (file !== null) yield file
  }

  file(path: string): SimulatedFile {
    const file = this.#entries.get(path)
    if (file === undefined) throw diskFailure('ENOENT', path)
    if (file === null) throw diskFailure('EISDIR', path)
    return file
  }

  create(path: string): void {
    this.#requireDirectory(parentOf(path))
    this.#change({ kind: 'put', path, file: new SimulatedFile() })
  }

  rename(from: string, to: string): void {
    const moved = this.#entries.get(from)
    if (moved === undefined) throw diskFailure('ENOENT', from)
    if (moved === null && this.#namesIn(to).length > 0) throw diskFailure('ENOTEMPTY', to)
    this.#requireDirectory(parentOf(to))
    this.#change({ kind: 'rename', from, to })
  }

  removeFile(path: string): void {
    this.file(path)
    this.#change({ kind: 'remove', path })
  }

  removeDirectory(path: string): void {
    this.#requireDirectory(path)
    if (this.#namesIn(path).length > 0) throw diskFailure('ENOTEMPTY', path)
    this.#change({ kind: 'remove', path })
  }

  makeDirectory(path: string): void {
    for (const directory of [...ancestorsOf(path), path]) {
      const found = this.#entries.get(directory)
      if (found !== undefined && found !== null) throw diskFailure('EEXIST', directory)
      if (found === undefined) this.#change({ kind: 'put', path: directory, file: null })
    }
  }

  list(path: string): readonly string[] {
    this.#requireDirectory(path)
    return this.#namesIn(path)
  }

  /** Makes changes directly under `path` durable. */
  sync(path: string): void {
    this.#requireDirectory(path)
    const isBelow = (change: EntryChange) =>
      parentOf(change.kind === 'rename' ? change.to : change.path) === path
    // File systems log changes of names in order: whatever came before is durable too.
    const last = this.#unsynced.findLastIndex(isBelow)
    for (const change of this.#unsynced.splice(0, last + 1)) apply(this.#durable, change)
    for (const directory of this.#unsyncedDirectories) {
      if (parentOf(directory) === path) this.#unsyncedDirectories.delete(directory)
    }
  }

  afterCrash(choices: CrashChoices): SimulatedNames {
    const entries = new Map(this.#durable)
    const kept = choices.keptEntries(this.#unsynced.length)
    for (const change of this.#unsynced.slice(0, kept)) apply(entries, change)
    if (choices.losesUnsyncedDirectories === true) this.#removeUnsyncedDirectories(entries)
    const survivors = new Map<SimulatedFile, SimulatedFile>()
    for (const [path, file] of entries) {
      if (file === null) continue
      const survivor = survivors.get(file) ?? file.afterCrash(choices)
      survivors.set(file, survivor)
      entries.set(path, survivor)
    }
    return new SimulatedNames(entries)
  }

  #change(change: EntryChange): void {
    apply(this.#entries, change)
    this.#unsynced.push(change)
    if (change.kind === 'put' && change.file === null) this.#unsyncedDirectories.add(change.path)
    if (change.kind === 'rename' && this.#unsyncedDirectories.has(change.from)) {
      this.#unsyncedDirectories.add(change.to)
    }
  }

  #removeUnsyncedDirectories(entries: Entries): void {
    for (const directory of this.#unsyncedDirectories) {
      for (const path of entries.keys()) {
        if (path === directory || path.startsWith(`${directory}/`)) entries.delete(path)
      }
    }
  }

  #requireDirectory(path: string): void {
    if (path === '' || path === '/') return
    const found = this.#entries.get(path)
    if (found === undefined) throw diskFailure('ENOENT', path)
    if (found !== null) throw diskFailure('ENOTDIR', path)
  }

  #namesIn(directory: string): string[] {
    const names = [...this.#entries.keys()].filter((path) => parentOf(path) === directory)
    return names.map((path) => path.slice(directory.length + 1)).sort()
  }
}

function apply(entries: Entries, change: EntryChange): void {
  switch (change.kind) {
    case 'put':
      entries.set(change.path, change.file)
      break
    case 'remove':
      entries.delete(change.path)
      break
    case 'rename':
      for (const [path, file] of entries) {
        if (path !== change.from && !path.startsWith(`${change.from}/`)) continue
        entries.delete(path)
        entries.set(change.to + path.slice(change.from.length), file)
      }
      break
  }
}

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/'))
}

function ancestorsOf(path: string): string[] {
  const parts = path.split('/').slice(1, -1)
  return parts.map((_, index) => `/${parts.slice(0, index + 1).join('/')}`)
}
