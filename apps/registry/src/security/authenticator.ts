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

const hash = promisify(scrypt) as (
  password: string,
  salt: Buffer,
  keyLength: number,
) => Promise<Buffer>

/** Tells who sends a request, by basic authentication or a bearer token. */
export class Authenticator {
  readonly #users: ReadonlyMap<string, User>
  readonly #byToken: ReadonlyMap<string, User>
  /** Digests of headers that were right, with a key of this process. */
  readonly #verified = new Map<string, User>()
  readonly #key = randomBytes(32)
  /** The same credentials at the same time are looked at once. */
  readonly #hashing = new Map<string, Promise<User | undefined>>()

  constructor(users: readonly User[]) {
    this.#users = new Map(users.map((user) => [user.name, user]))
    this.#byToken = new Map(
      users.flatMap((user) => (user.token === undefined ? [] : [[user.token, user] as const])),
    )
  }

  /** The user of an `Authorization` header; undefined when it is missing or wrong. */
  async userOf(header: string | undefined): Promise<User | undefined> {
    if (header === undefined || header.length > HEADER_LENGTH_MAX) return undefined
    const [, scheme = '', credentials = ''] = /^(\S+) +(\S+)$/.exec(header) ?? []
    switch (scheme.toLowerCase()) {
      case 'bearer':
        return this.#byToken.get(`sha256:${createHash('sha256').update(credentials).digest('hex')}`)
      case 'basic':
        return this.#ofPassword(credentials)
      default:
        return undefined
    }
  }

  async #ofPassword(credentials: string): Promise<User | undefined> {
    const digest = createHash('sha256').update(this.#key).update(credentials).digest('hex')
    const verified = this.#verified.get(digest)
    if (verified !== undefined) return verified
    const underway = this.#hashing.get(digest)
    if (underway !== undefined) return underway
    if (this.#hashing.size >= HASHING_MAX) {
      throw new HttpFailure({ errorCode: 429, message: 'Too many passwords are being checked' })
    }
    const checked = this.#check(digest, credentials).finally(() => this.#hashing.delete(digest))
    this.#hashing.set(digest, checked)
    return checked
  }

  async #check(digest: string, credentials: string): Promise<User | undefined> {
    const text = Buffer.from(credentials, 'base64').toString('utf8')
    const separator = text.indexOf(':')
    const user = separator < 0 ? undefined : this.#users.get(text.slice(0, separator))
    if (user?.password === undefined) return undefined
    if (!(await isPassword(text.slice(separator + 1), user.password))) return undefined
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
