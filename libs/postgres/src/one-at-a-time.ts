import { invariant } from '@fairlead/base'
import type pg from 'pg'

/**
 * Lets several parts of a program query through one connection: each query waits for those before it. `pg`
 * has a queue of its own, warns of its use, and is to lose it in version 9.
 *
 * A query fails for itself alone; once the connection is gone, those that wait fail as soon as it is
 * their turn. Only promises are given, no callbacks are called. Transactions are not kept apart.
 */
export function oneAtATime(client: pg.Client): pg.Client {
  const query = client.query.bind(client) as (...given: unknown[]) => Promise<unknown>
  let before: Promise<unknown> = Promise.resolve()
  const inTurn = (...given: unknown[]): Promise<unknown> => {
    invariant(typeof given.at(-1) !== 'function', 'a query that waits its turn gives a promise')
    const result = before.then(() => query(...given))
    before = result.catch(() => undefined)
    return result
  }
  client.query = inTurn as typeof client.query
  return client
}
