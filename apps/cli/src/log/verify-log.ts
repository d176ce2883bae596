import { basename } from 'node:path'
import { type Command, EXIT } from '../command/command.ts'
import type { Column, JsonObject } from '../output/output.ts'
import { type LogCheck, checkLog } from './check-log.ts'
import { partitionFolders } from './partition-folders.ts'

type Row = JsonObject & {
  readonly partition: string
  readonly segments: number
  readonly checkedBytes: number
  readonly tailBytes: number
  readonly damaged: readonly (JsonObject & {
    readonly segment: number
    readonly fromOffset: number
    readonly endOffset: number
    readonly position: number
    readonly problem: string
  })[]
}

const COLUMNS: readonly Column<Row>[] = [
  { title: 'partition', value: ({ partition }) => partition },
  { title: 'segments', value: ({ segments }) => segments, align: 'right' },
  { title: 'checked-bytes', value: ({ checkedBytes }) => checkedBytes, align: 'right' },
  { title: 'tail-bytes', value: ({ tailBytes }) => tailBytes, align: 'right' },
  { title: 'state', value: ({ damaged }) => (damaged.length === 0 ? 'ok' : 'DAMAGED') },
]

export const VERIFY_LOG: Command = {
  name: 'log verify',
  summary:
    'Reads partitions on this disk and compares every byte with its checksum; changes nothing.',
  positionals: '<partition folder or folder of log.dirs>...',
  positionalCount: { min: 1, max: Number.POSITIVE_INFINITY },
  options: {},
  notes:
    'Exit code 10 when something that was durable is damaged. Tail bytes are behind what is known to\n' +
    'have been durable; a start of the broker keeps what is whole of them. Run it while no broker uses\n' +
    'the folder: of one that runs, use its own scrub (log.scrub.enable).',
  async run({ positionals, output }) {
    const folders = await partitionFolders(positionals)
    const rows = folders.map((folder) => rowOf(folder, checkLog(folder)))
    output.list(rows, COLUMNS)
    for (const { partition, damaged } of rows) {
      for (const { fromOffset, endOffset, position, problem } of damaged) {
        output.note(
          `fairlead: ${partition}: offsets ${fromOffset} to ${endOffset - 1}, at byte ${position}: ${problem}`,
        )
      }
    }
    return rows.some(({ damaged }) => damaged.length > 0) ? EXIT.unhealthy : EXIT.ok
  },
}

function rowOf(folder: string, { segmentCount, checkedBytes, tailBytes, damaged }: LogCheck): Row {
  return {
    partition: basename(folder),
    segments: segmentCount,
    checkedBytes,
    tailBytes,
    damaged: damaged.map(({ segment, fromOffset, endOffset, position, problem }) => {
      return { segment: segment.baseOffset, fromOffset, endOffset, position, problem }
    }),
  }
}
