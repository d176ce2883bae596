import type { RegistryConfig } from '../config.ts'
import { FollowedFiles } from '../followed-files.ts'
import { Authenticator } from './authenticator.ts'
import type { AuditLogger, GuardOptions } from './guard.ts'
import { RateLimits } from './rate-limits.ts'
import { readUsers } from './users.ts'

interface Logger extends AuditLogger {
  error(fields: object, message: string): void
}

export type ConfiguredGuard = {
  readonly guard: Omit<GuardOptions, 'requests' | 'limits'>
  /** The file of users, which is read again when it changes. */
  readonly files: FollowedFiles
}

/** Undefined where everybody may do everything. @throws {Error} for a file of users that is not one. */
export async function configuredGuard(
  config: RegistryConfig,
  logger: Logger,
  /** Of tests. */
  lookEveryMs?: number,
): Promise<ConfiguredGuard | undefined> {
  if (config['authentication.method'] !== 'BASIC') return undefined
  const file = config['authentication.users.file']
  const authenticator = new Authenticator([])
  const files = await FollowedFiles.follow({
    paths: [file],
    load: async () => {
      const users = await readUsers(file)
      authenticator.replaceUsers(users)
      logger.info({ file, users: users.length }, 'users were read')
    },
    onFailure: (error) => logger.error({ err: error }, 'the users stay what they were'),
    ...(lookEveryMs === undefined ? {} : { lookEveryMs }),
  })
  const guard = { authenticator, realm: config['authentication.realm'], audit: logger }
  return { guard, files }
}

/** Undefined where everybody may ask as often as they like. */
export function configuredLimits(config: RegistryConfig): RateLimits | undefined {
  if (!config['dos.filter.enabled']) return undefined
  return new RateLimits({
    perSecond: config['dos.filter.max.requests.per.sec'],
    perClientPerSecond: config['dos.filter.max.requests.per.connection.per.sec'],
    nowMs: () => performance.now(),
  })
}
