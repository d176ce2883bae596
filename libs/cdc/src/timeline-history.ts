import { DecodeError, type Lsn, parseLsn } from '@fairlead/base'

/** Where a timeline of the past ended and the next one began. */
export type TimelineSwitch = { readonly timeline: number; readonly switchLsn: Lsn }

/**
 * The content of a timeline history file, as TIMELINE_HISTORY sends it: one line for each ancestor, with
 * the LSN up to which its log is that of the timeline, oldest first; `#` begins a comment.
 *
 * @throws {DecodeError}
 */
export function parseTimelineHistory(content: string): readonly TimelineSwitch[] {
  return content
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => {
      const match = /^(\d{1,10})\s+([0-9A-F]{1,8}\/[0-9A-F]{1,8})(\s|$)/i.exec(line)
      const [, timeline, switchLsn] = match ?? []
      if (timeline === undefined || switchLsn === undefined) {
        throw new DecodeError(`"${line}" is no line of a timeline history`, 0)
      }
      return { timeline: Number(timeline), switchLsn: parseLsn(switchLsn.toUpperCase()) }
    })
}

/**
 * Up to where the log of `timeline` is also that of its descendant, by the descendant's history; undefined
 * when it is no ancestor, so that nothing is known of what they share.
 */
export function sharedUntil(history: readonly TimelineSwitch[], timeline: number): Lsn | undefined {
  return history.find((entry) => entry.timeline === timeline)?.switchLsn
}
