import { invariant } from '@fairlead/base'
import { type Disk, type DiskFile, StorageError } from '../disk.ts'
import { type DiskTask, perform, readFile, replaceFile, writeNewFile } from '../disk-task.ts'

/** One fact that every `Disk` must show, in an empty directory. It throws when it does not hold. */
export type DiskFact = {
  readonly fact: string
  readonly check: (disk: Disk, directory: string) => DiskTask<void>
}

/** The contract of the `Disk` port, for the adapter on Node and for the simulated disk alike. */
export const DISK_CONTRACT: readonly DiskFact[] = [
  {
    fact: 'a write of several chunks at a position is read back as one',
    *check(disk, directory) {
      const file = yield* opened(disk, `${directory}/a`)
      yield* write(file, 0, [bytesOf(1, 2, 3)])
      yield* write(file, 2, [bytesOf(7), bytesOf(), bytesOf(8, 9)])
      yield* perform<void>((done) => file.datasync(done))
      yield* perform<void>((done) => file.close(done))
      requireBytes(yield* readFile(disk, `${directory}/a`), bytesOf(1, 2, 7, 8, 9))
    },
  },
  {
    fact: 'a large write is whole',
    *check(disk, directory) {
      const chunks = Array.from({ length: 70 }, (_, at) => new Uint8Array(30_000).fill(at))
      const file = yield* opened(disk, `${directory}/a`)
      yield* write(file, 0, chunks)
      yield* perform<void>((done) => file.close(done))
      const content = yield* readFile(disk, `${directory}/a`)
      invariant(content.length === 70 * 30_000, 'every byte is there')
      const isRight = chunks.every((_, at) => content[at * 30_000 + 29_999] === at)
      invariant(isRight, 'chunks keep their order')
    },
  },
  {
    fact: 'a read is short only at the end of the file',
    *check(disk, directory) {
      const file = yield* opened(disk, `${directory}/a`)
      yield* write(file, 0, [bytesOf(1, 2, 3)])
      const target = new Uint8Array(4)
      const count = yield* perform<number>((done) => file.read(1, target, done))
      const beyond = yield* perform<number>((done) => file.read(9, target, done))
      yield* perform<void>((done) => file.close(done))
      invariant(count === 2 && target[0] === 2 && target[1] === 3, 'the rest of the file is read')
      invariant(beyond === 0, 'nothing is read beyond the end')
    },
  },
  {
    fact: 'truncation cuts, and the next write goes on there',
    *check(disk, directory) {
      const file = yield* opened(disk, `${directory}/a`)
      yield* write(file, 0, [bytesOf(1, 2, 3)])
      yield* perform<void>((done) => file.truncate(1, done))
      yield* write(file, 1, [bytesOf(9)])
      yield* perform<void>((done) => file.close(done))
      requireBytes(yield* readFile(disk, `${directory}/a`), bytesOf(1, 9))
    },
  },
  {
    fact: 'opening to create keeps what the file holds',
    *check(disk, directory) {
      yield* writeNewFile(disk, `${directory}/a`, bytesOf(5))
      const file = yield* opened(disk, `${directory}/a`)
      yield* perform<void>((done) => file.close(done))
      const sizeBytes = yield* perform<number>((done) => disk.fileSizeBytes(`${directory}/a`, done))
      invariant(sizeBytes === 1, 'the byte is still there')
    },
  },
  {
    fact: 'a replaced file has its new content, and no temporary file stays',
    *check(disk, directory) {
      yield* replaceFile(disk, directory, 'a', bytesOf(1))
      yield* replaceFile(disk, directory, 'a', bytesOf(2, 2))
      requireBytes(yield* readFile(disk, `${directory}/a`), bytesOf(2, 2))
      yield* requireNames(disk, directory, ['a'])
    },
  },
  {
    fact: 'names are listed in order',
    *check(disk, directory) {
      for (const name of ['b', 'a-1', 'a', 'B']) {
        yield* writeNewFile(disk, `${directory}/${name}`, bytesOf())
      }
      yield* requireNames(disk, directory, ['B', 'a', 'a-1', 'b'])
    },
  },
  {
    fact: 'a directory moves with its files, and can be removed once it is empty',
    *check(disk, directory) {
      const deep = `${directory}/x/y`
      yield* perform<void>((done) => disk.makeDirectory(deep, done))
      yield* perform<void>((done) => disk.makeDirectory(deep, done))
      yield* writeNewFile(disk, `${deep}/a`, bytesOf(1))
      yield* perform<void>((done) => disk.rename(`${directory}/x`, `${directory}/z`, done))
      const moved = `${directory}/z/y`
      requireBytes(yield* readFile(disk, `${moved}/a`), bytesOf(1))
      yield* requireFailure('ENOTEMPTY', (done) => disk.removeDirectory(moved, done))
      yield* perform<void>((done) => disk.removeFile(`${moved}/a`, done))
      yield* perform<void>((done) => disk.removeDirectory(moved, done))
      yield* perform<void>((done) => disk.syncDirectory(`${directory}/z`, done))
      yield* requireNames(disk, `${directory}/z`, [])
    },
  },
  {
    fact: 'a file that does not exist is ENOENT',
    *check(disk, directory) {
      const missing = `${directory}/missing`
      yield* requireFailure('ENOENT', (done) => disk.open(missing, 'existing', done))
      yield* requireFailure('ENOENT', (done) => disk.fileSizeBytes(missing, done))
      yield* requireFailure('ENOENT', (done) => disk.removeFile(missing, done))
      yield* requireFailure('ENOENT', (done) => disk.list(missing, done))
      yield* requireFailure('ENOENT', (done) => disk.rename(missing, `${directory}/a`, done))
    },
  },
]

function* opened(disk: Disk, path: string): DiskTask<DiskFile> {
  return yield* perform<DiskFile>((done) => disk.open(path, 'create', done))
}

function* write(file: DiskFile, position: number, chunks: readonly Uint8Array[]): DiskTask<void> {
  yield* perform<void>((done) => file.write(position, chunks, done))
}

function* requireFailure<Value>(
  code: string,
  start: Parameters<typeof perform<Value>>[0],
): DiskTask<void> {
  let found = 'none'
  try {
    yield* perform<Value>(start)
  } catch (error) {
    if (!(error instanceof StorageError)) throw error
    found = error.code
  }
  invariant(found === code, () => `the failure is ${code}, not ${found}`)
}

function* requireNames(disk: Disk, directory: string, expected: readonly string[]): DiskTask<void> {
  const names = yield* perform<readonly string[]>((done) => disk.list(directory, done))
  invariant(names.join() === expected.join(), () => `the names are ${names.join()}`)
}

function requireBytes(actual: Uint8Array, expected: Uint8Array): void {
  invariant(actual.join() === expected.join(), () => `the bytes are ${actual.join()}`)
}

function bytesOf(...values: number[]): Uint8Array {
  return new Uint8Array(values)
}
