import { type Disk, type DiskCallback, type DiskFile, StorageError } from '@fairlead/log'
import { nodeDisk } from '@fairlead/runtime'

type FileOperation = { readonly kind: 'write' | 'datasync'; readonly path: string }

export type BreakableDisk = Disk & {
  /** The error code that an operation on a file ends with; undefined lets it be. */
  breakWith: (operation: FileOperation) => string | undefined
}

/** The real disk, until a test breaks it. */
export function breakableDisk(): BreakableDisk {
  const real = nodeDisk()
  const disk: BreakableDisk = {
    ...real,
    breakWith: () => undefined,
    open: (path, mode, done) =>
      real.open(path, mode, (result) => {
        if (result.ok) done({ ok: true, value: breakable(result.value, path, disk) })
        else done(result)
      }),
  }
  return disk
}

function breakable(file: DiskFile, path: string, disk: BreakableDisk): DiskFile {
  const isBroken = (kind: FileOperation['kind'], done: DiskCallback<void>): boolean => {
    const code = disk.breakWith({ kind, path })
    if (code === undefined) return false
    done({ ok: false, error: new StorageError(`${code}: ${path}`, { code }) })
    return true
  }
  return {
    ...file,
    write: (position, chunks, done) => {
      if (!isBroken('write', done)) file.write(position, chunks, done)
    },
    datasync: (done) => {
      if (!isBroken('datasync', done)) file.datasync(done)
    },
  }
}
