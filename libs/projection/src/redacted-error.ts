import type { AnyEvents } from '@fairlead/avro'
import { errorMessage } from '@fairlead/base'
import type { AnyEvent } from './definition.ts'
import { type FailureClass, RedactedError, errorCode, isEventFault } from './failure.ts'
import { REDACTED, personalTexts } from './personal-data.ts'

/** Longer texts of an error are cut: a stack can hold a whole statement. */
const ERROR_TEXT_LENGTH_MAX = 8_192
/** Errors wrap others; one that is its own cause would never end. */
const CAUSES_MAX = 8

type Redact = (text: string) => string

/** What is kept of an error. */
export type DescribedError = {
  readonly errorClass: string
  readonly errorCode: string
  readonly errorMessage: string
  readonly errorStack: string
}

/** A text is cut last: half of what is personal would not be found in it. */
export function describeError(error: unknown, redact: Redact = (text) => text): DescribedError {
  return {
    errorClass: error instanceof Error ? storable(error.name) : typeof error,
    errorCode: storable(errorCode(error)),
    errorMessage: storable(redact(errorMessage(error))),
    errorStack: error instanceof Error ? storable(redact(error.stack ?? '')) : '',
  }
}

/** Takes personal data of an event out of what is said about it. */
export function redactionOf(
  sources: readonly AnyEvents[],
  event: Pick<AnyEvent, 'type' | 'data'>,
): Redact {
  const secrets = personalTexts(sources, event)
  return (text) => secrets.reduce((rest, secret) => rest.replaceAll(secret, REDACTED), text)
}

/**
 * What logs and health may show of an error that code threw about an event. An error that is no event's fault stays
 * itself where it says nothing personal: others look at what it is.
 */
export function redactedError(
  error: unknown,
  of: {
    readonly sources: readonly AnyEvents[]
    readonly event: Pick<AnyEvent, 'type' | 'data'>
    readonly failureClass: FailureClass
  },
): unknown {
  const { sources, event, failureClass } = of
  const redact = redactionOf(sources, event)
  if (!isEventFault(failureClass) && textsOf(error).every((text) => redact(text) === text)) {
    return error
  }
  const described = describeError(error, redact)
  return new RedactedError(described.errorMessage, {
    name: described.errorClass,
    code: described.errorCode,
    stack: described.errorStack,
    failureClass,
  })
}

/** All that loggers show: `pg` has rows in `detail`, and causes are told as well. */
function textsOf(error: unknown): readonly string[] {
  const texts: string[] = []
  let current = error
  for (let depth = 0; depth < CAUSES_MAX && current instanceof Error; depth += 1) {
    const members: readonly unknown[] = Object.values(current)
    texts.push(current.message, current.stack ?? '')
    texts.push(...members.filter((member) => typeof member === 'string'))
    current = current.cause
  }
  return texts
}

/** Text that Postgres takes, of bounded length; a cut may leave half of a character. */
function storable(text: string): string {
  return text
    .slice(0, ERROR_TEXT_LENGTH_MAX)
    .replaceAll('\0', '')
    .replace(/\p{Cs}/gu, '\ufffd')
}
