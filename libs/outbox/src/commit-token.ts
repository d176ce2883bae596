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

/** A cookie holds 4 KiB, for up to four tokens; a hash takes up to 15 characters. */
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

/** One token for several writes, of which the last {@link TOKENS_MAX} count. */
export function joinCommitTokens(...tokens: readonly string[]): CommitToken {
  const single = tokens.flatMap((token) => token.split(SEPARATOR))
  return single.slice(-TOKENS_MAX).join(SEPARATOR) as CommitToken
}

/**
 * The writes that a token is for.
 *
 * @throws {CommitTokenError}
 */
export function parseCommitToken(text: string): readonly CommitPosition[] {
  if (text.length > TOKEN_LENGTH_MAX) throw new CommitTokenError()
  return text.split(SEPARATOR).map(parseOne)
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
const TOKENS_MAX = 4
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
