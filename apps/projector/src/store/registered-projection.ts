import type { Projection } from '@fairlead/projection'
import { type RawBuilder, sql } from 'kysely'

/** A projection whose version is in `evt.projection_version`. */
export type RegisteredProjection = {
  readonly projection: Projection
  readonly projectionId: number
  /** Holds the tables of this version; where each tenant has a schema, theirs begin with its name. */
  readonly schemaName: string
} & TenantScope

/** Whose events a projector takes in, and what it does about those that it has not met. */
export type TenantScope = {
  /** Undefined: events of all tenants, and of none. */
  readonly includedTenants?: readonly string[]
  /** What becomes of a tenant that has no schema yet; default `create`. */
  readonly unknownTenants?: UnknownTenants
  /** So many are made by their first event, of all projections together; undefined: any number. */
  readonly tenantsMax?: number
}

/** Either his schemas are made with his first event, or his keys are parked until he is registered. */
type UnknownTenants = 'create' | 'park'

/** One partition of a topic of one version of a projection: what has a checkpoint. */
export type ProjectionPartition = RegisteredProjection & {
  readonly topic: string
  readonly partition: number
}

/** Names a version in `evt` tables. */
export function versionOf({ projection, projectionId }: RegisteredProjection): {
  readonly projectionId: number
  readonly version: number
} {
  return { projectionId, version: projection.version }
}

/** SQL condition for the rows of a version. */
export function isVersion(registered: RegisteredProjection): RawBuilder<boolean> {
  const { projectionId, version } = versionOf(registered)
  return sql`projection_id = ${projectionId} and version = ${version}`
}
