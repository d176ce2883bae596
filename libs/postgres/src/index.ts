export {
  type PostgresErrorClass,
  classifyPostgresError,
  isTlsErrorCode,
  postgresErrorCode,
  tlsErrorCode,
} from './classify-error.ts'
export { closeClient, cutClient } from './close-client.ts'
export { copyIn } from './copy-in.ts'
export {
  type DatabaseTls,
  tlsFailure,
  tlsSaidTwice,
  withTls,
} from './database-tls.ts'
export { EmbeddedPostgresError } from './embedded-errors.ts'
export {
  EmbeddedPostgres,
  type EmbeddedPostgresOptions,
  startEmbeddedPostgres,
} from './embedded-postgres.ts'
export type { Logger } from './logger.ts'
export { type MigrateOptions, MigrationError, migrate, pendingMigrations } from './migrate.ts'
export { oneAtATime } from './one-at-a-time.ts'
export { type PoolOptions, createPool } from './pool.ts'
export { END_WITH_CLIENT, SESSION_SETTINGS } from './session-settings.ts'
export { mayTraverse, serverUser } from './server-user.ts'
export {
  type Keepalive,
  ReplicationConnection,
  ReplicationError,
  type ReplicationOptions,
} from './replication-connection.ts'
