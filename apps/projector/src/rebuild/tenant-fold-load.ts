import { type PreparedRecord, unitOf } from '@fairlead/projection'
import { type Transaction, sql } from 'kysely'
import { LookUps } from '../look-ups.ts'
import { type PartitionProgress, writeCheckpoints } from '../store/checkpoints.ts'
import { expectBuilding } from '../store/jobs.ts'
import { setTenant } from '../store/set-tenant.ts'
import { TENANTS_AT_A_TIME, tenantSchemas } from '../store/tenant-schemas.ts'
import { type RegisteredProjection, isVersion } from '../store/registered-projection.ts'
import { setAside } from '../tenant-parts.ts'
import type { FoldLoadOptions } from './fold-load.ts'
import { FoldedRows } from './folded-rows.ts'
import { parkByTopic } from './parked-keys.ts'
import { TableLoad } from './table-load.ts'
import type { Filled } from './write-whole.ts'

type TenantTable = readonly [tenant: string, table: TableLoad]

/** Whose tables are written to in one transaction, with some five locks for each. */
const TENANTS_WRITTEN_MAX = 100

/**
 * As `FoldLoad`, for a fold with tables for each tenant: what is folded is written to the tables of all of
 * them in one transaction, or, of too many for the locks of a server, in several. These have their keys from the first. A tenant that is met gets his tables as in a
 * live batch, or his events are set aside.
 */
export class TenantFoldLoad {
  readonly #filled: Filled
  readonly #options: FoldLoadOptions
  readonly #lookUps: LookUps
  readonly #tables = new Map<string, TableLoad>()
  /** Of tenants without tables: it holds no rows. */
  readonly #unknown: FoldedRows
  #parkedCount = 0
  #copiedCount = 0

  constructor(filled: Filled, options: FoldLoadOptions) {
    this.#filled = filled
    this.#options = options
    this.#lookUps = new LookUps(filled.projection, options.signal)
    const parkedKeys = [...options.parkedKeys.values()].flatMap((keys) => [...keys])
    this.#unknown = new FoldedRows(filled.projection, parkedKeys)
    this.#parkedCount = parkedKeys.length
  }

  get parkedCount(): number {
    return this.#parkedCount
  }

  /** Rows that wait to be written. */
  get rowCount(): number {
    return this.#all.reduce((sum, { changed }) => sum + changed.size, 0)
  }

  /** Rows that the write under way has written to tables of tenants before the one that it is at. */
  get copiedCount(): number {
    return this.#copiedCount
  }

  /** Whether what it holds is to be written before more is applied. */
  get isFull(): boolean {
    let bytes = this.#unknown.bytesWith(0)
    for (const table of this.#tables.values()) bytes += table.bytes
    return bytes > this.#options.memoryBytesMax
  }

  async apply(records: readonly PreparedRecord[]): Promise<void> {
    const byTenant = Map.groupBy(records, ({ tenant }) => tenant)
    await this.#open(byTenant)
    for (const [tenant, ofTenant] of byTenant) {
      const table = this.#tables.get(tenant)
      const { parkedKeys } = table?.folded ?? this.#unknown
      const parkedBefore = parkedKeys.size
      if (table === undefined) this.#setAside(ofTenant, tenant)
      else {
        await this.#become(tenant)
        await table.apply(ofTenant)
      }
      this.#parkedCount += parkedKeys.size - parkedBefore
    }
  }

  #setAside(records: readonly PreparedRecord[], tenant: string): void {
    const ledger = this.#unknown.openLedger()
    setAside({ ledger }, records, tenant)
    this.#unknown.keep(ledger)
  }

