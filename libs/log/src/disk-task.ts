import { invariant } from '@fairlead/base'
import {
  type Disk,
  type DiskCallback,
  type DiskFile,
  type DiskResult,
  StorageError,
} from './disk.ts'

/**
 * A procedure of several disk operations, written as a generator: each `yield*` of an operation
 * below resumes with its value, or throws its `StorageError`. This keeps recovery readable without
 * promises, which a synchronous simulator could not drain.
 */
export type DiskTask<Value> = Generator<DiskOperation, Value, DiskResult<unknown>>

type DiskOperation = (done: DiskCallback<unknown>) => void

/** Runs a task to its end. Only a `StorageError` is a result; anything else thrown is a bug. */
export function runTask<Value>(task: DiskTask<Value>, done: DiskCallback<Value>): void {
  // Operations may complete before they return: a loop, so that a long task does not grow the stack.
  let isLooping = false
  let completed: DiskResult<unknown> | undefined
  const resume = (result: DiskResult<unknown>): void => {
    invariant(completed === undefined, 'an operation completes once')
    completed = result
    if (isLooping) return
    isLooping = true
    let end: DiskResult<Value> | undefined
    while (completed !== undefined && end === undefined) {
      const input: DiskResult<unknown> = completed
      completed = undefined
      end = advance(task, input, resume)
    }
    isLooping = false
    if (end !== undefined) done(end)
  }
  resume(STARTED)
}

const STARTED: DiskResult<void> = { ok: true, value: undefined }

/** One step: to the next operation, which is started, or to the end, which is returned. */
function advance<Value>(
  task: DiskTask<Value>,
  input: DiskResult<unknown>,
  resume: DiskCallback<unknown>,
): DiskResult<Value> | undefined {
  let step: IteratorResult<DiskOperation, Value>
  try {
    step = task.next(input)
  } catch (error) {
    if (error instanceof StorageError) return { ok: false, error }
    throw error
  }
  if (step.done === true) return { ok: true, value: step.value }
  step.value(resume)
  return undefined
}

/** One operation as a task: yields it, and unwraps its result. */
export function* perform<Value>(start: (done: DiskCallback<Value>) => void): DiskTask<Value> {
  const result = yield (done) => start(done)
  if (!result.ok) throw result.error
  return result.value as Value
}

export function* readFile(disk: Disk, path: string): DiskTask<Uint8Array> {
  const sizeBytes = yield* perform<number>((done) => disk.fileSizeBytes(path, done))
  const bytes = new Uint8Array(sizeBytes)
  const file = yield* perform<DiskFile>((done) => disk.open(path, 'existing', done))
  try {
    const count = yield* perform<number>((done) => file.read(0, bytes, done))
    return bytes.subarray(0, count)
  } finally {
    yield* perform<void>((done) => file.close(done))
  }
}

/** What the file holds, or undefined when there is none. */
export function* readFileIfExists(disk: Disk, path: string): DiskTask<Uint8Array | undefined> {
  try {
    return yield* readFile(disk, path)
  } catch (error) {
    if (error instanceof StorageError && error.code === 'ENOENT') return undefined
    throw error
  }
}

/** The names in a directory, or undefined when there is none. */
export function* listIfExists(disk: Disk, path: string): DiskTask<readonly string[] | undefined> {
  try {
    return yield* perform<readonly string[]>((done) => disk.list(path, done))
  } catch (error) {
    if (error instanceof StorageError && error.code === 'ENOENT') return undefined
    throw error
  }
}

/** Writes a file under a new name. It survives a crash after `syncDirectory` of its parent. */
export function* writeNewFile(disk: Disk, path: string, bytes: Uint8Array): DiskTask<void> {
  const file = yield* perform<DiskFile>((done) => disk.open(path, 'create', done))
  try {
    yield* perform<void>((done) => file.truncate(0, done))
    yield* perform<void>((done) => file.write(0, [bytes], done))
    yield* perform<void>((done) => file.datasync(done))
  } finally {
    yield* perform<void>((done) => file.close(done))
  }
}

export const TEMPORARY_SUFFIX = '.tmp'

/**
 * Replaces a file so that a crash leaves either the old content or the new one, whole: the new name
 * appears only after the bytes are durable, and the directory is synced before anybody relies on it.
 */
export function* replaceFile(
  disk: Disk,
  directory: string,
  name: string,
  bytes: Uint8Array,
): DiskTask<void> {
  const path = `${directory}/${name}`
  const temporary = `${path}${TEMPORARY_SUFFIX}`
  yield* writeNewFile(disk, temporary, bytes)
  yield* perform<void>((done) => disk.rename(temporary, path, done))
  yield* perform<void>((done) => disk.syncDirectory(directory, done))
}
