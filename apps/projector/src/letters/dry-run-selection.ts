import type { ServerResponse } from 'node:http'
import { OperationalError } from '@fairlead/base'
import type { Letter } from '@fairlead/projection'
import type { ProjectionRunner } from '../projection-runner.ts'
import type { Database } from '../store/database.ts'
import { type LetterSelection, keysOf, nothingSelected } from '../store/letter-orders.ts'
import { readLettersOf, readParkedKeys } from '../store/letter-queue.ts'
import { DRY_RUN_TOO_LONG, type DryRun, dryRun } from './dry-run.ts'

/** Clients wait for 30 s. */
const DRY_RUN_TIMEOUT_MS = 25_000

/** As JSON. */
type DryRunAnswer = Omit<DryRun, 'failed'> & {
  readonly failed: readonly (Letter['cause'] & { readonly id: string })[]
}

type Selected = {
  readonly db: Database
  readonly runner: Pick<ProjectionRunner, 'registered' | 'reader' | 'signal'>
  readonly selection: LetterSelection
}

/**
 * What a replay of the letters that are selected would change.
 *
 * @throws {OperationalError} when it takes too long, when who has asked is gone, and when the projector stops.
 *   {LetterOrderError} NOT_FOUND when nothing is selected. What `dryRun` throws.
 */
export async function dryRunWhileWaitedFor(
  response: ServerResponse,
  selected: Selected,
): Promise<DryRunAnswer> {
  const stopping = selected.runner.signal
  const ended = new AbortController()
  const end = (message: string, code: string) => () =>
    ended.abort(new OperationalError(message, { code, retryable: true }))
  const late = end(`the dry run did not end within ${DRY_RUN_TIMEOUT_MS} ms`, DRY_RUN_TOO_LONG)
  const timer = setTimeout(late, DRY_RUN_TIMEOUT_MS)
  const gone = end('nobody waits for the answer', 'ECONNRESET')
  response.once('close', gone)
  const stopped = end('the projector stops', 'STOPPING')
  stopping.addEventListener('abort', stopped, { once: true })
  try {
    return await dryRunAll(selected, ended.signal)
  } finally {
    clearTimeout(timer)
    response.off('close', gone)
    stopping.removeEventListener('abort', stopped)
  }
}

/** Topics have no keys in common: each is tried out on its own. */
async function dryRunAll(
  { db, runner: { registered, reader }, selection }: Selected,
  signal: AbortSignal,
): Promise<DryRunAnswer> {
  const runs: DryRun[] = []
  for (const { topic } of registered.projection.sources) {
    const owner = { ...registered, topic }
    const { keys, isCut } = await readParkedKeys(
      db,
      owner,
      await keysOf(
        db,
        { projectionId: registered.projectionId, version: registered.projection.version },
        selection,
      ),
    )
    if (keys.length === 0) continue
    // A letter is replayed alone, and all other selections mean whole keys.
    const lettersLeft = selection.by === 'id' ? 1 : null
    const queue = await readLettersOf(
      db,
      owner,
      keys.map((key) => ({ ...key, lettersLeft })),
    )
    const run = await dryRun(db, owner, { reader, queue, signal })
    runs.push({ ...run, isCut: run.isCut || isCut })
  }
  if (runs.length === 0) throw nothingSelected(selection)
  return {
    appliedCount: runs.reduce((sum, { appliedCount }) => sum + appliedCount, 0),
    failed: runs.flatMap(({ failed }) =>
      failed.map(({ id, cause }) => ({ id: String(id), ...cause })),
    ),
    changes: runs.flatMap(({ changes }) => changes),
    isCut: runs.some(({ isCut }) => isCut),
  }
}
