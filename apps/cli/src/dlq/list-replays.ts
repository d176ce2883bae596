import { type Command, EXIT, textOption } from '../command/command.ts'
import { PROJECTOR_OPTION, projectorApi } from '../command/projector-api.ts'
import type { Column } from '../output/output.ts'
import { LIMIT, OF_PROJECTION, VERSION_FILTER, queryOf } from './letter-query.ts'
import { type ReplayProgress, replayProgress } from './replay-progress.ts'

const COLUMNS: readonly Column<ReplayProgress>[] = [
  { title: 'request', value: ({ request }) => request },
  { title: 'at', value: ({ at }) => at },
  { title: 'projection', value: ({ projection, version }) => `${projection} v${version}` },
  { title: 'state', value: (replay) => stateOf(replay) },
  { title: 'replayed', value: ({ replayed }) => replayed, align: 'right' },
  { title: 'keys failed', value: ({ failedKeys }) => failedKeys, align: 'right' },
  { title: 'keys to go', value: ({ pendingKeys }) => pendingKeys, align: 'right' },
]

export const LIST_REPLAYS: Command = {
  name: 'dlq replays',
  summary: 'Lists replays that were asked for, newest first, and how far each is.',
  ...OF_PROJECTION,
  options: {
    request: { value: 'uuid', doc: 'this one, as "fairlead dlq replay" prints it' },
    ...VERSION_FILTER,
    ...LIMIT,
    after: { value: 'uuid', doc: 'the page behind this request, which is before it in time' },
    ...PROJECTOR_OPTION,
  },
  async run({ options, output, positionals: [projection] }) {
    const api = projectorApi(options)
    const request = textOption(options, 'request')
    const { replays } =
      request === undefined
        ? await api.get<{ readonly replays: readonly ReplayProgress[] }>(
            `/dead-letters/replays?${queryOf(options, projection).toString()}`,
          )
        : { replays: [await replayProgress(api, encodeURIComponent(request))] }
    output.list(replays, COLUMNS)
    return EXIT.ok
  },
}

function stateOf({ pendingKeys, pausedBy }: ReplayProgress): string {
  if (pendingKeys === 0) return 'over'
  return pausedBy === null ? 'under way' : `paused by ${pausedBy}`
}
