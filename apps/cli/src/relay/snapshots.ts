import { type Command, EXIT, isSet, textOption } from '../command/command.ts'
import { RELAY_OPTION, RelayApi, type SignalStatus } from './relay-api.ts'
import { reportSignal } from './report-signal.ts'

const ANY = Number.POSITIVE_INFINITY

export const START_SNAPSHOT: Command = {
  name: 'relay snapshot start',
  summary: 'Publishes the rows of tables again, while events go on.',
  positionals: '[<schema.table>...]',
  positionalCount: { min: 0, max: ANY },
  options: {
    since: { value: 'time', doc: 'rows of this time and later, as 2026-01-31T12:00:00Z' },
    until: { value: 'time', doc: 'rows before this time' },
    wait: { doc: 'until it is done; else "relay snapshot status" tells how far it is' },
    ...RELAY_OPTION,
  },
  notes:
    'A table may be a regular expression. Without one: all outbox and captured tables. Their records have\n' +
    'the header cdc.replayed, those of captured tables op r. The rows of one chunk may be there twice when a\n' +
    'relay dies meanwhile. --since and --until are for outbox tables.',
  async run({ options, output, positionals, signal }) {
    const since = textOption(options, 'since')
    const until = textOption(options, 'until')
    const data = {
      ...(positionals.length === 0 ? {} : { 'data-collections': positionals }),
      ...(since === undefined ? {} : { since }),
      ...(until === undefined ? {} : { until }),
    }
    const api = new RelayApi(options)
    const body = { type: 'execute-snapshot', data }
    if (isSet(options, 'wait'))
      return reportSignal(output, await api.order('/signals', body, signal))
    const { signalId } = await api.post<{ readonly signalId: string }>('/signals', body)
    output.object({ signalId }, [{ title: '', text: `snapshot ${signalId} is requested\n` }])
    return EXIT.ok
  },
}

export const SNAPSHOT_STATUS: Command = {
  name: 'relay snapshot status',
  summary: 'Tells how far snapshots are, the latest first.',
  positionals: '',
  positionalCount: { min: 0, max: 0 },
  options: RELAY_OPTION,
  async run({ options, output }) {
    const { signals } = await new RelayApi(options).get<{
      readonly signals: readonly SignalStatus[]
    }>('/signals')
    const snapshots = signals
      .filter(({ type }) => type === 'execute-snapshot')
      .map(({ signalId, state, progress, reason }) => ({
        signalId,
        state,
        table: progress['table'] ?? '',
        tablesDone: Number(progress['tableIndex'] ?? 0),
        tables: Number(progress['tables'] ?? 0),
        rows: Number(progress['rows'] ?? 0),
        reason: reason ?? waitingReason(progress),
      }))
    output.list(snapshots, [
      { title: 'id', value: ({ signalId }) => signalId },
      { title: 'state', value: ({ state }) => state },
      { title: 'table', value: ({ table }) => table },
      {
        title: 'done',
        value: (row) => (row.tables === 0 ? '' : `${row.tablesDone}/${row.tables}`),
      },
      { title: 'rows', value: ({ rows }) => rows, align: 'right' },
      { title: 'reason', value: ({ reason }) => reason ?? '' },
    ])
    return EXIT.ok
  },
}

export const PAUSE_SNAPSHOT = control('pause', 'Pauses the snapshot that is under way.')
export const RESUME_SNAPSHOT = control('resume', 'Goes on with a snapshot that is paused.')
export const STOP_SNAPSHOT = control('stop', 'Ends the snapshot that is under way.')

function waitingReason(progress: SignalStatus['progress']): string | null {
  if (progress['waitsForSlot'] !== undefined)
    return 'waits: the slot keeps back too much of the log'
  const count = progress['waitsForTransactions']
  return count === undefined ? null : `waits for the end of ${count} transactions that are older`
}

function control(verb: 'pause' | 'resume' | 'stop', summary: string): Command {
  return {
    name: `relay snapshot ${verb}`,
    summary,
    positionals: '',
    positionalCount: { min: 0, max: 0 },
    options: RELAY_OPTION,
    async run({ options, output, signal }) {
      const body = { type: `${verb}-snapshot` }
      return reportSignal(output, await new RelayApi(options).order('/signals', body, signal))
    },
  }
}
