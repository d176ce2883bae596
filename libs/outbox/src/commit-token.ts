import { type Brand, type Lsn, OperationalError, lsn, parseLsn } from '@fairlead/base'
import { type KeyCounts, SUM_ONLY, WHOLE_HASHES, coarsened } from './key-counts.ts'
import { decodePosition, encodePosition } from './token-bytes.ts'

/**
 * Where a transaction and its events stand, as text that may go to a client and come back. It is not
 * secret and not signed: a forged one makes its own reader wait.
 */
export type CommitToken = Brand<string, 'CommitToken'>

/** What a token says. */
export type CommitPosition = {
  /** The commit is below it, and so is no commit that comes after; {@link UNKNOWN_LSN} when that is not known. */
  readonly lsn: Lsn
  /** `pg_current_xact_id()` of the transaction, which its events carry in a header. */
  readonly transactionId: string
  /** Its events by topic; null where nothing is known of how many there are. */
  readonly written: ReadonlyMap<string, KeyCounts | null>
}

/** No commit comes to it. */
export const UNKNOWN_LSN: Lsn = lsn(0xffff_ffff_ffff_ffffn)

/** A text that no outbox made. */
export class CommitTokenError extends OperationalError {
  override readonly name = 'CommitTokenError'

  constructor(cause?: unknown) {
    super('this is no commit token: pass on what outbox.transaction returned, unchanged', {
      code: 'INVALID_COMMIT_TOKEN',
      retryable: false,
      cause,
    })
  }
}

/**
 * At most as long as a cookie may be. Of a transaction with very many events it tells less of where they are,
 * and of one with very many topics nothing: see {@link isCutCommitToken}.
 */
export function formatCommitToken(position: CommitPosition): CommitToken {
  const written = new Map(position.written)
  for (;;) {
    const text = VERSION + encodePosition({ ...position, written }).toString('base64url')
    if (text.length <= TOKEN_LENGTH_MAX) return text as CommitToken
    const [topic, counts] = widest(written)
    if (topic === undefined || counts === undefined) return CUT as CommitToken
    written.set(topic, coarsened(counts, SUM_ONLY))
  }
}

function widest(written: CommitPosition['written']) {
  let found: readonly [string?, KeyCounts?] = []
  for (const [topic, counts] of written) {
    if (counts === null || counts.modulus === SUM_ONLY) continue
    if (counts.counts.size > (found[1]?.counts.size ?? 0)) found = [topic, counts]
  }
  return found
}

/**
 * One token for several writes, the oldest first. It holds some 60 writes of one event, and forgets the
 * oldest when they are more: then nothing that waits for it is called fresh, see {@link isCutCommitToken}.
 */
export function joinCommitTokens(...tokens: readonly string[]): CommitToken {
  const all = tokens.flatMap((token) => token.split(SEPARATOR))
  const single = [...new Set(all)].filter((token) => token !== CUT)
  const kept: string[] = []
  let lengthLeft = TOKEN_LENGTH_MAX
  for (const token of single.toReversed()) {
    lengthLeft -= token.length + (kept.length === 0 ? 0 : SEPARATOR.length)
    if (lengthLeft < 0) break
    kept.unshift(token)
  }
  const isCut = all.includes(CUT) || kept.length < single.length
  return [...(isCut ? [CUT] : []), ...kept].join(SEPARATOR) as CommitToken
}

/** The token without the writes that `isKept` says no to; undefined when there is nothing left to wait for. */
export function filterCommitToken(
  text: string,
  isKept: (position: CommitPosition) => boolean,
): CommitToken | undefined {
  const positions = parseCommitToken(text)
  const single = text.split(SEPARATOR).filter((token) => token !== CUT)
  const kept = single.filter((_, index) => isKept(positions[index] as CommitPosition))
  const left = isCutCommitToken(text) ? [CUT, ...kept] : kept
  return left.length === 0 ? undefined : (left.join(SEPARATOR) as CommitToken)
}

/** Whether a token is of more writes than it could hold, so that it does not name them all. */
export function isCutCommitToken(text: string): boolean {
  return text === CUT || text.startsWith(CUT + SEPARATOR)
}

/**
 * The writes that a token is for, but for those that it has forgotten.
 *
 * @throws {CommitTokenError}
 */
export function parseCommitToken(text: string): readonly CommitPosition[] {
  const given: unknown = text
  if (typeof given !== 'string' || given.length > GIVEN_LENGTH_MAX) throw new CommitTokenError()
  if (text === CUT) return []
  const single = isCutCommitToken(text) ? text.slice(CUT.length + SEPARATOR.length) : text
  return single.split(SEPARATOR).map(parseOne)
}

function parseOne(text: string): CommitPosition {
  // Node passes over what is not of base64, such as the end of a cookie and attributes behind it.
  const [, version, encoded] = /^([12])\.([\w-]+)$/.exec(text) ?? []
  if (encoded === undefined) throw new CommitTokenError()
  try {
    const bytes = Buffer.from(encoded, 'base64url')
    return version === '1' ? positionInJson(JSON.parse(bytes.toString())) : decodePosition(bytes)
  } catch (error) {
    throw new CommitTokenError(error)
  }
}

const VERSION = '2.'
const SEPARATOR = '~'
/** Stands first in a token that has forgotten some. */
const CUT = 'cut'
/** A cookie has 4,096 bytes, its name and attributes among them; browsers drop a longer one, and say nothing. */
const TOKEN_LENGTH_MAX = 3_800
const GIVEN_LENGTH_MAX = 16_384

/**
 * Of version 1, which had the hashes of the keys, and not how many events a key has: at least one. Null is for
 * more than 50 keys.
 */
function positionInJson(json: unknown): CommitPosition {
  if (!Array.isArray(json)) throw new TypeError('no array')
  const [lsnText, transactionId, topics] = json as readonly unknown[]
  if (typeof lsnText !== 'string' || typeof transactionId !== 'string') {
    throw new TypeError('no position')
  }
  if (!/^\d{1,20}$/.test(transactionId)) throw new TypeError('no transaction id')
  if (typeof topics !== 'object' || topics === null) throw new TypeError('no topics')
  const written = Object.entries(topics).map(([topic, hashes]: [string, unknown]) => {
    if (hashes === null) return [topic, null] as const
    if (!Array.isArray(hashes) || !hashes.every(Number.isInteger)) throw new TypeError('no hashes')
    const counts = new Map(hashes.map((hash: number) => [hash, 1]))
    return [topic, { modulus: WHOLE_HASHES, counts }] as const
  })
  return { lsn: parseLsn(lsnText), transactionId, written: new Map(written) }
}
