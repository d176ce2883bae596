import type pg from 'pg'

const CLOSE_DEADLINE_MS = 1_000

/** Ends a connection in order; or cuts it, since a server that is gone without a word never says goodbye. */
export async function closeClient(client: pg.Client): Promise<void> {
  const late = setTimeout(() => cutClient(client), CLOSE_DEADLINE_MS)
  await client.end()
  clearTimeout(late)
}

/** Whatever waits for an answer fails now. */
export function cutClient(client: pg.Client): void {
  client.connection.stream.destroy()
}
