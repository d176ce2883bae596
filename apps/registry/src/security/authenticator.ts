import { createHash, randomBytes, scrypt, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'
import { HttpFailure } from '../http/errors.ts'
import type { User } from './users.ts'

/** Passwords that were right: their hash is slow on purpose, and clients send it with every request. */
const VERIFIED_MAX = 1_000
/** Passwords that are being hashed or wait for it; each takes 16 MB and a thread for a while. */
const HASHING_MAX = 256
const HEADER_LENGTH_MAX = 4_096
const KEY_BYTES = 32

/** Compared with for users that have none; nothing hashes to it but by chance. */
const NO_PASSWORD = `scrypt:${randomBytes(16).toString('base64')}:${randomBytes(KEY_BYTES).toString('base64')}`

const hash = promisify(scrypt) as (
  password: string,
  salt: Buffer,
  keyLength: number,
) => Promise<Buffer>

/** Tells who sends a request, by basic authentication or a bearer token. */
export class Authenticator {
  #users: ReadonlyMap<string, User> = new Map()
  #byToken: ReadonlyMap<string, User> = new Map()
  /** Digests of headers that were right, with a key of this process. */
  readonly #verified = new Map<string, User>()
  readonly #key = randomBytes(32)
  /** The same credentials at the same time are looked at once. */
  readonly #hashing = new Map<string, Promise<User | undefined>>()

  constructor(users: readonly User[]) {
    this.replaceUsers(users)
  }

  /** From now on only these, with these passwords, are let in. */
  replaceUsers(users: readonly User[]): void {
    this.#users = new Map(users.map((user) => [user.name, user]))
    this.#byToken = new Map(
      users.flatMap((user) => (user.token === undefined ? [] : [[user.token, user] as const])),
    )
    this.#verified.clear()
  }

  /**
   * The user of an `Authorization` header whom it takes no work to recognise: by a token, or by a
   * password that was right before.
   */
  knownUserOf(header: string | undefined): User | undefined {
    const { scheme, credentials } = credentialsOf(header)
    if (scheme === 'bearer') {
      return this.#byToken.get(`sha256:${createHash('sha256').update(credentials).digest('hex')}`)
    }
    return scheme === 'basic' ? this.#verified.get(this.#digest(credentials)) : undefined
  }

  /** The user of an `Authorization` header; undefined when it is missing or wrong. */
  async userOf(header: string | undefined): Promise<User | undefined> {
    const known = this.knownUserOf(header)
    if (known !== undefined) return known
    const { scheme, credentials } = credentialsOf(header)
    return scheme === 'basic' ? this.#ofPassword(credentials) : undefined
  }

  #digest(credentials: string): string {
    return createHash('sha256').update(this.#key).update(credentials).digest('hex')
  }

  async #ofPassword(credentials: string): Promise<User | undefined> {
    const digest = this.#digest(credentials)
    const underway = this.#hashing.get(digest)
    if (underway !== undefined) return underway
    if (this.#hashing.size >= HASHING_MAX) {
      const message = 'Too many passwords are being checked'
      throw new HttpFailure({ errorCode: 429, message, retryAfterSeconds: 1 })
    }
    const checked = this.#check(digest, credentials).finally(() => this.#hashing.delete(digest))
    this.#hashing.set(digest, checked)
    return checked
  }

  async #check(digest: string, credentials: string): Promise<User | undefined> {
    const text = Buffer.from(credentials, 'base64').toString('utf8')
    const separator = text.indexOf(':')
    const user = separator < 0 ? undefined : this.#users.get(text.slice(0, separator))
    // A name that is not there costs as much as one that is: the time of an answer tells no names.
    const isRight = await isPassword(text.slice(separator + 1), user?.password ?? NO_PASSWORD)
    if (user?.password === undefined || !isRight) return undefined
    // The file of users may have changed while the password was hashed.
    if (this.#users.get(user.name) !== user) return undefined
    this.#remember(digest, user)
    return user
  }

  #remember(digest: string, user: User): void {
    this.#verified.set(digest, user)
    const oldest = this.#verified.keys().next()
    if (this.#verified.size > VERIFIED_MAX && oldest.done !== true) {
      this.#verified.delete(oldest.value)
    }
  }
}

function credentialsOf(header: string | undefined): {
  readonly scheme: string
  readonly credentials: string
} {
  const isShort = header !== undefined && header.length <= HEADER_LENGTH_MAX
  const [, scheme = '', credentials = ''] = /^(\S+) +(\S+)$/.exec(isShort ? header : '') ?? []
  return { scheme: scheme.toLowerCase(), credentials }
}

async function isPassword(password: string, stored: string): Promise<boolean> {
  const [, salt = '', key = ''] = stored.split(':')
  const expected = Buffer.from(key, 'base64')
  const actual = await hash(password, Buffer.from(salt, 'base64'), KEY_BYTES)
  return expected.length === actual.length && timingSafeEqual(expected, actual)
}

/** A password as the file of users has it. */
export async function hashedPassword(password: string): Promise<string> {
  const salt = randomBytes(16)
  const key = await hash(password, salt, KEY_BYTES)
  return `scrypt:${salt.toString('base64')}:${key.toString('base64')}`
}
