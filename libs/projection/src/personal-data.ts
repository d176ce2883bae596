import type { AnyEvents } from '@fairlead/avro'
import type { AnyEvent } from './definition.ts'

/** Stands for a value that is nobody's business here. */
export const REDACTED = '[redacted]'

/** A shorter text is in everything: to take it out would destroy what is left. */
const SECRET_LENGTH_MIN = 3

/** The texts of the fields that the schema marks as `pii`. */
export function personalTexts(sources: readonly AnyEvents[], event: AnyEvent): readonly string[] {
  return personalValues(sources, event)
    .map(([, value]) => textOf(value))
    .filter((text) => text.length >= SECRET_LENGTH_MIN)
}

/** The event's data with `[redacted]` for each field that its schema marks as `pii`. */
export function redactPersonal(
  sources: readonly AnyEvents[],
  event: Pick<AnyEvent, 'type' | 'data'>,
): unknown {
  const personal = personalValues(sources, event).map(([name]) => [name, REDACTED] as const)
  return personal.length === 0
    ? event.data
    : { ...(event.data as Readonly<Record<string, unknown>>), ...Object.fromEntries(personal) }
}

function personalValues(
  sources: readonly AnyEvents[],
  { type, data }: Pick<AnyEvent, 'type' | 'data'>,
): readonly (readonly [string, unknown])[] {
  if (typeof data !== 'object' || data === null) return []
  const values = data as Readonly<Record<string, unknown>>
  const fields = sources.flatMap(({ definitions }) => definitions[type]?.fields ?? [])
  return fields.filter((field) => 'pii' in field).map(({ name }) => [name, values[name]] as const)
}

/** As an error message would have it; empty for what no message shows whole. */
function textOf(value: unknown): string {
  if (typeof value === 'string') return value
  return typeof value === 'number' || typeof value === 'bigint' ? value.toString() : ''
}
