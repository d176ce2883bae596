import { type Disk, type DiskCallback, type DiskFile, StorageError } from '@fairlead/log'
import { nodeDisk } from '@fairlead/runtime'

type FileOperation = {
  readonly kind: 'write' | 'datasync' | 'makeDirectory' | 'rename'
  readonly path: string
}

export type BreakableDisk = Disk & {
  /** The error code that an operation ends with; undefined lets it be. */
  breakWith: (operation: FileOperation) => string | undefined
}

/** The real disk, until a test breaks it. */
export function breakableDisk(): BreakableDisk {
  const real = nodeDisk()
  const disk: BreakableDisk = {
    ...real,
    breakWith: () => undefined,
    makeDirectory: (path, done) => {
      if (!isBroken(disk, { kind: 'makeDirectory', path }, done)) real.makeDirectory(path, done)
    },
    rename: (from, to, done) => {
      if (!isBroken(disk, { kind: 'rename', path: from }, done)) real.rename(from, to, done)
    },
    open: (path, mode, done) =>
      real.open(path, mode, (result) => {
        if (result.ok) done({ ok: true, value: breakable(result.value, path, disk) })
        else done(result)
      }),
  }
  return disk
}

function breakable(file: DiskFile, path: string, disk: BreakableDisk): DiskFile {
  return {
    ...file,
    write: (position, chunks, done) => {
      if (!isBroken(disk, { kind: 'write', path }, done)) file.write(position, chunks, done)
    },
    datasync: (done) => {
      if (!isBroken(disk, { kind: 'datasync', path }, done)) file.datasync(done)
    },
  }
}

function isBroken(
  { breakWith }: BreakableDisk,
  operation: FileOperation,
  done: DiskCallback<void>,
): boolean {
  const code = breakWith(operation)
  if (code === undefined) return false
  done({ ok: false, error: new StorageError(`${code}: ${operation.path}`, { code }) })
  return true
}
