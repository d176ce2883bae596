import { type Lsn, parseLsn } from '@fairlead/base'
import pg from 'pg'
import { openReplicationClient } from './replication-client.ts'
import type { SourceOptions } from './source-options.ts'

/** Makes the slot with a command of the replication protocol: only that can ask for FAILOVER. */
export async function createSlot(options: SourceOptions): Promise<void> {
  const maker = await openReplicationClient(options, 'create')
  try {
    await create(maker, options, 'nothing')
  } finally {
    await maker.end()
  }
}

/** A slot whose snapshot others can read from until it is released. */
export type SlotWithSnapshot = {
  /** For SET TRANSACTION SNAPSHOT: what had been committed where the slot begins. */
  readonly snapshotName: string
  readonly consistentLsn: Lsn
  release(): Promise<void>
}

export async function createSlotWithSnapshot(options: SourceOptions): Promise<SlotWithSnapshot> {
  const maker = await openReplicationClient(options, 'create')
  try {
    const [slot] = await create(maker, options, 'export')
    return {
      snapshotName: slot?.snapshot_name ?? '',
      consistentLsn: parseLsn(slot?.consistent_point ?? '0/0'),
      release: () => maker.end(),
    }
  } catch (error) {
    await maker.end()
    throw error
  }
}

type CreatedSlot = { readonly consistent_point: string; readonly snapshot_name: string | null }

async function create(
  maker: pg.Client,
  options: SourceOptions,
  snapshot: 'nothing' | 'export',
): Promise<readonly CreatedSlot[]> {
  const slotName = pg.escapeIdentifier(options.slotName)
  const older = snapshot === 'export' ? 'EXPORT_SNAPSHOT' : 'NOEXPORT_SNAPSHOT'
  const clauses = options.failover ? `(SNAPSHOT '${snapshot}', FAILOVER true)` : older
  const { rows } = await maker.query<CreatedSlot>(
    `CREATE_REPLICATION_SLOT ${slotName} LOGICAL pgoutput ${clauses}`,
  )
  return rows
}
