import { type Brand, type Lsn, OperationalError, formatLsn, parseLsn } from '@fairlead/base'

/**
 * Where a transaction and its events stand, as text that may go to a client and come back. It is not
 * secret and not signed: a forged one makes its own reader wait.
 */
export type CommitToken = Brand<string, 'CommitToken'>

/** What a token says. */
export type CommitPosition = {
  /** The commit is below it, and so is no commit that comes after. */
  readonly lsn: Lsn
  /** `pg_current_xact_id()` of the transaction, which its events carry in a header. */
  readonly transactionId: string
  /**
   * Hashes of the keys of its events by topic, for the partitions they are in; null where there are
   * more than {@link KEYS_PER_TOPIC_MAX} of them.
   */
  readonly keyHashes: ReadonlyMap<string, readonly number[] | null>
}

/** A hash takes up to 15 characters of a token, and {@link JOINED_LENGTH_MAX} are for all tokens of a client. */
export const KEYS_PER_TOPIC_MAX = 50

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

export function formatCommitToken(position: CommitPosition): CommitToken {
  const { lsn, transactionId, keyHashes } = position
  const json = JSON.stringify([formatLsn(lsn), transactionId, Object.fromEntries(keyHashes)])
  return (VERSION + Buffer.from(json).toString('base64url')) as CommitToken
}

/**
 * One token for several writes, the oldest first. It holds some 40 writes of one event, and forgets the
 * oldest when they are more: then nothing that waits for it is called fresh, see {@link isCutCommitToken}.
 */
export function joinCommitTokens(...tokens: readonly string[]): CommitToken {
  const all = tokens.flatMap((token) => token.split(SEPARATOR))
  const single = [...new Set(all)].filter((token) => token !== CUT)
  const kept: string[] = []
  let lengthLeft = JOINED_LENGTH_MAX
  for (const token of single.toReversed()) {
    lengthLeft -= token.length + SEPARATOR.length
    if (lengthLeft < 0 && kept.length > 0) break
    kept.unshift(token)
  }
  const isCut = all.includes(CUT) || kept.length < single.length
  return [...(isCut ? [CUT] : []), ...kept].join(SEPARATOR) as CommitToken
}

/** Whether a token was joined of more writes than it could hold, so that it does not name them all. */
export function isCutCommitToken(text: string): boolean {
  return text.startsWith(`${CUT}${SEPARATOR}`)
}

/**
 * The writes that a token is for, but for those that it has forgotten.
 *
 * @throws {CommitTokenError}
 */
export function parseCommitToken(text: string): readonly CommitPosition[] {
  const given: unknown = text
  if (typeof given !== 'string' || given.length > TOKEN_LENGTH_MAX) throw new CommitTokenError()
  const single = isCutCommitToken(text) ? text.slice(CUT.length + SEPARATOR.length) : text
  return single.split(SEPARATOR).map(parseOne)
}

function parseOne(text: string): CommitPosition {
  if (!text.startsWith(VERSION)) throw new CommitTokenError()
  try {
    const json: unknown = JSON.parse(
      Buffer.from(text.slice(VERSION.length), 'base64url').toString(),
    )
    return checked(json)
  } catch (error) {
    throw new CommitTokenError(error)
  }
}

const VERSION = '1.'
const SEPARATOR = '~'
/** Stands first in a token that has forgotten some. */
const CUT = 'cut'
/** A cookie has 4,096 bytes, its name and attributes among them. */
const JOINED_LENGTH_MAX = 3_800
const TOKEN_LENGTH_MAX = 16_384

function checked(json: unknown): CommitPosition {
  if (!Array.isArray(json)) throw new TypeError('no array')
  const [lsnText, transactionId, topics] = json as readonly unknown[]
  if (typeof lsnText !== 'string' || typeof transactionId !== 'string') {
    throw new TypeError('no position')
  }
  if (!/^\d{1,20}$/.test(transactionId)) throw new TypeError('no transaction id')
  if (typeof topics !== 'object' || topics === null) throw new TypeError('no topics')
  const keyHashes = Object.entries(topics).map(([topic, hashes]: [string, unknown]) => {
    if (hashes === null) return [topic, null] as const
    if (!Array.isArray(hashes) || !hashes.every(Number.isInteger)) throw new TypeError('no hashes')
    return [topic, hashes as readonly number[]] as const
  })
  return { lsn: parseLsn(lsnText), transactionId, keyHashes: new Map(keyHashes) }
}
