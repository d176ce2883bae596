import {
  type CompiledQuery,
  type DatabaseConnection,
  type Dialect,
  DummyDriver,
  type Kysely,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
  Transaction,
} from 'kysely'
import { statementsOf } from './sql-statements.ts'

type Rule = {
  /** Of a statement without blanks in front; what it matches is named. */
  readonly pattern: RegExp
  readonly refusal: string
}

const OUTLIVES = 'would outlive it, in a session that others have next'

/**
 * What begins or ends a transaction, and what its end does not undo: a session of the pool is handed on with it, and
 * that of a rebuild holds the lock of its job. Functions and `do` are not looked into: Postgres lets them end no
 * transaction that was begun outside of them.
 */
const RULES: readonly Rule[] = [
  {
    // A rollback to a savepoint ends nothing.
    pattern:
      /^(?:abort|begin|commit|end|prepare\s+transaction|rollback(?!(?:\s+(?:work|transaction))?\s+to\b)|start\s+transaction)\b/i,
    refusal:
      'would end it: roll back to a savepoint of its own, or throw for the event to be set aside',
  },
  {
    pattern: /^set\s+(?:local\s+)?transaction\b/i,
    refusal: 'would change it for all that the batch still has to write',
  },
  {
    pattern: /^(?:set\b(?!\s+(?:local|constraints)\b)|reset\b)(?:\s+\w+)?/i,
    refusal: `${OUTLIVES}: use "set local"`,
  },
  {
    pattern: /\bset_config(?=\s*\([^()]*,\s*(?:\w+\s*=>\s*)?false\s*\))/i,
    refusal: `${OUTLIVES}: its third argument is to be true`,
  },
  {
    pattern: /\bpg_(?:try_)?advisory_lock(?:_shared)?(?=\s*\()/i,
    refusal: `${OUTLIVES}: lock by pg_advisory_xact_lock`,
  },
  {
    pattern: /\bpg_advisory_unlock(?:_shared|_all)?(?=\s*\()/i,
    refusal: 'would free what the session has locked before it',
  },
  {
    pattern:
      /^create\s+(?:or\s+replace\s+)?(?:(?:local|global)\s+)?temp(?:orary)?\b(?![^]*\bon\s+commit\s+drop\b)/i,
    refusal: `${OUTLIVES}: say "on commit drop"`,
  },
  {
    pattern: /(?<=^select\b[^]*)\binto\s+(?:(?:local|global)\s+)?temp(?:orary)?\b/i,
    refusal: `${OUTLIVES}: create the table with "on commit drop"`,
  },
  {
    pattern: /(?<=^declare\b[^]*)\bwith\s+hold\b/i,
    refusal: `${OUTLIVES}: declare it without "hold"`,
  },
  { pattern: /^(?:deallocate|discard|listen|load|prepare|unlisten)\b/i, refusal: OUTLIVES },
]

/** No statement without one of these words is one of them. */
const SUSPECT =
  /\b(?:abort|begin|commit|end|prepare|rollback|start|set|reset|set_config|pg_(?:try_)?advisory_(?:un)?lock\w*|temp|temporary|hold|deallocate|discard|listen|load|unlisten)\b/i

/**
 * The transaction for the handlers of an event: it refuses the statements that would end it, with the checkpoint in
 * it, so that what comes behind would be applied without one, and lost or counted twice after a crash; and those that
 * leave something behind for the batches that have the session next, or that a crash would leave nothing of. Whatever
 * makes a statement, it is looked at as it is sent.
 */
export function keepingTransaction<Db>(db: Kysely<Db>): Transaction<Db> {
  const executor = db.getExecutor()
  return new Transaction<Db>({
    config: { dialect: POSTGRES },
    dialect: POSTGRES,
    driver: new DummyDriver(),
    executor: executor.withConnectionProvider({
      provideConnection: (consumer, options) =>
        executor.provideConnection((connection) => consumer(keeping(connection)), options),
    }),
  })
}

/** A transaction asks its dialect for no connection. */
const POSTGRES: Dialect = {
  createAdapter: () => new PostgresAdapter(),
  createDriver: () => new DummyDriver(),
  createIntrospector: (db) => new PostgresIntrospector(db),
  createQueryCompiler: () => new PostgresQueryCompiler(),
}

function keeping(connection: DatabaseConnection): DatabaseConnection {
  return {
    executeQuery: async (query, options) => {
      refuseByRules(query)
      return await connection.executeQuery(query, options)
    },
    streamQuery: (query, chunkSize, options) => {
      refuseByRules(query)
      return connection.streamQuery(query, chunkSize, options)
    },
    ...(connection.cancelQuery && {
      cancelQuery: async (provide) => connection.cancelQuery?.(provide),
    }),
    ...(connection.collectSessionInfo && {
      collectSessionInfo: async () => connection.collectSessionInfo?.(),
    }),
    ...(connection.killSession && {
      killSession: async (provide) => connection.killSession?.(provide),
    }),
  }
}

function refuseByRules({ sql }: CompiledQuery): void {
  // `pg` takes an object as well, whose text it might ask for more than once.
  if (typeof sql !== 'string') throw new TypeError('the SQL of a statement is to be a text')
  if (!SUSPECT.test(sql)) return
  for (const statement of statementsOf(sql)) {
    const trimmed = statement.trim()
    for (const { pattern, refusal } of RULES) {
      const [found] = pattern.exec(trimmed) ?? []
      if (found !== undefined) throw new TypeError(refusalOf(found, refusal))
    }
  }
}

function refusalOf(found: string, refusal: string): string {
  const words = found.toLowerCase().replaceAll(/\s+/g, ' ').trim()
  return `a handler runs in the transaction of its batch, and "${words}" ${refusal}`
}
