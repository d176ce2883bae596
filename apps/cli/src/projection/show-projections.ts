import { type Command, EXIT, integerOption } from '../command/command.ts'
import type { Column, JsonObject } from '../output/output.ts'
import { PROJECTOR_OPTION, projectorApi } from '../command/projector-api.ts'
import { projectionPath } from './projection-path.ts'

type Partition = JsonObject & {
  readonly topic: string
  readonly partition: number
  readonly nextOffset: number
  readonly lagRecords: number | null
  readonly parkedKeys: number
  readonly state: string
  readonly reason: string | null
}

type Version = JsonObject & {
  readonly name: string
  readonly version: number
  readonly live: boolean
  readonly state: string
  readonly reason: string | null
  readonly pausedBy: string | null
  readonly lagRecords: number | null
  readonly parkedKeys: number
  readonly partitions: readonly Partition[]
}

type Versions = { readonly projections: readonly Version[] }

const unknown = (value: number | null): string | number => value ?? '?'

const VERSION_COLUMNS: readonly Column<Version>[] = [
  { title: 'projection', value: ({ name }) => name },
  { title: 'version', value: ({ version }) => version, align: 'right' },
  { title: 'live', value: ({ live }) => (live ? 'yes' : '') },
  {
    title: 'state',
    value: ({ state, pausedBy }) => (pausedBy === null ? state : `${state}, paused by ${pausedBy}`),
  },
  { title: 'parked keys', value: ({ parkedKeys }) => parkedKeys, align: 'right' },
  { title: 'reason', value: ({ reason }) => reason ?? '' },
]

const PARTITION_COLUMNS: readonly Column<Partition>[] = [
  { title: 'topic', value: ({ topic }) => topic },
  { title: 'partition', value: ({ partition }) => partition, align: 'right' },
  { title: 'next offset', value: ({ nextOffset }) => nextOffset, align: 'right' },
  { title: 'lag', value: ({ lagRecords }) => unknown(lagRecords), align: 'right' },
  { title: 'parked keys', value: ({ parkedKeys }) => parkedKeys, align: 'right' },
  { title: 'state', value: ({ state }) => state },
  { title: 'reason', value: ({ reason }) => reason ?? '' },
]

export const LIST_PROJECTIONS: Command = {
  name: 'projection list',
  summary: 'Lists projections with all of their versions.',
  positionals: '',
  positionalCount: { min: 0, max: 0 },
  options: PROJECTOR_OPTION,
  async run({ options, output }) {
    const { projections } = await projectorApi(options).get<Versions>('/projections')
    output.list(projections, VERSION_COLUMNS)
    return EXIT.ok
  },
}

export const DESCRIBE_PROJECTION: Command = {
  name: 'projection describe',
  summary: 'Shows the versions of a projection, and their partitions.',
  positionals: '<projection>',
  positionalCount: { min: 1, max: 1 },
  options: PROJECTOR_OPTION,
  async run({ options, output, positionals: [name = ''] }) {
    const answer = await projectorApi(options).get<Versions & JsonObject>(projectionPath(name, ''))
    const { projections } = answer
    output.object(answer, [
      { title: '', text: output.tableText(projections, VERSION_COLUMNS) },
      ...projections.map((version) => ({
        title: `version ${version.version}`,
        text: output.tableText(version.partitions, PARTITION_COLUMNS),
      })),
    ])
    return EXIT.ok
  },
}

type Lag = JsonObject & {
  readonly version: number
  readonly state: string
  readonly topic: string
  readonly partition: number
  readonly nextOffset: number
  readonly endOffset: number
  readonly lagRecords: number
  readonly lagSeconds: number | null
}

type Lags = {
  readonly versions: readonly (Pick<Lag, 'version' | 'state'> & {
    readonly partitions: readonly Omit<Lag, 'version' | 'state'>[]
  })[]
}

const LAG_COLUMNS: readonly Column<Lag>[] = [
  { title: 'version', value: ({ version }) => version, align: 'right' },
  { title: 'state', value: ({ state }) => state },
  { title: 'topic', value: ({ topic }) => topic },
  { title: 'partition', value: ({ partition }) => partition, align: 'right' },
  { title: 'next offset', value: ({ nextOffset }) => nextOffset, align: 'right' },
  { title: 'end offset', value: ({ endOffset }) => endOffset, align: 'right' },
  { title: 'lag', value: ({ lagRecords }) => lagRecords, align: 'right' },
  { title: 'seconds', value: ({ lagSeconds }) => unknown(lagSeconds), align: 'right' },
]

export const PROJECTION_LAG: Command = {
  name: 'projection lag',
  summary: 'Tells how far each version of a projection is behind the end of the log.',
  positionals: '<projection>',
  positionalCount: { min: 1, max: 1 },
  options: {
    'fail-above': {
      value: 'records',
      doc: 'exit code 10 when the live version lags further, or none is live',
    },
    ...PROJECTOR_OPTION,
  },
  async run({ options, output, positionals: [name = ''] }) {
    const max = integerOption(options, 'fail-above', { min: 0, max: Number.MAX_SAFE_INTEGER })
    const { versions } = await projectorApi(options).get<Lags>(projectionPath(name, 'lag'))
    const lags = versions.flatMap(({ version, state, partitions }) =>
      partitions.map((partition): Lag => ({ version, state, ...partition }) as Lag),
    )
    output.list(lags, LAG_COLUMNS)
    const live = lags.filter(({ state }) => state === 'live')
    const lag = live.reduce((sum, { lagRecords }) => sum + lagRecords, 0)
    // Where no partition is known nothing is read, however little it would be.
    const isBehind = max !== undefined && (live.length === 0 || lag > max)
    return isBehind ? EXIT.unhealthy : EXIT.ok
  },
}
