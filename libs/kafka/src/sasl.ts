import type { SaslCredentials } from './client-security.ts'
import { errorName } from './error-codes.ts'
import { type Exchange, exchangeOf } from './requests/exchange.ts'
import { ScramClient } from './scram.ts'

/** The broker does not take us for who we say we are, or is not who it should be. Never with the password in it. */
export class SaslRefusal extends Error {
  override readonly name = 'SaslRefusal'
}

type Send = <Response>(exchange: Exchange<Response>) => Promise<Response>

/**
 * Says who we are on a connection that has just been opened (KIP-152). Answers how long that holds; 0: for as
 * long as the connection does (KIP-368).
 *
 * @throws {SaslRefusal} What `send` throws.
 */
export async function authenticate(send: Send, credentials: SaslCredentials): Promise<number> {
  const { mechanism, username, password } = credentials
  const handshake = await send(handshakeExchange(mechanism))
  if (handshake.errorCode !== 0) {
    throw new SaslRefusal(
      `the broker has no ${mechanism}, but ${handshake.mechanisms.join(', ')}: ${errorName(handshake.errorCode)}`,
    )
  }
  const challenge = async (message: string) => {
    const answer = await send(authenticateExchange(Buffer.from(message)))
    if (answer.errorCode === 0) return answer
    const reason = answer.errorMessage ?? errorName(answer.errorCode)
    throw new SaslRefusal(`SASL authentication failed: ${reason}`)
  }
  if (mechanism === 'PLAIN') {
    const answer = await challenge(['', username, password].join('\0'))
    return answer.sessionLifetimeMs
  }
  const scram = new ScramClient({ mechanism, username, password })
  const first = await challenge(scram.clientFirst)
  const last = await challenge(await refusing(() => scram.clientFinal(first.text)))
  await refusing(() => scram.expectServer(last.text))
  return last.sessionLifetimeMs
}

/** What the broker says is no SCRAM, or not that of somebody who knows the password. */
async function refusing<Value>(step: () => Value | Promise<Value>): Promise<Value> {
  try {
    return await step()
  } catch (error) {
    throw new SaslRefusal(error instanceof Error ? error.message : String(error))
  }
}

/** SaslHandshake (key 17), version 1: SASL's messages come in SaslAuthenticate. */
function handshakeExchange(
  mechanism: string,
): Exchange<{ readonly errorCode: number; readonly mechanisms: readonly string[] }> {
  return exchangeOf(
    { key: 17, version: 1 },
    {
      taggedHeaders: { request: false, response: false },
      encode: (writer) => {
        writer.plainString(mechanism)
      },
      decode: (reader) => ({
        errorCode: reader.int16(),
        mechanisms: reader.plainArray(() => reader.plainString()),
      }),
    },
  )
}

/** SaslAuthenticate (key 36), version 2. */
function authenticateExchange(message: Uint8Array): Exchange<{
  readonly errorCode: number
  readonly errorMessage: string | null
  readonly text: string
  readonly sessionLifetimeMs: number
}> {
  return exchangeOf(
    { key: 36, version: 2 },
    {
      encode: (writer) => {
        writer.nullableBytes(message).tags()
      },
      decode: (reader) => ({
        errorCode: reader.int16(),
        errorMessage: reader.nullableString(),
        text: reader.string(),
        sessionLifetimeMs: reader.int64(),
      }),
    },
  )
}
