import { createHash, createHmac, pbkdf2, randomBytes, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'

const MECHANISMS = {
  'SCRAM-SHA-256': { hash: 'sha256', keyBytes: 32 },
  'SCRAM-SHA-512': { hash: 'sha512', keyBytes: 64 },
} as const
const NONCE_BYTES = 18
/** RFC 7677, and Kafka's own least. */
const ITERATIONS_MIN = 4_096
/** A server that asks for more keeps a processor busy: Kafka's own most is 16,384. */
const ITERATIONS_MAX = 1_000_000
/** No channel binding, "n,,", in base 64. */
const GS2_HEADER = 'n,,'

const derive = promisify(pbkdf2)

/**
 * The client's side of one SCRAM authentication (RFC 5802, RFC 7677), without channel binding. Names and
 * passwords are taken as they are: Kafka does not normalize them either.
 */
export class ScramClient {
  readonly #mechanism: (typeof MECHANISMS)[keyof typeof MECHANISMS]
  readonly #password: string
  readonly #nonce: string
  readonly #firstBare: string
  #serverSignature: Buffer | undefined

  constructor(options: {
    readonly mechanism: keyof typeof MECHANISMS
    readonly username: string
    readonly password: string
    readonly nonce?: string
  }) {
    const { mechanism, username, password, nonce } = options
    this.#mechanism = MECHANISMS[mechanism]
    this.#password = password
    this.#nonce = nonce ?? randomBytes(NONCE_BYTES).toString('base64')
    const name = username.replaceAll('=', '=3D').replaceAll(',', '=2C')
    this.#firstBare = `n=${name},r=${this.#nonce}`
  }

  get clientFirst(): string {
    return GS2_HEADER + this.#firstBare
  }

  /** @throws {Error} when the server's message is none, or too weak. */
  async clientFinal(serverFirst: string): Promise<string> {
    const { r: nonce = '', s: salt = '', i: iterationsText } = attributes(serverFirst)
    const iterations = Number(iterationsText)
    if (!nonce.startsWith(this.#nonce) || nonce === this.#nonce || salt === '') {
      throw new Error('the first SCRAM message of the broker is no answer to ours')
    }
    if (!(iterations >= ITERATIONS_MIN && iterations <= ITERATIONS_MAX)) {
      throw new Error(
        `the broker wants ${iterationsText} SCRAM iterations, not ${ITERATIONS_MIN} to ${ITERATIONS_MAX}`,
      )
    }
    const { hash, keyBytes } = this.#mechanism
    const saltedPassword = await derive(
      this.#password,
      Buffer.from(salt, 'base64'),
      iterations,
      keyBytes,
      hash,
    )
    const finalBare = `c=${Buffer.from(GS2_HEADER).toString('base64')},r=${nonce}`
    const message = `${this.#firstBare},${serverFirst},${finalBare}`
    const clientKey = this.#hmac(saltedPassword, 'Client Key')
    const storedKey = createHash(hash).update(clientKey).digest()
    const proof = xor(clientKey, this.#hmac(storedKey, message))
    this.#serverSignature = this.#hmac(this.#hmac(saltedPassword, 'Server Key'), message)
    return `${finalBare},p=${proof.toString('base64')}`
  }

  /** @throws {Error} unless the server knows the password as well. */
  expectServer(serverFinal: string): void {
    const { v: signature = '', e: refusal } = attributes(serverFinal)
    if (refusal !== undefined) throw new Error(`SCRAM authentication failed: ${refusal}`)
    const theirs = Buffer.from(signature, 'base64')
    const ours = this.#serverSignature
    if (ours === undefined || theirs.length !== ours.length || !timingSafeEqual(theirs, ours)) {
      throw new Error('the broker does not know the password: its SCRAM signature is wrong')
    }
  }

  #hmac(key: Buffer, message: string): Buffer {
    return createHmac(this.#mechanism.hash, key).update(message).digest()
  }
}

/**
 * By their letters; the value of one may have `=` in it.
 *
 * @throws {Error} for `m`, an extension that nobody may pass over; others may be passed over (RFC 5802, section 5.1).
 */
function attributes(message: string): Readonly<Record<string, string | undefined>> {
  const byLetter = Object.fromEntries(
    message.split(',').map((part) => [part.slice(0, 1), part.slice(2)]),
  )
  if ('m' in byLetter) throw new Error('the broker asks for an unknown SCRAM extension: m=')
  return byLetter
}

/** Of two digests of one hash. */
function xor(left: Buffer, right: Buffer): Buffer {
  return Buffer.from(left.map((byte, index) => byte ^ (right[index] ?? 0)))
}
