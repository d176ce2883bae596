import type { FoldProjection } from '@fairlead/projection'
import { accounts } from './accounts.ts'

/** Accounts of a topic that a producer without positions writes to. */
const accountsOnce: FoldProjection = {
  ...accounts,
  inbox: { retentionMs: Number(process.env['INBOX_RETENTION_MS'] ?? 3_600_000) },
}

export const projections = [accountsOnce, { ...accountsOnce, version: 2 }].slice(
  0,
  Number(process.env['VERSIONS'] ?? 1),
)
