/** Of a version that follows the log or is yet to: docs/projections-rebuild.md says what they mean. */
type VersionState = 'building' | 'catching_up' | 'ready' | 'live' | 'standby' | 'failed' | 'retired'

/** A version of a projection, as any projector tells of it. */
export type ProjectionVersion = {
  readonly name: string
  readonly version: number
  readonly live: boolean
  /** `running` when it is live and follows the log; `paused` or `faulted` when it does not, live or not. */
  readonly state: Exclude<VersionState, 'live'> | 'running' | 'paused' | 'faulted'
  readonly reason: string | null
  readonly pausedBy: string | null
  /** Null where another process has partitions of it. */
  readonly lagRecords: number | null
  readonly parkedKeys: number
  /** What tells that a record repeats another one: its place in the log, its source's, and with an inbox its event's id. */
  readonly duplicatesKnownBy: readonly ('offset' | 'position' | 'id')[]
}

export type ProjectionStatus = {
  /** The version that readers see. */
  readonly live: number | null
  /** The newest version that is filled, or catches up. */
  readonly building: number | null
  /** Of the live version behind the end of the log; 0 without one. */
  readonly lagRecords: number
  /** Age of the oldest event that it has yet to apply; null where that is not known. */
  readonly lagSeconds: number | null
  readonly parkedKeys: number
  readonly pausedBy: string | null
  /** Of the live version, as in {@link ProjectionVersion}; null without one. */
  readonly duplicatesKnownBy: ProjectionVersion['duplicatesKnownBy'] | null
}

export type RebuildOptions = {
  /** Default: the newest one. */
  readonly version?: number
  /** Builds from what the log still has. */
  readonly acceptMissingHistory?: boolean
}

/** Rows of a version that follows the log. */
export type RebuildKeysOptions = {
  /** Default: the live one. */
  readonly version?: number
  /** Whose rows, where each tenant has rows of its own. */
  readonly tenant?: string
  /** Folds what the log still has. */
  readonly acceptMissingHistory?: boolean
}

export type RebuiltKeys = {
  readonly keys: number
  /** Keys of which the log leaves a row. */
  readonly rows: number
}

/** A throw-away version, which no reader sees. */
export type MomentVersion = {
  /** Below 0; for `retire`. */
  readonly version: number
  /** Where its tables are. */
  readonly schemaName: string
}

export type RebuildProgress = {
  /** `ready` once it has caught up; `live` or `standby` where somebody was quicker to show it. */
  readonly state: Exclude<VersionState, 'failed' | 'retired'>
  /** Of what is done and total. Null before a process has taken the order. */
  readonly phase:
    | 'preparing'
    | 'loading'
    | 'copying'
    | 'indexing'
    | 'catching-up'
    | 'ready'
    | 'live'
    | null
  readonly done: number
  readonly total: number
  readonly eventsPerSecond: number
  readonly eta: Date | null
  /** Keys that are parked. */
  readonly parked: number
}

/**
 * A rebuild that was ordered. It goes on whether somebody looks or not.
 *
 * The progress ends once the version has caught up. When it does not, it throws: `REBUILD_FAILED`, `ABORTED`,
 * `RETIRED`, or what else the projector says.
 */
export interface Rebuild extends AsyncIterable<RebuildProgress> {
  readonly version: number
  promote(options?: VerifiedPromotionOptions): Promise<Promotion>
  /** Its version has failed then: it can be rebuilt, or retired. */
  abort(options?: { readonly by?: string }): Promise<void>
  /** The way back from a promotion: shows the version again that was live before. */
  rollback(options?: PromotionOptions): Promise<Promotion>
}

export type PromotionOptions = {
  /** How many records readers may be taken back by; default 0. */
  readonly lagRecordsMax?: number
  /** Although events of parked keys are missing in its rows. */
  readonly acceptParked?: boolean
  /** Although side effects are lost that only a version behind has yet to have. */
  readonly acceptLostEffects?: boolean
  /** How long to try to get the views from their readers; 25,000 at most. */
  readonly timeoutMs?: number
}

/** A promotion that compares rows with the log first. */
export type VerifiedPromotionOptions = PromotionOptions & {
  /** Compares first. What follows is for that, and refused without it. */
  readonly verify?: boolean
  /** About so many keys are compared: from 1 to 100,000, by default 100. */
  readonly sample?: number
  /** Compares with what the log still has. */
  readonly acceptMissingHistory?: boolean
}

export type Promotion = {
  readonly live: number
  readonly previous: number | null
  /** Records whose side effects are still the former version's. */
  readonly effectsPending: number
  /** Views of tenants that others hold: they show the version with the columns of before. */
  readonly viewsHeld: number
  readonly durationMs: number
}

export type Retirement = {
  /** Whose tables others hold: projectors drop them once they are free. */
  readonly tenantsLeft: number
}

/** Whose tables are kept apart (`tenants: 'schema'`). */
export type Tenant = {
  readonly name: string
  /** Of the views that show his rows. */
  readonly schemaName: string
  readonly createdAt: Date
}

/** Keys that were folded again, and compared with their rows. */
export type Verification = {
  /** Null for handlers in SQL, of which rows are counted alone. */
  readonly isEqual: boolean | null
  readonly rowCount: number
  readonly liveRowCount: number | null
  /** Keys that the log has events of, more than which there are no rows; null: not counted. */
  readonly logKeyCount: number | null
  readonly comparedKeys: number
  /** Left out, as events of theirs fail. */
  readonly failingKeys: number
  readonly missing: readonly string[]
  readonly surplus: readonly string[]
  readonly different: readonly string[]
  /** Of handlers in SQL. */
  readonly tables?: readonly {
    readonly name: string
    readonly rowCount: number
    readonly liveRowCount: number | null
  }[]
}