  /**
   * Writes what it holds, and the checkpoints behind it, in one transaction. Where it takes several, the former
   * checkpoints go first: a rebuild that dies in between begins again, as nobody knows which rows are ahead of them.
   *
   * @throws as `FoldLoad` does.
   */
  async write(positions: readonly PartitionProgress[]): Promise<void> {
    const { registered, topicIds, mirror } = this.#filled
    this.#copiedCount = 0
    for (const table of this.#tables.values()) await table.refuseSpelledTwice()
    const changed = [...this.#tables].filter(([, { folded }]) => folded.changed.size > 0)
    const groups = inGroups(changed, TENANTS_WRITTEN_MAX)
    const last = groups.pop() ?? []
    if (groups.length > 0) await this.#inTransaction((trx) => forgetCheckpoints(trx, registered))
    for (const group of groups) await this.#inTransaction((trx) => this.#writeTables(trx, group))
    await this.#inTransaction(async (trx) => {
      await this.#writeTables(trx, last)
      const letters = this.#all.flatMap((folded) => folded.letters)
      await parkByTopic(trx, registered, letters, mirror)
      await writeCheckpoints(trx, registered, positions, topicIds)
    })
    for (const table of this.#tables.values()) table.written()
    this.#unknown.clear()
  }

  #inTransaction<Result>(run: (trx: Transaction<unknown>) => Promise<Result>): Promise<Result> {
    const { session, registered, jobId } = this.#filled
    return session.db.transaction().execute(async (trx) => {
      await expectBuilding(trx, registered, jobId)
      return run(trx)
    })
  }

  async #writeTables(trx: Transaction<unknown>, tables: readonly TenantTable[]): Promise<void> {
    for (const [tenant, table] of tables) {
      await setTenant(trx, tenant, { until: 'transaction' })
      await table.write(trx)
      this.#copiedCount += table.folded.changed.size
    }
  }

  get #all(): readonly FoldedRows[] {
    return [this.#unknown, ...[...this.#tables.values()].map(({ folded }) => folded)]
  }

  /** Makes room for tenants that are new to it. Nothing is made for events that are set aside anyway. */
  async #open(byTenant: ReadonlyMap<string, readonly PreparedRecord[]>): Promise<void> {
    const { parkedKeys } = this.#unknown
    const tenants = [...byTenant.keys()].filter(
      (tenant) =>
        tenant !== '' &&
        !this.#tables.has(tenant) &&
        byTenant.get(tenant)?.some(({ key }) => !parkedKeys.has(key)) === true,
    )
    for (const some of inGroups(tenants.toSorted(), TENANTS_AT_A_TIME)) await this.#openSome(some)
  }

  async #openSome(tenants: readonly string[]): Promise<void> {
    const { parkedKeys } = this.#unknown
    const { registered } = this.#filled
    const schemas = await this.#inTransaction((trx) => tenantSchemas(trx, registered, tenants))
    for (const [tenant, schemaName] of schemas) {
      const filled = { ...this.#filled, registered: { ...registered, schemaName } }
      const { isWritten } = this.#options
      // Those of before, and those that were set aside while he had no tables.
      const ofTenant = [...parkedKeys].filter((key) => key.startsWith(unitOf(tenant, '')))
      const options = { lookUps: this.#lookUps, parkedKeys: ofTenant, isWritten }
      this.#tables.set(tenant, new TableLoad(filled, options))
    }
  }

  /** As live: what looks things up for events of a tenant has `app.tenant` set. */
  async #become(tenant: string): Promise<void> {
    const { session, projection } = this.#filled
    if (projection.enrich === undefined) return
    await setTenant(session.db, tenant, { until: 'session' })
  }
}

async function forgetCheckpoints(
  trx: Transaction<unknown>,
  registered: RegisteredProjection,
): Promise<void> {
  await sql`delete from evt.checkpoint where ${isVersion(registered)}`.execute(trx)
}

function inGroups<Item>(items: readonly Item[], size: number): Item[][] {
  const groups: Item[][] = []
  for (let begin = 0; begin < items.length; begin += size) {
    groups.push(items.slice(begin, begin + size))
  }
  return groups
}
