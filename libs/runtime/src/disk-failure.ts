import { StorageError } from '@fairlead/log'

/** What the operating system threw, as the result of an operation on `path`. */
export function diskFailure(
  cause: unknown,
  path: string,
): { readonly ok: false; readonly error: StorageError } {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'EIO'
  const message = cause instanceof Error ? cause.message : String(cause)
  return { ok: false, error: new StorageError(`${path}: ${message}`, { code, cause }) }
}
