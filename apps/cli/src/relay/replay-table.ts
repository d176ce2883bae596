import { type Command, EXIT, isSet, textOption } from '../command/command.ts'
import { RELAY_OPTION, RelayApi } from './relay-api.ts'
import { reportSignal } from './report-signal.ts'

export const REPLAY_TABLE: Command = {
  name: 'relay replay-table',
  summary:
    'Makes a lost replication slot anew, and publishes what was lost with it from the outbox table.',
  positionals: '',
  positionalCount: { min: 0, max: 0 },
  options: {
    since: {
      value: 'time',
      doc: 'rows from this time on, as 2026-01-31T12:00:00Z, or beginning (default: an hour before what was published last)',
    },
    force: { doc: 'also drop a slot that is not lost, and make it anew' },
    ...RELAY_OPTION,
  },
  notes:
    'Rows that a topic holds already are left out. The order among the rows of the gap is that of their\n' +
    'times; their records have the header cdc.replayed.',
  async run({ options, output, signal, confirm }) {
    if (!(await confirm('Drop the slot and make it anew?'))) return EXIT.failed
    const since = textOption(options, 'since')
    const data = {
      ...(since === undefined ? {} : { since }),
      ...(isSet(options, 'force') ? { force: true } : {}),
    }
    const body = { type: 'replay-table', data }
    return reportSignal(output, await new RelayApi(options).order('/signals', body, signal))
  },
}
