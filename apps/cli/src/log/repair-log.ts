import { basename, dirname, resolve } from 'node:path'
import { BufferPool } from '@fairlead/base'
import {
  DEFAULT_LOG_CONFIG,
  IndexCache,
  type PartitionLog,
  StorageError,
  TailCache,
  openPartitionLog,
} from '@fairlead/log'
import { lockDirectory, nativeCrc32c, nodeDisk } from '@fairlead/runtime'
import { type Command, EXIT, isSet } from '../command/command.ts'
import { checkLog } from './check-log.ts'
import { cutDamaged } from './cut-damaged.ts'

const NO_CACHE = { budgetBytes: 0 }
const POOL = { pooledBytesMin: 65_536, pooledBytesMax: 1_048_576, freeBytesMax: 4_194_304 }

export const REPAIR_LOG: Command = {
  name: 'log repair',
  summary:
    'Recovers a partition on this disk as the start of a broker does; no broker may use the folder.',
  positionals: '<partition folder>',
  positionalCount: { min: 1, max: 1 },
  options: {
    'cut-damaged': {
      doc: 'what is damaged, and everything behind it, is moved aside and lost to readers',
    },
  },
  notes:
    'Without --cut-damaged nothing is lost that was durable: a torn tail is cut, lost indexes are made\n' +
    'anew. With it, the partition ends where the damage begins; the files as they were are kept beside it\n' +
    'in <partition>.damaged-<time>. A partition with other replicas needs neither: delete its folder.',
  async run({ positionals: [folder = ''], options, output, confirm }) {
    const directory = resolve(folder)
    const unlock = lockDirectory(dirname(directory))
    try {
      const [damaged] = checkLog(directory).damaged
      if (damaged !== undefined && !isSet(options, 'cut-damaged')) {
        output.note(
          `fairlead: offsets from ${damaged.fromOffset} on are damaged: ${damaged.problem}.\n` +
            '  --cut-damaged gives up what is there and behind it',
        )
        return EXIT.conflict
      }
      let movedTo: string | null = null
      if (damaged !== undefined) {
        const question = `Give up everything from offset ${damaged.fromOffset} on?`
        if (!(await confirm(question))) return EXIT.failed
        movedTo = await cutDamaged(directory, damaged)
      }
      const result = await recover(directory)
      const partition = basename(directory)
      output.list(
        [{ partition, ...result, movedTo }],
        [
          { title: 'partition', value: (row) => row.partition },
          { title: 'log-start', value: (row) => row.logStartOffset, align: 'right' },
          { title: 'log-end', value: (row) => row.logEndOffset, align: 'right' },
          { title: 'cut-bytes', value: (row) => row.truncatedBytes, align: 'right' },
          { title: 'moved-to', value: (row) => row.movedTo ?? '' },
        ],
      )
      return EXIT.ok
    } finally {
      unlock()
    }
  },
}

/** Opens the log, which recovers it, and closes it, which writes what makes the next opening fast. */
async function recover(directory: string) {
  const log = await openLog(directory)
  const { logStartOffset, logEndOffset, truncatedBytes } = log
  await new Promise<void>((done, fail) => {
    log.close((result) => (result.ok ? done() : fail(result.error)))
  })
  return { logStartOffset, logEndOffset, truncatedBytes }
}

function openLog(directory: string): Promise<PartitionLog> {
  const buffers = new BufferPool(POOL)
  return new Promise((done, fail) => {
    openPartitionLog(
      {
        disk: nodeDisk(),
        directory,
        config: DEFAULT_LOG_CONFIG,
        crc32c: nativeCrc32c,
        tailCache: new TailCache({ ...NO_CACHE, buffers }),
        indexCache: new IndexCache(NO_CACHE),
        buffers,
        nowMs: Date.now(),
        onFailure: fail,
      },
      (result) => {
        if (result.ok) done(result.value)
        else fail(result.error instanceof StorageError ? result.error : new Error('unknown'))
      },
    )
  })
}
