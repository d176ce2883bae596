import { AssertionError } from 'node:assert'
import { createHash } from 'node:crypto'
import { type Projection, definitionText } from '@fairlead/projection'

const HASH_LENGTH = 16

/**
 * The version of a projection, and a hash of what else of its definition decides about rows: as the test runs it, so
 * that another compiler of TypeScript may make another one of it. Limit: functions that handlers call are no part.
 */
export function codeHash(projection: Projection): string {
  return recordOf(projection.version, projection)
}

/**
 * Finds out in a test that the code of a projection has changed and its version has not, which a projector does at
 * its start. `recorded` is what {@link codeHash} was when the test was written:
 *
 *     expectUnchanged(orderSummary, '1:8a2f60c1d9be4375')
 *
 * @throws {AssertionError} with what to record, and the version to give.
 */
export function expectUnchanged(projection: Projection, recorded: string): void {
  const actual = codeHash(projection)
  if (actual === recorded) return
  throw new AssertionError({
    message: differenceFrom(projection, recorded),
    actual,
    expected: recorded,
    operator: 'expectUnchanged',
  })
}

function differenceFrom(projection: Projection, recorded: string): string {
  const { name, version } = projection
  const same = `'${codeHash(projection)}'`
  if (!/^\d+:[0-9a-f]+$/.test(recorded)) return `nothing is recorded of ${name} yet: put ${same}`
  if (Number(recorded.split(':')[0]) !== version) {
    return `${name} has version ${version} now: put ${same}`
  }
  const next = version + 1
  return `the code of ${name} has changed, and its version has not: a projector that has version ${version} refuses to start. Give it version ${next}, and put '${recordOf(next, projection)}'. If no projector has run version ${version} yet, put ${same}`
}

function recordOf(version: number, projection: Projection): string {
  const text = definitionText({ ...projection, version: 0 })
  return `${version}:${createHash('sha256').update(text).digest('hex').slice(0, HASH_LENGTH)}`
}
