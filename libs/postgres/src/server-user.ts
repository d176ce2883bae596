import { readFileSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { EmbeddedPostgresError } from './embedded-errors.ts'

export type ServerUser = { readonly name: string; readonly uid: number; readonly gid: number }

/** Users that a server may run as, best first. `nobody` is in nearly every image. */
const CANDIDATES = ['postgres', 'nobody']
const EXECUTE_OTHERS = 0o001
const EXECUTE_GROUP = 0o010
const EXECUTE_OWNER = 0o100

/**
 * The unprivileged user that the server runs as when this process is root, since Postgres refuses
 * to run as root; undefined when this process is not root. `initdb` demands an entry in the user
 * database, so an arbitrary free uid would not do.
 */
export function serverUser(): ServerUser | undefined {
  if (process.getuid?.() !== 0) return undefined
  const users = readFileSync('/etc/passwd', 'utf8').split('\n').map(parseUser)
  for (const candidate of CANDIDATES) {
    const user = users.find((user) => user?.name === candidate)
    if (user !== undefined) return user
  }
  throw new EmbeddedPostgresError(
    `Postgres refuses to run as root, and there is no user ${CANDIDATES.join(' or ')} to run it as`,
    'NO_UNPRIVILEGED_USER',
  )
}

function parseUser(line: string): ServerUser | undefined {
  const [name, , uid, gid] = line.split(':')
  if (name === undefined || uid === undefined || gid === undefined) return undefined
  return { name, uid: Number(uid), gid: Number(gid) }
}

/** Whether `user` may enter `directory` and every directory above it. */
export function mayTraverse(directory: string, user: ServerUser): boolean {
  return untraversableParent(directory, user) === undefined
}

/** The first directory, from `directory` upwards, that `user` may not enter. */
export function untraversableParent(directory: string, user: ServerUser): string | undefined {
  for (let current = directory; ; current = dirname(current)) {
    const { mode, uid, gid } = statSync(current)
    const needed =
      uid === user.uid ? EXECUTE_OWNER : gid === user.gid ? EXECUTE_GROUP : EXECUTE_OTHERS
    if ((mode & needed) === 0) return current
    if (dirname(current) === current) return undefined
  }
}
