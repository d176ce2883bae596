import { md5 } from '@fairlead/avro'

const FINGERPRINT_BYTES = 8
const utf8 = new TextEncoder()

/** What differs between two failures of one cause: quoted values, ids, numbers, and what looks like them. */
const VARIABLE_PARTS: readonly RegExp[] = [
  /"[^"]*"|'[^']*'|`[^`]*`/g,
  /\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b/gi,
  /\S*\d\S*/g,
]

/** Longer messages differ in what they quote; their beginning says what happened. */
const MESSAGE_LENGTH_MAX = 200

/**
 * Names the cause of a failure, so that letters of one cause can be listed and replayed together: 16
 * hexadecimal digits of the stage, the class and code of the error, its message without the values
 * in it, and the place that threw it.
 */
export function fingerprintOf(failure: {
  readonly stage: string
  readonly errorClass: string
  readonly errorCode: string
  readonly errorMessage: string
  readonly errorStack: string
}): string {
  const { stage, errorClass, errorCode, errorMessage, errorStack } = failure
  const parts = [stage, errorClass, errorCode, withoutValues(errorMessage), thrower(errorStack)]
  const digest = md5(utf8.encode(parts.join('\n'))).subarray(0, FINGERPRINT_BYTES)
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('')
}

function withoutValues(message: string): string {
  return VARIABLE_PARTS.reduce((text, part) => text.replace(part, '?'), message).slice(
    0,
    MESSAGE_LENGTH_MAX,
  )
}

/** The first frame of a stack without its position: another build has the same cause. */
function thrower(stack: string): string {
  const frame = /^\s+at (.*)$/m.exec(stack)?.[1] ?? ''
  return frame.replace(/\(.*\)|:\d+/g, '').trim()
}
