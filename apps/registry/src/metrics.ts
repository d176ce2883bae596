import type { Metrics } from '@fairlead/service'
import type { RegistryRecord, SchemaRegistry } from '@fairlead/schemas'
import type { Inquiries } from './checking/inquiries.ts'
import type { OnCheck } from './http/compatibility-routes.ts'
import type { RegistryStore } from './store/registry-store.ts'

type RegistryMetrics = {
  readonly onCheck: OnCheck
  /** Told until when the certificate is valid that is in use now, in seconds since 1970. */
  readonly onCertificate: (notAfterSeconds: number) => void
}

/** Metrics of the registry: Confluent's names where a dashboard knows them, and requests. */
export function registryMetrics(
  metrics: Metrics,
  {
    registry,
    store,
    inquiries,
  }: {
    readonly registry: SchemaRegistry
    readonly store: RegistryStore
    readonly inquiries: Inquiries
  },
): RegistryMetrics {
  const { view, log } = registry
  const versionCount = (): number =>
    view.subjects({}).reduce((count, subject) => count + view.versions(subject, {}).length, 0)
  gauge(
    metrics,
    'kafka_schema_registry_registered_count',
    'Versions that are not deleted.',
    versionCount,
  )
  gauge(
    metrics,
    'schema_registry_store_offset',
    'Offset up to which the topic has been read.',
    () => log.nextOffset,
  )
  gauge(
    metrics,
    'schema_registry_writes_queued',
    'Writes that wait for their turn.',
    () => store.queuedWriteCount,
  )
  gauge(
    metrics,
    'schema_registry_large_checks_queued',
    'Checks of large schemas that wait for the thread that does them, or are under way.',
    () => inquiries.waitingCount,
  )
  gauge(
    metrics,
    'kafka_schema_registry_master_slave_role_master_slave_role',
    '1 when this registry takes writes: all of them do, once they have read the topic.',
    () => (store.isCaughtUp ? 1 : 0),
  )
  const notAfter = metrics.gauge({
    name: 'tls_certificate_not_after_timestamp_seconds',
    help: 'Until when the certificate of https listeners is valid.',
    labelNames: ['listener'],
  })
  const checks = metrics.counter({
    name: 'schema_registry_compatibility_checks_total',
    help: 'Compatibility checks that were asked for, by result and level.',
    labelNames: ['result', 'level'],
  })
  return {
    onCertificate: (seconds) => notAfter.set({ listener: 'https' }, seconds),
    onCheck: ({ isCompatible, level }) =>
      checks.inc({ result: isCompatible ? 'compatible' : 'incompatible', level }),
  }
}

/** Counts versions that this registry makes and deletes; for the `onWriting` of its store. */
export function countChanges(
  metrics: Metrics,
  registry: SchemaRegistry,
): (records: readonly RegistryRecord[]) => () => void {
  const created = metrics.counter({
    name: 'schema_registry_schemas_created_total',
    help: 'Versions that were registered through this registry.',
  })
  const deleted = metrics.counter({
    name: 'schema_registry_schemas_deleted_total',
    help: 'Versions that were soft-deleted through this registry.',
  })
  return (records) => {
    const changes = records.map((record) => changeOf(record, registry))
    return () => {
      for (const change of changes) {
        if (change > 0) created.inc(change)
        else deleted.inc(-change)
      }
    }
  }
}

/** By how much a record that is not written yet changes the number of live versions. */
function changeOf(record: RegistryRecord, { view }: SchemaRegistry): number {
  if (record.kind !== 'schema' && record.kind !== 'deleteSubject') return 0
  const live = view.versions(record.subject, {})
  if (record.kind === 'deleteSubject') {
    return -live.filter(({ version }) => version <= (record.version ?? 0)).length
  }
  const wasLive = live.some(({ version }) => version === record.version)
  const isLive = record.value !== null && !record.value.isDeleted
  return Number(isLive) - Number(wasLive)
}

function gauge(metrics: Metrics, name: string, help: string, value: () => number): void {
  metrics.gauge({
    name,
    help,
    collect() {
      this.set(value())
    },
  })
}
