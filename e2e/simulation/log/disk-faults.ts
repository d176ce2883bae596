import type {
  Completion,
  SeededRandom,
  SimulatedDisk,
  SimulatedFault,
  SimulatedLife,
  SimulatedOperation,
} from '@fairlead/simulation'

/** Operations of the disk take some time each, and thereby overtake each other. */
export function delayed(life: SimulatedLife, random: SeededRandom, delayMaxMs: number): Completion {
  return (complete, { kind, path }) => {
    const label = `disk ${kind} ${path.slice(path.lastIndexOf('/') + 1)}`
    life.after((random.uint32() / 0x1_0000_0000) * delayMaxMs, complete, label)
  }
}

const PROCEED: SimulatedFault = { kind: 'proceed' }
const CHANGES: ReadonlySet<SimulatedOperation['kind']> = new Set([
  'write',
  'datasync',
  'truncate',
  'rename',
  'removeFile',
  'makeDirectory',
  'syncDirectory',
])

/** One operation fails, somewhere among the next `withinOperations`. Reads fail without harm. */
export function failOnce(
  disk: SimulatedDisk,
  random: SeededRandom,
  options: { readonly withinOperations: number; readonly code: 'EIO' | 'ENOSPC' },
): () => SimulatedOperation | undefined {
  const { withinOperations, code } = options
  let left = random.int(withinOperations)
  let failed: SimulatedOperation | undefined
  disk.hook = (operation) => {
    left -= 1
    if (left > 0 || failed !== undefined || !CHANGES.has(operation.kind)) return PROCEED
    failed = operation
    return { kind: 'fail', code, keptBytes: random.int(operation.sizeBytes + 1) }
  }
  return () => failed
}

/** No write finds room, not even where bytes stand already, until the returned function is called. */
export function refuseWrites(disk: SimulatedDisk): () => void {
  disk.hook = ({ kind }) => (kind === 'write' ? { kind: 'fail', code: 'ENOSPC' } : PROCEED)
  return () => {
    disk.hook = () => PROCEED
  }
}

/** Every sync of this disk is answered and not done: the canary that a simulation must notice. */
export function lieAboutSyncs(disk: SimulatedDisk): void {
  disk.hook = ({ kind }) => (kind === 'datasync' ? { kind: 'lie' } : PROCEED)
}
