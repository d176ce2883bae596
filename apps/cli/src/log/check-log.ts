import { type DamagedRange, type DiskTask, readStoredLog, runTask, scrubLog } from '@fairlead/log'
import { blockingDisk, nativeCrc32c } from '@fairlead/runtime'

const BUFFER_BYTES = 1_048_576

export type LogCheck = {
  readonly segmentCount: number
  readonly checkedBytes: number
  /** See `StoredLog`. */
  readonly tailBytes: number
  readonly damaged: readonly DamagedRange[]
}

/** Reads a partition on this disk as a broker's scrub does. @throws {StorageError} */
export function checkLog(directory: string): LogCheck {
  const damaged: DamagedRange[] = []
  const ports = { disk: blockingDisk(), crc32c: nativeCrc32c }
  const onDamage = (range: DamagedRange): void => void damaged.push(range)
  const stored = completed(readStoredLog({ ...ports, directory, bufferBytes: BUFFER_BYTES }))
  const checkedBytes = completed(scrubLog(stored.job, { ...ports, onDamage }))
  const { segmentCount, tailBytes } = stored
  return { segmentCount, checkedBytes, tailBytes, damaged }
}

/** With a disk that blocks, a task ends before it returns. */
function completed<Value>(task: DiskTask<Value>): Value {
  const results: Value[] = []
  runTask(task, (result) => {
    if (!result.ok) throw result.error
    results.push(result.value)
  })
  const [value] = results
  if (results.length === 0) throw new Error('the disk has not answered')
  return value as Value
}
