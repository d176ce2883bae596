import { StorageError } from '@fairlead/log'

/** What the operating system answers: `code` as in errno, `EIO` or `ENOSPC`. */
export function diskFailure(code: string, path: string): StorageError {
  return new StorageError(`${code}: ${path}`, { code })
}
