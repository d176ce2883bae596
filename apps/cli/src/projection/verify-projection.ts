import type { Verification as Answer } from '@fairlead/projection-admin'
import { type Command, EXIT, integerOption, isSet } from '../command/command.ts'
import type { JsonObject } from '../output/output.ts'
import { type Following, PROGRESS_NOTE, followJob, jobFailed } from './follow.ts'
import { PROJECTOR_OPTION, projectorApi } from '../command/projector-api.ts'
import { projectionPath, versionOption } from './projection-path.ts'

const SAMPLE_MAX = 100_000

export type Verification = JsonObject & Answer

export const VERIFY_PROJECTION: Command = {
  name: 'projection verify',
  summary: 'Folds some keys from the log again, and compares them with the rows.',
  positionals: '<projection>',
  positionalCount: { min: 1, max: 1 },
  options: {
    version: { value: 'n', doc: 'of this version (default: the live one)' },
    sample: { value: 'n', doc: `about so many keys, 1 to ${SAMPLE_MAX} (default: 100)` },
    'accept-missing-history': { doc: 'although the log has lost its beginning' },
    ...PROJECTOR_OPTION,
  },
  notes:
    'Exit code 10 when rows differ. It reads the whole topic. Rows of handlers in SQL are counted, and not\n' +
    `compared: what they should be is not known.\n${PROGRESS_NOTE}`,
  async run({ options, output, positionals: [name = ''], signal }) {
    const sample = integerOption(options, 'sample', { min: 1, max: SAMPLE_MAX })
    const version = versionOption(options)
    const acceptMissingHistory = isSet(options, 'accept-missing-history') ? true : undefined
    const path = projectionPath(name, 'verify', { version, sample, acceptMissingHistory })
    const of = { api: projectorApi(options), output, signal }
    const verification = await verificationOrderedAt(of, path)
    if (verification === null) return EXIT.interrupted
    output.object(verification, [{ title: '', text: verificationText(verification) }])
    return verification.isEqual === false ? EXIT.unhealthy : EXIT.ok
  },
}

/**
 * Waits for what a verification finds that is ordered at `path`; null when the user does not.
 *
 * @throws {OperationalError} when it was not carried out, or what it was for is refused.
 */
export async function verificationOrderedAt<Result extends Verification>(
  of: Following,
  path: string,
): Promise<Result | null> {
  const { jobId } = await of.api.send<{ readonly jobId: string }>('POST', path, {})
  const job = await followJob({ ...of, jobId })
  if (job === null) return null
  if (job.state === 'done') return job['result'] as Result
  throw jobFailed(job, { code: 'VERIFICATION_FAILED', message: 'the verification failed' })
}

export function verificationText(result: Verification): string {
  const { rowCount, logKeyCount, comparedKeys, failingKeys, tables } = result
  if (tables !== undefined) {
    const counts = tables.map((table) => `${table.name}: ${countText(table)}\n`)
    return `not compared: what rows of handlers in SQL should be is not known\n${counts.join('')}`
  }
  const most = logKeyCount === null ? '' : `; the log has events of ${logKeyCount}`
  const isMore = logKeyCount !== null && rowCount > logKeyCount
  const lines = [
    `${comparedKeys} keys compared: ${areEqual(result) ? 'all equal' : 'they differ'}`,
    `${countText(result)}${most}${isMore ? ': there are rows of no event' : ''}`,
    ...(failingKeys === 0 ? [] : [`${failingKeys} keys left out, as events of theirs fail`]),
  ]
  for (const kind of ['missing', 'surplus', 'different'] as const) {
    if (result[kind].length > 0) lines.push(`${kind}: ${result[kind].join(', ')}`)
  }
  return `${lines.join('\n')}\n`
}

/** Of the keys that were compared; there may be too many rows all the same. */
function areEqual({ missing, surplus, different }: Verification): boolean {
  return missing.length + surplus.length + different.length === 0
}

function countText({
  rowCount,
  liveRowCount,
}: Pick<Verification, 'rowCount' | 'liveRowCount'>): string {
  const live = liveRowCount === null ? '' : `, ${liveRowCount} in the live version`
  return `${rowCount} rows${live}`
}
