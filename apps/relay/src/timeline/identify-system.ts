import { type TimelineSwitch, parseTimelineHistory } from '@fairlead/cdc'
import { openReplicationClient } from '../source/replication-client.ts'

export type SystemIdentity = {
  /** Names the database cluster, whatever its address. */
  readonly systemIdentifier: string
  /** Of the log that it writes now. */
  readonly timeline: number
  /** Of that timeline, when it is another than the one that was asked for; else empty. */
  readonly history: readonly TimelineSwitch[]
}

/** IDENTIFY_SYSTEM, and TIMELINE_HISTORY where the timeline is not `knownTimeline`. */
export async function identifySystem(
  options: { readonly databaseUrl: string; readonly slotName: string },
  knownTimeline: number | undefined,
): Promise<SystemIdentity> {
  const client = await openReplicationClient(options, 'identify')
  try {
    const { rows } = await client.query<{ systemid: string; timeline: number | string }>(
      'IDENTIFY_SYSTEM',
    )
    const timeline = Number(rows[0]?.timeline)
    const isKnown = knownTimeline === undefined || knownTimeline === timeline
    // The first one has none.
    const hasHistory = !isKnown && timeline > 1
    const history = hasHistory
      ? await client.query<{ content: string | Buffer }>(`TIMELINE_HISTORY ${timeline}`)
      : undefined
    return {
      systemIdentifier: rows[0]?.systemid ?? '',
      timeline,
      history: parseTimelineHistory(String(history?.rows[0]?.content ?? '')),
    }
  } finally {
    await client.end()
  }
}
