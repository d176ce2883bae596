import type { AppContext, ConfigSpec } from '@fairlead/service'
import type { PartitionStatus, ProjectionRunner } from './projection-runner.ts'
import { answerPeerFailures } from './peer-failures.ts'
import { type StoredPartition, listStoredPartitions } from './store/list-projections.ts'
import { addTenantRoutes } from './tenant-routes.ts'
import { type VersionSource, addVersionRoutes } from './version-routes.ts'

/**
 * - `GET /projections`: every version in the database, with the partitions of all processes; states
 *   and lag of those that this process has.
 * - `GET /projections/:name`: the versions of one.
 * - What is done with versions: `version-routes.ts`; with tenants: `tenant-routes.ts`.
 *
 * All answer 503 while the database or the log is away, and while the projector stops.
 */
export function addRoutes(
  http: AppContext<ConfigSpec>['http'],
  source: VersionSource & {
    readonly runners: () => readonly ProjectionRunner[]
    readonly isStopping: () => boolean
  },
): void {
  const { db, runners } = source
  answerPeerFailures(http, source.isStopping)
  addVersionRoutes(http, source)
  addTenantRoutes(http, source)
  http.get('/projections', async () => {
    return { projections: groupVersions(await listStoredPartitions(db), runners()) }
  })
  http.get<{ Params: { name: string } }>('/projections/:name', async (request, reply) => {
    const { name } = request.params
    const versions = groupVersions(await listStoredPartitions(db), runners())
    const found = versions.filter((version) => version.name === name)
    if (found.length > 0) return { projections: found }
    const message = `there is no projection ${name}`
    return reply.code(404).send({ code: 'UNKNOWN_PROJECTION', message })
  })
}

type VersionJson = {
  readonly name: string
  readonly version: number
  readonly live: boolean
  readonly state: string
  /** Why it has failed, or a partition that is here waits or was given up. */
  readonly reason: string | null
  /** Null unless an operator paused it. */
  readonly pausedBy: string | null
  readonly lagRecords: number | null
  readonly parkedKeys: number
  /** What tells that a record repeats another one: its place in the log, its source's, its event's id. */
  readonly duplicatesKnownBy: readonly ('offset' | 'position' | 'id')[]
  readonly partitions: readonly PartitionJson[]
}

type PartitionJson = {
  readonly topic: string
  readonly partition: number
  readonly nextOffset: number
  readonly highWatermark: number | null
  readonly lagRecords: number | null
  readonly parkedKeys: number
  readonly fence: number
  readonly sourceLsn: string | null
  readonly eventTime: string | null
  readonly updatedAt: string | null
  /** `elsewhere` when another process has the partition, or none. */
  readonly state: 'running' | 'paused' | 'faulted' | 'elsewhere'
  readonly reason: string | null
}

function groupVersions(
  stored: readonly StoredPartition[],
  runners: readonly ProjectionRunner[],
): readonly VersionJson[] {
  const groups = Object.groupBy(stored, ({ name, version }) => `${name} v${version}`)
  return Object.values(groups).flatMap((rows) => {
    const [first] = rows ?? []
    if (rows === undefined || first === undefined) return []
    const runner = runners.find(
      ({ registered: { projection } }) =>
        projection.name === first.name && projection.version === first.version,
    )
    const partitions = rows.flatMap((row) => partitionJson(row, runner?.partitions ?? []))
    return [
      {
        name: first.name,
        version: first.version,
        live: first.state === 'live',
        state: versionState(first, partitions),
        reason: first.reason ?? troubleOf(partitions),
        pausedBy: first.pausedBy,
        lagRecords: sumOrNull(partitions.map(({ lagRecords }) => lagRecords)),
        parkedKeys: partitions.reduce((sum, { parkedKeys }) => sum + parkedKeys, 0),
        duplicatesKnownBy: first.hasInbox ? ['offset', 'position', 'id'] : ['offset', 'position'],
        partitions,
      },
    ]
  })
}

/** The worst state of any partition here; otherwise the state of the version. */
function versionState(row: StoredPartition, partitions: readonly PartitionJson[]): string {
  const states = new Set(partitions.map(({ state }) => state))
  if (states.has('faulted')) return 'faulted'
  if (states.has('paused')) return 'paused'
  return row.state === 'live' ? 'running' : row.state
}

/** Of the partitions that say the state of the version, the first; others may wait for something else. */
function troubleOf(partitions: readonly PartitionJson[]): string | null {
  const worst =
    partitions.find(({ state }) => state === 'faulted') ??
    partitions.find(({ state }) => state === 'paused')
  return worst === undefined ? null : `partition ${worst.partition}: ${worst.reason}`
}

function partitionJson(
  row: StoredPartition,
  statuses: readonly PartitionStatus[],
): readonly PartitionJson[] {
  if (row.topic === null || row.partition === null) return []
  const status = statuses.find(
    ({ topic, partition }) => topic === row.topic && partition === row.partition,
  )
  const nextOffset = Number(row.nextOffset)
  const highWatermark = status?.highWatermark ?? null
  const state = status?.state
  return [
    {
      topic: row.topic,
      partition: row.partition,
      nextOffset,
      highWatermark,
      lagRecords: highWatermark === null ? null : Math.max(0, highWatermark - nextOffset),
      parkedKeys: Number(row.parkedKeys),
      fence: Number(row.fence),
      sourceLsn: row.sourceLsn,
      eventTime: row.eventTime?.toISOString() ?? null,
      updatedAt: row.updatedAt?.toISOString() ?? null,
      state: state?.kind ?? 'elsewhere',
      reason: state === undefined || state.kind === 'running' ? null : state.reason,
    },
  ]
}

/** Null when it is not known for every partition; of no partitions at all, too. */
function sumOrNull(numbers: readonly (number | null)[]): number | null {
  if (numbers.length === 0) return null
  return numbers.reduce<number | null>(
    (sum, number) => (sum === null || number === null ? null : sum + number),
    0,
  )
}
