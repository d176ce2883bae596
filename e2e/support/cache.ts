import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'

/** Where third-party clients are kept between runs: `FAIRLEAD_CACHE_DIR`, or the user's cache. */
function cacheRoot(): string {
  const userCache = process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache')
  return process.env['FAIRLEAD_CACHE_DIR'] ?? join(userCache, 'fairlead')
}

/**
 * The folder of the cache that `fill` has filled: once per `name` and `recipe`, which is whatever
 * decides its content. It appears as a whole or not at all, also when two processes fill it at once.
 */
export async function cached(
  name: string,
  recipe: string,
  fill: (directory: string) => Promise<void>,
): Promise<string> {
  const hash = createHash('sha256').update(recipe).digest('hex').slice(0, 12)
  const directory = join(cacheRoot(), `${name}-${hash}`)
  if (existsSync(directory)) return directory
  await mkdir(dirname(directory), { recursive: true })
  const unfinished = await mkdtemp(`${directory}.`)
  try {
    await fill(unfinished)
    await rename(unfinished, directory).catch((error: unknown) => {
      if (!existsSync(directory)) throw error
    })
  } finally {
    await rm(unfinished, { recursive: true, force: true })
  }
  return directory
}
