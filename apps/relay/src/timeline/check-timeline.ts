import { type Lsn, formatLsn } from '@fairlead/base'
import { sharedUntil } from '@fairlead/cdc'
import type pg from 'pg'
import { type SessionFailure, halt } from '../session-failure.ts'
import type { SystemIdentity } from './identify-system.ts'

/** The timeline on which the slot was last read; undefined when that is not known. */
export async function knownTimeline(
  client: pg.Client,
  slotName: string,
): Promise<number | undefined> {
  const { rows } = await client.query<{ timeline: string | null }>(
    'select timeline::text from relay.slot where slot_name = $1',
    [slotName],
  )
  const timeline = rows[0]?.timeline ?? null
  return timeline === null ? undefined : Number(timeline)
}

/**
 * Called before a slot is read. A server on another timeline than before is a standby that was promoted,
 * and has the log of the old timeline up to the switch. What was committed behind that and published is
 * missing there; and new transactions get the LSNs of those, so that the topics would seem to hold them.
 *
 * @param newestPublished asked for only when the timeline is another one.
 * @throws {SessionFailure} `TIMELINE_FORKED`
 */
export async function checkTimeline(
  client: pg.Client,
  slotName: string,
  system: SystemIdentity & { readonly known: number | undefined },
  newestPublished: () => Promise<Lsn | undefined>,
): Promise<void> {
  const { known, timeline } = system
  if (known === timeline) return
  if (known !== undefined) {
    const switchLsn = sharedUntil(system.history, known)
    const published = await newestPublished()
    if (published !== undefined && (switchLsn === undefined || published > switchLsn)) {
      throw forked({ slotName, known, timeline, switchLsn, published })
    }
  }
  await client.query('update relay.slot set timeline = $2 where slot_name = $1', [
    slotName,
    timeline,
  ])
}

function forked(fork: {
  readonly slotName: string
  readonly known: number
  readonly timeline: number
  readonly switchLsn: Lsn | undefined
  readonly published: Lsn
}): SessionFailure {
  const { slotName, known, timeline, switchLsn, published } = fork
  const where =
    switchLsn === undefined
      ? `does not descend from timeline ${known}`
      : `left timeline ${known} at ${formatLsn(switchLsn)}`
  return halt(
    'TIMELINE_FORKED',
    `the server is on timeline ${timeline}, which ${where}, and events up to ${formatLsn(published)} were published: ` +
      'the topics hold transactions that this server has never had, and its new ones may get their positions. ' +
      `Compare the two, then begin with another slot.name instead of ${slotName} (docs/relay-operations.md, "A standby that was promoted")`,
  )
}
