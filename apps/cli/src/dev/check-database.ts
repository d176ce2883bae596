import { errorMessage } from '@fairlead/base'
import { createPool, tlsFailure, withTls } from '@fairlead/postgres'

/**
 * Looks at a Postgres that somebody else runs before anything is started on it.
 *
 * @throws {Error} when it cannot be reached, or its log cannot be decoded.
 */
export async function checkDatabase(url: string): Promise<void> {
  const walLevel = await readWalLevel(url)
  if (walLevel === 'logical') return
  throw new Error(
    `the Postgres of DATABASE_URL has wal_level = ${walLevel}: set wal_level = logical, and restart it`,
  )
}

async function readWalLevel(url: string): Promise<string> {
  // As the relay will speak to it.
  const secured = withTls(url)
  const pool = createPool({ url: secured, max: 1, applicationName: 'fairlead-dev' })
  try {
    const { rows } = await pool.query<{ wal_level: string }>('show wal_level')
    return rows[0]?.wal_level ?? 'unknown'
  } catch (error) {
    const reason = tlsFailure(secured, error) ?? errorMessage(error)
    throw new Error(`the Postgres of DATABASE_URL cannot be used: ${reason}`, { cause: error })
  } finally {
    await pool.end()
  }
}
